package http1

import (
	"bytes"

	"github.com/penstock/penstock/proxy/exchange"
)

var (
	crlf      = []byte("\r\n")
	emptyLine = []byte("\r\n\r\n")
)

// section collects what the fields say about the message itself, while the other fields go into the head.
type section struct {
	length           int64 // of Content-Length; -1 without one
	lengths, codings int   // counts of Content-Length and Transfer-Encoding
	hosts, upgrades  int
	badCoding        fault
	host, upgrade    []byte
	expects          bool // 100-continue
	close, keepAlive bool // options of Connection
	upgrading        bool
	named            [maxNamed]part // fields named by Connection
	nameds           int
}

// part is where something stands in the head.
type part struct{ from, to uint32 }

// maxNamed is how many fields Connection may name, beside its known options.
const maxNamed = 16

// headEnd finds where a head must have ended: the end of b, or an earlier empty line, or one that ends in a bare LF, which
// parse will refuse: waiting for the rest would only delay that. 0: more bytes are needed.
func headEnd(b []byte, limit int) (int, fault) {
	if len(b) <= limit && bytes.HasSuffix(b, emptyLine) {
		return len(b), none
	}
	within := b[:min(len(b), limit)]
	for line := 0; ; {
		n := bytes.IndexByte(within[line:], '\n')
		if n < 0 {
			break
		}
		end := line + n + 1
		// An empty line at the very start comes before the message.
		if bare := n == 0 || b[end-2] != '\r'; bare || n == 1 && line > 0 {
			return end, none
		}
		line = end
	}
	if len(b) >= limit {
		return 0, headTooLarge
	}
	return 0, none
}

// parse reads field lines from b[i:] to the empty line, which is known to come, and returns the index behind it.
func (s *section) parse(b []byte, i, limit int, h *exchange.Head) (int, fault) {
	s.length = -1
	for count := 0; b[i] != '\r' || b[i+1] != '\n'; count++ {
		if count == limit {
			return 0, tooManyFields
		}
		name := i
		nameEnd, underscored := spanName(b, i)
		// White space before the name is a folded line, behind it an old way to hide a field (RFC 9112 §5.1, §5.2).
		if nameEnd == name || b[nameEnd] != ':' {
			return 0, badFieldName
		}
		if underscored && isDisguise(b[name:nameEnd]) {
			return 0, disguisedName
		}
		end := spanValue(b, nameEnd+1)
		if b[end] != '\r' || b[end+1] != '\n' {
			return 0, badFieldValue
		}
		i = end + len(crlf)
		value, valueEnd := trimSpace(b, nameEnd+1, end)
		id := exchange.IDOf(b[name:nameEnd])
		keep, f := s.note(id, b, value, valueEnd)
		if f != none {
			return 0, f
		}
		if keep && !isReserved(id, b[name:nameEnd]) {
			h.Append(id, name, nameEnd, value, valueEnd, i)
		}
	}
	s.dropNamed(b, h)
	return i + len(crlf), s.check()
}

// note takes in one field, whose value is b[value:valueEnd], and tells whether it is an end-to-end field.
func (s *section) note(id exchange.ID, b []byte, value, valueEnd int) (keep bool, f fault) {
	v := b[value:valueEnd]
	switch id {
	case exchange.Connection:
		f = s.options(b, value, valueEnd)
	case exchange.ContentLength:
		s.lengths++
		s.length, f = parseLength(v)
	case exchange.TransferEncoding:
		s.codings++
		s.badCoding = checkCoding(v)
	case exchange.Host:
		s.hosts++
		s.host = v
	case exchange.Upgrade:
		s.upgrades++
		s.upgrade = v
	case exchange.Expect:
		keep = !equalFold(v, "100-continue")
		s.expects = s.expects || !keep
	case exchange.KeepAlive, exchange.ProxyConnection, exchange.TE, exchange.Trailer:
	default:
		keep = true
	}
	return keep, f
}

