package http1

import (
	"bytes"
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
)

// ParseResponse reads the head of a response to a request of that method from the start of b and returns its length, or 0
// without an error if more bytes are needed. Interim responses (1xx) are results like any other: see r.Status and call
// again behind them. What r gets aliases b; r.Body is the caller's. Backends are distrusted like clients: an error is an
// *exchange.Error of 502 upstream.malformed that names the cause.
func ParseResponse(b []byte, r *exchange.Response, method string, l Limits) (n int, m Message, err error) {
	r.Head.Reset(nil)
	n, m, f := parseResponse(b, r, method, l)
	if f != none {
		return 0, Message{}, responseErrors[f]
	}
	return n, m, nil
}

func parseResponse(b []byte, r *exchange.Response, method string, l Limits) (int, Message, fault) {
	line, p, f := parseStatusLine(b[:min(len(b), l.Head)], r)
	if line == 0 {
		if f == none && len(b) >= l.Head {
			f = headTooLarge
		}
		return 0, Message{}, f
	}
	end, f := headEnd(b, l.Head)
	if end == 0 {
		return 0, Message{}, f
	}
	var s section
	r.Head.Reset(b[:end])
	n, f := s.parse(b[:end], line, l.Fields, &r.Head)
	if f != none {
		return 0, Message{}, f
	}
	m, f := s.response(r, method, p)
	return n, m, f
}

// parseStatusLine returns the length of the status line with its CRLF; 0 if it is incomplete or faulty. The reason phrase may
// be absent with its space, which RFC 9112 §4 asks for and many servers leave out; nothing depends on it.
func parseStatusLine(b []byte, r *exchange.Response) (int, exchange.Protocol, fault) {
	const fixed = len("HTTP/1.1 200")
	if len(b) < fixed+len(crlf) {
		return 0, "", none
	}
	p, f := parseVersion(b[:len("HTTP/1.1")])
	r.Status = parseStatus(b[len("HTTP/1.1"):fixed])
	if f != none || r.Status == 0 || b[fixed] != ' ' && b[fixed] != '\r' {
		return 0, "", badStatusLine
	}
	end := spanValue(b, fixed)
	line := b[end:min(end+len(crlf), len(b))]
	switch {
	case !bytes.HasPrefix(crlf, line):
		return 0, "", badStatusLine
	case len(line) < len(crlf):
		return 0, "", none
	}
	return end + len(crlf), p, none
}

// parseStatus reads a space and three digits; 0 if that or the range is wrong.
func parseStatus(b []byte) (status int) {
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return 0
		}
		status = status*10 + int(c-'0')
	}
	if b[0] != ' ' || status < 100 || status > 599 {
		return 0
	}
	return status
}

// response turns what the fields say into a Message and r's length, in the order of RFC 9112 §6.3.
func (s *section) response(r *exchange.Response, method string, p exchange.Protocol) (Message, fault) {
	if f := s.distrust(r.Status, p); f != none {
		return Message{}, f
	}
	m := Message{KeepAlive: s.persists(p), response: true}
	r.ContentLength, r.Upgrade = 0, ""
	if r.Status == http.StatusSwitchingProtocols {
		r.Upgrade = exchange.String(s.upgrade)
	}
	switch {
	case r.Status < 200 || r.Status == http.StatusNoContent:
		// A length is forbidden here (RFC 9110 §8.6). Who sends one may send the body, too.
		m.KeepAlive = m.KeepAlive && s.codings == 0 && s.length <= 0
	case method == http.MethodHead || r.Status == http.StatusNotModified:
		r.ContentLength = s.length // -1, without one, is Unknown
	case s.codings > 0:
		m.Length, r.ContentLength = exchange.Unknown, exchange.Unknown
	case s.lengths > 0:
		m.Length, r.ContentLength = s.length, s.length
	default:
		m.Length, m.KeepAlive, r.ContentLength = UntilClose, false, exchange.Unknown
	}
	return m, none
}

// distrust refuses fields that do not go with the status or the version.
func (s *section) distrust(status int, p exchange.Protocol) fault {
	switch {
	case s.codings > 0 && p == exchange.HTTP10:
		return codingInHTTP10
	case status == http.StatusSwitchingProtocols && (!s.upgrading || s.upgrades != 1 || !isProtocol(s.upgrade)):
		return badUpgrade
	case status < 200 && (s.codings > 0 || s.length > 0):
		return badInterim
	}
	return none
}
