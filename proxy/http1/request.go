package http1

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
)

// ParseRequest reads the head of a request from the start of b and returns its length, or 0 without an error if more bytes are
// needed: call it again with all of them. What r gets aliases b; r.Path is left as it was received, and r.Scheme, Body and
// normalisation are the caller's. An error is an *exchange.Error, after which the connection can't be used:
//
//	400 request.malformed        request line, target or field line (RFC 9112 §3, §5)
//	400 request.framing          Content-Length and Transfer-Encoding (RFC 9112 §6)
//	400 request.host             Host and the target's authority (RFC 9112 §3.2)
//	414 request.line_too_long    Limits.RequestLine
//	431 request.head_too_large   Limits.Head
//	431 request.too_many_fields  Limits.Fields, or Connection names too many
//	501 request.unsupported      transfer codings but chunked; CONNECT
//	505 request.version          anything but HTTP/1.1 and HTTP/1.0
//
// What had been read when the error was found is in r, for logs. Bytes that follow don't change a result once there is one.
func ParseRequest(b []byte, r *exchange.Request, l Limits) (n int, m Message, p exchange.Protocol, err error) {
	r.Head.Reset(nil)
	n, m, p, f := parseRequest(b, r, l)
	if f != none {
		return 0, Message{}, p, requestErrors[f]
	}
	return n, m, p, nil
}

func parseRequest(b []byte, r *exchange.Request, l Limits) (int, Message, exchange.Protocol, fault) {
	start := 0
	if bytes.HasPrefix(b, crlf) {
		start = len(crlf) // one empty line before a request is forgiven (RFC 9112 §2.2)
	}
	line, p, f := parseRequestLine(b[start:], r, l.RequestLine)
	if line == 0 {
		return 0, Message{}, p, f
	}
	end, f := headEnd(b, l.Head)
	if end == 0 {
		return 0, Message{}, p, f
	}
	var s section
	r.Head.Reset(b[:end])
	n, f := s.parse(b[:end], start+line, l.Fields, &r.Head)
	if f != none {
		return 0, Message{}, p, f
	}
	m, f := s.request(r, p)
	return n, m, p, f
}

// parseRequestLine returns the length of the request line with its CRLF; 0 if it is incomplete or faulty.
func parseRequestLine(b []byte, r *exchange.Request, limit int) (int, exchange.Protocol, fault) {
	n, f := requestLineEnd(b, limit)
	if n == 0 {
		return 0, "", f
	}
	line := b[:n-len(crlf)]
	method := span(line, 0, tokenByte)
	if method == 0 || method > maxMethod || method == len(line) || line[method] != ' ' {
		return 0, "", badRequestLine
	}
	target := spanTarget(line, method+1)
	r.Method = methodOf(line[:method])
	r.Target = exchange.String(line[method+1 : target])
	if target == len(line) || line[target] != ' ' {
		return 0, "", badRequestLine
	}
	p, f := parseVersion(line[target+1:])
	if f == none {
		f = parseTarget(r)
	}
	if f != none {
		return 0, p, f
	}
	return n, p, none
}

// requestLineEnd returns the index behind the line's CRLF; 0 if it is incomplete or faulty.
func requestLineEnd(b []byte, limit int) (int, fault) {
	// A TLS handshake, for instance, or a method without end: tell at once.
	if m := span(b[:min(len(b), maxMethod+1)], 0, tokenByte); m > maxMethod || m < len(b) && b[m] != ' ' && (m > 0 || b[0] != '\r') {
		return 0, badRequestLine
	}
	n := bytes.IndexByte(b[:min(len(b), limit+len(crlf))], '\n')
	switch {
	case n < 0 && len(b) >= limit+len(crlf):
		return 0, lineTooLong
	case n < 0:
		return 0, none
	case n == 0 || b[n-1] != '\r':
		return 0, badRequestLine
	}
	return n + 1, none
}

// maxMethod is the longest method, in bytes. The longest registered one has 17.
const maxMethod = 32

// methodOf returns a constant for the usual methods, so that they outlive the buffer and compare by address.
func methodOf(b []byte) string {
	switch string(b) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "PATCH":
		return "PATCH"
	case "DELETE":
		return "DELETE"
	case "OPTIONS":
		return "OPTIONS"
	case "TRACE":
		return "TRACE"
	}
	return exchange.String(b)
}

func parseVersion(v []byte) (exchange.Protocol, fault) {
	switch string(v) {
	case "HTTP/1.1":
		return exchange.HTTP11, none
	case "HTTP/1.0":
		return exchange.HTTP10, none
	}
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	if len(v) == len("HTTP/1.1") && string(v[:5]) == "HTTP/" && digit(v[5]) && v[6] == '.' && digit(v[7]) {
		return "", badVersion
	}
	return "", badRequestLine
}

