package exchange

import "bytes"

// ErrPath refuses a path that a backend might read differently than the gateway.
var ErrPath = &Error{Status: 400, Code: "request.path", Source: FromClient}

// PathOptions are choices in NormalizePath. The zero value is what is recommended.
type PathOptions struct {
	// KeepSlashes leaves runs of slashes as they are. Otherwise each becomes one slash, as most backends see it.
	KeepSlashes bool
}

// NormalizePath brings the path of a request into the one form that is matched, authorised and forwarded: without dot
// segments (RFC 3986 §6.2.2.3), with unreserved characters decoded and other percent-encodings in upper case (§6.2.2.2, §6.2.2.1).
// A path that has this form already is returned as it is; a changed one is built in memory from alloc, which must give len(raw) bytes.
//
// ErrPath is returned for what has no such form or is read in different ways: a path that does not start with "/",
// encoded slash, backslash or control character, a backslash, a percent sign without two hex digits, bytes that a path can't contain, and
// dot segments with parameters ("/..;/"), which some servers resolve.
func NormalizePath(raw string, alloc func(n int) []byte, o PathOptions) (string, error) {
	if raw == "" || raw[0] != '/' {
		return "", ErrPath
	}
	if o.isNormal(raw) {
		return raw, nil
	}
	out, ok := o.appendNormal(alloc(len(raw))[:0], raw)
	if !ok {
		return "", ErrPath
	}
	return String(out), nil
}

// isNormal reports whether nothing is to be changed or refused.
func (o PathOptions) isNormal(raw string) bool {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '/':
			next := raw[i+1:]
			if isDots(next) || !o.KeepSlashes && next != "" && next[0] == '/' {
				return false
			}
		case '%':
			c, ok := decodeTriplet(raw[i:])
			if !ok || isUnreserved(c) || isLowerHex(raw[i+1]) || isLowerHex(raw[i+2]) {
				return false
			}
			i += 2
		default:
			if !isPathByte(c) {
				return false
			}
		}
	}
	return true
}

// isDots reports whether the first segment of s is "." or "..", with or without parameters.
func isDots(s string) bool {
	n := 0
	for n < len(s) && n < 3 && s[n] == '.' {
		n++
	}
	return (n == 1 || n == 2) && (n == len(s) || s[n] == '/' || s[n] == ';')
}

// appendNormal appends the normal form; false if there is none.
func (o PathOptions) appendNormal(out []byte, raw string) ([]byte, bool) {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '/':
			var cut bool
			out, cut = cutDots(out)
			if !cut && (o.KeepSlashes || len(out) == 0 || out[len(out)-1] != '/') {
				out = append(out, '/')
			}
		case '%':
			c, ok := decodeTriplet(raw[i:])
			switch {
			case !ok:
				return nil, false
			case isUnreserved(c):
				out = append(out, c)
			default:
				out = append(out, '%', upperHex[c>>4], upperHex[c&0xf])
			}
			i += 2
		case ';':
			if _, cut := cutDots(out); cut {
				return nil, false
			}
			out = append(out, c)
		default:
			if !isPathByte(c) {
				return nil, false
			}
			out = append(out, c)
		}
	}
	out, _ = cutDots(out)
	return out, true
}

// cutDots removes the last segment if it is ".", and the one before it as well if it is "..". The slash before them stays.
func cutDots(out []byte) ([]byte, bool) {
	at := bytes.LastIndexByte(out, '/') + 1
	switch string(out[at:]) {
	case ".":
		return out[:at], true
	case "..":
		return out[:max(1, bytes.LastIndexByte(out[:at-1], '/')+1)], true
	}
	return out, false
}

// decodeTriplet reads "%XX" from the start of s. It refuses what must not be in a path even when encoded.
func decodeTriplet(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	hi, lo := nibble(s[1]|0x20), nibble(s[2]|0x20)
	if hi|lo > 0xf || s[1] < '0' || s[2] < '0' {
		return 0, false
	}
	c := hi<<4 | lo
	return c, c != '/' && c != '\\' && c >= ' ' && c != 0x7f
}

const upperHex = "0123456789ABCDEF"

func isLowerHex(c byte) bool { return c >= 'a' }

func isUnreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// isPathByte accepts printable ASCII but for what ends a path and the backslash. Characters that RFC 3986 wants encoded but
// clients send all the same, such as "|", are left alone.
func isPathByte(c byte) bool { return ' ' < c && c < 0x7f && c != '?' && c != '#' && c != '\\' }
