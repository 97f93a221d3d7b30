package http1

import (
	"bytes"

	"github.com/penstock/penstock/proxy/swar"
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

// spanValue is span of valueByte.
func spanValue(b []byte, i int) int {
	for len(b)-i >= 8 {
		w := swar.Load(b[i:])
		marks := swar.Below(w, ' ') | swar.Equal(w, 0x7f)
		if marks == 0 {
			i += 8
			continue
		}
		if i += swar.First(marks); b[i] != '\t' {
			return i
		}
		i++
	}
	return span(b, i, valueByte)
}

// spanTarget is span of targetByte.
func spanTarget(b []byte, i int) int {
	for len(b)-i >= 8 {
		w := swar.Load(b[i:])
		marks := swar.Below(w, ' '+1) | swar.Equal(w, '#') | swar.Equal(w, 0x7f) | swar.High(w)
		if marks != 0 {
			return i + swar.First(marks)
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