// parseTarget splits r.Target, which is not empty, into authority, path and query (RFC 9112 §3.2).
func parseTarget(r *exchange.Request) fault {
	r.Authority, r.Path, r.Query, r.HasQuery = "", r.Target, "", false
	switch {
	case r.Method == "CONNECT":
		return unsupportedMethod
	case r.Target == "*":
		if r.Method != "OPTIONS" {
			return badTarget
		}
		return none
	case r.Target == "" || r.Target[0] != '/':
		if !cutAuthority(r) {
			return badTarget
		}
	}
	r.Path, r.Query, r.HasQuery = strings.Cut(r.Path, "?")
	if r.Path != "" {
		return none
	}
	r.Path = "/"
	if r.Method == "OPTIONS" && !r.HasQuery {
		r.Path = "*" // RFC 9112 §3.2.4: the last proxy turns an empty path of OPTIONS into the asterisk
	}
	return none
}

// cutAuthority takes an absolute-form apart. The scheme that counts is the connection's.
func cutAuthority(r *exchange.Request) bool {
	scheme, rest, ok := strings.Cut(r.Target, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	r.Authority, r.Path = rest[:end], rest[end:]
	return end > 0
}

// request turns what the fields say into a Message and the rest of r.
func (s *section) request(r *exchange.Request, p exchange.Protocol) (Message, fault) {
	if f := s.authority(r, p); f != none {
		return Message{}, f
	}
	if s.codings > 0 && p == exchange.HTTP10 {
		return Message{}, codingInHTTP10
	}
	m := Message{Length: max(s.length, 0), KeepAlive: s.persists(p)}
	if s.codings > 0 {
		m.Length = exchange.Unknown
	}
	m.Continue = s.expects && p == exchange.HTTP11 && m.Length != 0
	r.ContentLength = m.Length
	r.Upgrade = ""
	if s.upgrading && s.upgrades == 1 && p == exchange.HTTP11 && m.Length == 0 && isProtocol(s.upgrade) {
		r.Upgrade = exchange.String(s.upgrade)
	}
	return m, none
}

// isProtocol accepts one protocol to upgrade to. HTTP itself ("h2c", "HTTP/2.0") is none of them: behind such a tunnel
// requests would pass unseen. RFC 9110 §7.8 lets a server ignore any Upgrade.
func isProtocol(v []byte) bool {
	name, version, versioned := bytes.Cut(v, []byte{'/'})
	return isToken(name) && (!versioned || isToken(version)) && !equalFold(name, "h2c") && !equalFold(name, "http")
}

func isToken(b []byte) bool { return len(b) > 0 && span(b, 0, tokenByte) == len(b) }

// authority checks Host against the target and sets r.Authority and r.Host (RFC 9112 §3.2). HTTP/1.0 may go without.
func (s *section) authority(r *exchange.Request, p exchange.Protocol) fault {
	host := exchange.String(s.host)
	if s.hosts != 1 {
		if s.hosts > 1 || p != exchange.HTTP10 {
			return badHost
		}
		host = r.Authority
	}
	if r.Authority != "" && !strings.EqualFold(r.Authority, host) {
		return badHost
	}
	r.Authority, r.Host = host, ""
	if s.hosts == 0 && host == "" {
		return none
	}
	var ok bool
	if r.Host, ok = hostOf(host); !ok {
		return badHost
	}
	return none
}

// hostOf checks an authority and returns its host in lower case without port, brackets and trailing dot. Registered names
// are held to letters, digits, "-", "." and "_"; RFC 3986 allows more, none of which a name in DNS has.
func hostOf(authority string) (string, bool) {
	if strings.HasPrefix(authority, "[") {
		return addressOf(authority)
	}
	end, upper := 0, false
	for ; end < len(authority) && classes[authority[end]]&hostByte != 0; end++ {
		c := authority[end]
		if c == '.' && (end == 0 || authority[end-1] == '.') {
			return "", false
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	host, port := authority[:end], authority[end:]
	if end == 0 || end > maxHost || port != "" && (port[0] != ':' || !isPort(port[1:])) {
		return "", false
	}
	if upper {
		host = strings.ToLower(host)
	}
	return strings.TrimSuffix(host, "."), true
}

// maxHost is the longest host name in DNS, in bytes, with a trailing dot.
const maxHost = 254

func addressOf(authority string) (string, bool) {
	host, rest, ok := strings.Cut(authority[1:], "]")
	if !ok || strings.Contains(host, "%") || rest != "" && rest[0] != ':' {
		return "", false
	}
	addr, err := netip.ParseAddr(host)
	return strings.ToLower(host), err == nil && addr.Is6() && isPort(strings.TrimPrefix(rest, ":"))
}

// isPort accepts 0 to 65535, and nothing: "host:" means the scheme's default.
func isPort(s string) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		if n = n*10 + int(s[i]-'0'); s[i] < '0' || s[i] > '9' || n > 65535 {
			return false
		}
	}
	return true
}
