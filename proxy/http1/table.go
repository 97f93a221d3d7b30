package http1

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Classes of bytes, as bits of the table classes.
const (
	tokenByte  = 1 << iota // tchar, RFC 9110 §5.6.2
	valueByte              // field-vchar, SP and HTAB, RFC 9110 §5.5
	targetByte             // VCHAR but "#": a target has no fragment, RFC 9112 §3.2
	underscore             // "_", which CGI and its heirs don't tell from "-"
	hostByte               // what registered names are made of in practice: letters, digits, "-", "." and "_"
)

var classes = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		alnum := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if alnum || c != 0 && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0 {
			t[i] |= tokenByte
		}
		if c == '_' {
			t[i] |= underscore
		}
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[i] |= valueByte
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[i] |= targetByte
		}
		if alnum || c == '-' || c == '.' || c == '_' {
			t[i] |= hostByte
		}
	}
	return t
}()

// span returns the index of the first byte from i on that is not of the class, or len(b).
func span(b []byte, i int, class uint8) int {
	for i < len(b) && classes[b[i]]&class != 0 {
		i++
	}
	return i
}

// spanName is span of tokenByte, and tells whether an underscore is in it.
func spanName(b []byte, i int) (end int, underscored bool) {
	var seen uint8
	for i < len(b) && classes[b[i]]&tokenByte != 0 {
		seen |= classes[b[i]]
		i++
	}
	return i, seen&underscore != 0
}

// What the functions below need to look at eight bytes at a time.
const ones, high = 0x0101010101010101, 0x8080808080808080

// below marks the bytes of w that are less than n, which is at most 0x80, and may mark bytes above such a one in error. It marks
// none from 0x80 on otherwise.
func below(w uint64, n uint64) uint64 { return (w - n*ones) &^ w & high }

// equal marks the bytes of w that are c, as below does.
func equal(w uint64, c byte) uint64 { return below(w^uint64(c)*ones, 1) }

// spanValue is span of valueByte.
func spanValue(b []byte, i int) int {
	for len(b)-i >= 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		marks := below(w, ' ') | equal(w, 0x7f)
		if marks == 0 {
			i += 8
			continue
		}
		if i += bits.TrailingZeros64(marks) / 8; b[i] != '\t' {
			return i
		}
		i++
	}
	return span(b, i, valueByte)
}

// spanTarget is span of targetByte.
func spanTarget(b []byte, i int) int {
	for len(b)-i >= 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		marks := below(w, ' '+1) | equal(w, '#') | equal(w, 0x7f) | w&high
		if marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
		i += 8
	}
	return span(b, i, targetByte)
}

// trimSpace cuts optional white space (RFC 9110 §5.6.3) from both ends of b[from:to].
func trimSpace(b []byte, from, to int) (int, int) {
	for from < to && isSpace(b[from]) {
		from++
	}
	for from < to && isSpace(b[to-1]) {
		to--
	}
	return from, to
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// equalFold compares b with s, which is in lower case, without regard to case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c != s[i] && (c < 'A' || c > 'Z' || c|0x20 != s[i]) {
			return false
		}
	}
	return true
}
