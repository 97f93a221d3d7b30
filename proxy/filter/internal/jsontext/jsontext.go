// Package jsontext appends JSON to buffers without allocating.
package jsontext

import (
	"unicode/utf8"

	"github.com/penstock/penstock/proxy/swar"
)

const hex = "0123456789abcdef"

// plain are the bytes that stand for themselves.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// AppendString appends s as a JSON string. What could end the string, start a line or steer a terminal is escaped:
// quotes, backslashes, all control characters (C0, DEL and C1) and the line separators U+2028 and U+2029. Bytes that
// are not UTF-8 become U+FFFD.
func AppendString[T []byte | string](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && arePlain(swar.Load(s[i:i+8])) {
			i += 8
			continue
		}
		if plain[s[i]] {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		n := 0
		dst, n = appendSpecial(dst, s[i:min(len(s), i+utf8.UTFMax)])
		i += n
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// arePlain reports whether all eight bytes stand for themselves. It may say no where a byte follows one that does not.
func arePlain(eight uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quotes, backslashes := eight^ones*'"', eight^ones*'\\'
	// A byte less n borrows from its high bit if it is less than n; a byte that is 0x7f plus 1 carries into it.
	special := (eight - ones*' ') | (quotes - ones) | (backslashes - ones) | (eight + ones) | eight
	return special&highs == 0
}

// appendSpecial appends the first character of s, escaped if need be, and returns its length in s.
func appendSpecial[T []byte | string](dst []byte, s T) ([]byte, int) {
	r, n := decode(s)
	switch {
	case r == utf8.RuneError && n == 1:
		return append(dst, `\ufffd`...), n
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r)), n
	case r < ' ' || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029':
		return append(dst, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf]), n
	}
	return append(dst, s[:n]...), n
}

// decode is utf8.DecodeRune for both types; the copy stays on the stack.
func decode[T []byte | string](s T) (rune, int) {
	var b [utf8.UTFMax]byte
	return utf8.DecodeRune(b[:copy(b[:], s)])
}
