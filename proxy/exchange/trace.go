package exchange

import "encoding/hex"

// Trace identifies the exchange across services. Its ID is a W3C trace id, so that spans can reuse it.
type Trace struct {
	ID [16]byte
}

// IsValid reports whether the id is set: all zero is no trace id (W3C Trace Context §3.2.2.3).
func (t Trace) IsValid() bool { return t.ID != [16]byte{} }

// AppendHex appends the 32 lower-case hex digits of the id.
func (t Trace) AppendHex(dst []byte) []byte { return hex.AppendEncode(dst, t.ID[:]) }

// ParseTrace reads 32 lower-case hex digits, not all zero.
func ParseTrace(s string) (Trace, bool) {
	var t Trace
	if len(s) != 2*len(t.ID) {
		return Trace{}, false
	}
	for i := range t.ID {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi|lo > 0xf {
			return Trace{}, false
		}
		t.ID[i] = hi<<4 | lo
	}
	return t, t.IsValid()
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
