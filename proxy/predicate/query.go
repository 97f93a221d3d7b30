package predicate

import (
	"regexp"
	"strings"
	"sync"

	"github.com/penstock/penstock/proxy/exchange"
)

// parameter returns the first parameter of a query whose decoded name is name, with its value as received. "&" alone
// separates parameters (WHATWG URL §5.1).
func parameter(query, name string) (encoded string, found bool) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, v, _ := strings.Cut(pair, "=")
		if equalDecoded(key, name) {
			return v, true
		}
	}
	return "", false
}

// equalDecoded reports whether encoded, decoded, is want.
func equalDecoded(encoded, want string) bool {
	if strings.IndexByte(encoded, '%') < 0 && strings.IndexByte(encoded, '+') < 0 {
		return encoded == want
	}
	for ; encoded != "" && want != ""; want = want[1:] {
		c, n := decodeByte(encoded)
		if c != want[0] {
			return false
		}
		encoded = encoded[n:]
	}
	return encoded == want // both are empty
}

// decodeByte decodes the first byte of a name or value and returns how many bytes stood for it. A "%" without two
// hex digits stands for itself.
func decodeByte(s string) (byte, int) {
	switch {
	case s[0] == '+':
		return ' ', 1
	case s[0] == '%' && len(s) > 2 && isHex(s[1]) && isHex(s[2]):
		return unhex(s[1])<<4 | unhex(s[2]), 3
	}
	return s[0], 1
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// decoded lends the buffers in which values are decoded for a regular expression. They are not taken from the
// exchange, whose memory would grow with the number of candidates.
var decoded = sync.Pool{New: func() any { return new([]byte) }}

// matchDecoded reports whether encoded, decoded, matches.
func matchDecoded(re *regexp.Regexp, encoded string) bool {
	if strings.IndexByte(encoded, '%') < 0 && strings.IndexByte(encoded, '+') < 0 {
		return re.MatchString(encoded)
	}
	buf := decoded.Get().(*[]byte)
	defer decoded.Put(buf)
	*buf = (*buf)[:0]
	for encoded != "" {
		c, n := decodeByte(encoded)
		*buf = append(*buf, c)
		encoded = encoded[n:]
	}
	return re.MatchString(exchange.String(*buf))
}