// options reads a Connection field, b[from:to] (RFC 9110 §7.6.1).
func (s *section) options(b []byte, from, to int) fault {
	for from < to {
		end := to
		if i := bytes.IndexByte(b[from:to], ','); i >= 0 {
			end = from + i
		}
		at, atEnd := trimSpace(b, from, end)
		item := b[at:atEnd]
		from = end + 1
		switch {
		case len(item) == 0:
		case equalFold(item, "close"):
			s.close = true
		case equalFold(item, "keep-alive"):
			s.keepAlive = true
		case equalFold(item, "upgrade"):
			s.upgrading = true
		case s.nameds == maxNamed:
			return tooManyOptions
		default:
			s.named[s.nameds] = part{uint32(at), uint32(atEnd)}
			s.nameds++
		}
	}
	return none
}

// dropNamed removes the fields that Connection names, which are meant for this connection alone. Protected are the fields that
// the gateway knows, and X-Forwarded-*: those it acts on itself or they are meant for every recipient, and a client
// must not make the backend see less of them than the gateway saw.
func (s *section) dropNamed(b []byte, h *exchange.Head) {
	for _, at := range s.named[:s.nameds] {
		if name := b[at.from:at.to]; !isProtected(name) {
			h.Drop(exchange.String(name))
		}
	}
}

// isReserved reports whether a field is called Close, a name that no field must have (RFC 9112 §9.6): on a connection that ends the
// option names it, and which connections end is for each hop to say.
func isReserved(id exchange.ID, name []byte) bool {
	return id == exchange.Other && equalFold(name, "close")
}

func isProtected(name []byte) bool {
	const forwarded = "x-forwarded-"
	return exchange.IDOf(name) != exchange.Other || len(name) > len(forwarded) && equalFold(name[:len(forwarded)], forwarded)
}

// isDisguise reports whether a name with underscores is that of a field of framing or of the connection to backends that read "_" as
// "-", as CGI, WSGI, Rack and PHP do. What a filter sets or judges under the proper name, it drops under others.
func isDisguise(name []byte) bool {
	var plain [32]byte // longer than the known names
	n := copy(plain[:], name)
	for i, c := range plain[:n] {
		if c == '_' {
			plain[i] = '-'
		}
	}
	id := exchange.IDOf(plain[:n])
	return n == len(name) && id != exchange.Other && id <= exchange.Upgrade
}

// check refuses framing that could be read in two ways (RFC 9112 §6.1, §6.3).
func (s *section) check() fault {
	switch {
	case s.codings > 0 && s.lengths > 0:
		return codingAndLength
	case s.lengths > 1:
		return badLength
	case s.codings > 1:
		return badCoding
	case s.codings == 1:
		return s.badCoding
	}
	return none
}

// persists reports whether the connection is meant to be kept (RFC 9112 §9.3).
func (s *section) persists(p exchange.Protocol) bool {
	return !s.close && (p == exchange.HTTP11 || s.keepAlive)
}

// parseLength reads a Content-Length. A list of equal numbers, which RFC 9110 §8.6 lets us accept, is refused, and so are leading
// zeros, which some read as octal.
func parseLength(v []byte) (int64, fault) {
	const maxDigits = 18 // the most that can't overflow
	if len(v) == 0 || len(v) > maxDigits || v[0] == '0' && len(v) > 1 {
		return 0, badLength
	}
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, badLength
		}
		n = n*10 + int64(c-'0')
	}
	return n, none
}

// checkCoding accepts "chunked" alone. Below it other codings are unknown here; without it at the end, nobody can
// know where the body ends (RFC 9112 §6.1, §6.3).
func checkCoding(v []byte) fault {
	const chunked = "chunked"
	if equalFold(v, chunked) {
		return none
	}
	if n := len(v) - len(chunked); n > 0 && equalFold(v[n:], chunked) && (v[n-1] == ',' || isSpace(v[n-1])) {
		return unsupportedCoding
	}
	return badCoding
}
