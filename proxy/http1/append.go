package http1

import (
	"net/http"
	"strconv"

	"github.com/penstock/penstock/proxy/exchange"
)

// AppendRequest appends the head of r in the form of HTTP/1.1, with framing of our own: what follows is r.ContentLength
// bytes, or chunks if that is Unknown. The connection is meant to be kept.
func AppendRequest(dst []byte, r *exchange.Request) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Path...)
	if r.HasQuery {
		dst = append(dst, '?')
		dst = append(dst, r.Query...)
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, r.Authority...)
	dst = append(dst, crlf...)
	dst = r.Head.AppendTo(dst)
	switch {
	case r.Body == nil && !expectsContent(r.Method):
	case r.Body != nil && r.ContentLength == exchange.Unknown:
		dst = append(dst, chunkedLine...)
	default:
		dst = appendLength(dst, max(r.ContentLength, 0))
	}
	if r.Upgrade != "" {
		dst = appendUpgrade(dst, r.Upgrade)
	}
	return append(dst, crlf...)
}

// RequestSize is how many bytes AppendRequest appends, or a few more.
func RequestSize(r *exchange.Request) int {
	const fixed = len(" ? HTTP/1.1\r\nHost: \r\nConnection: Upgrade\r\nUpgrade: \r\nContent-Length: 9223372036854775807\r\n\r\n")
	return fixed + len(r.Method) + len(r.Path) + len(r.Query) + len(r.Authority) + r.Head.Size() + len(r.Upgrade)
}

// expectsContent names the methods with which even an empty body has its length stated (RFC 9110 §8.6).
func expectsContent(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

const chunkedLine = "Transfer-Encoding: chunked\r\n"

func appendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, crlf...)
}

func appendUpgrade(dst []byte, protocol string) []byte {
	dst = append(dst, "Connection: Upgrade\r\nUpgrade: "...)
	dst = append(dst, protocol...)
	return append(dst, crlf...)
}

// ResponseOptions are what a response's head depends on beside the response.
type ResponseOptions struct {
	// Protocol is the client's. The status line names HTTP/1.1 in any case (RFC 9110 §2.5).
	Protocol exchange.Protocol
	// Head tells that the request's method was HEAD, so no body follows.
	Head bool
	// KeepAlive tells that the connection will be kept, if the framing allows it.
	KeepAlive bool
	// Upgrade is the protocol that a response of status 101 changes to.
	Upgrade string
	// Date is the value of the Date field for a response without one; empty for none.
	Date string
}

// Framing is how the body of a response is written.
type Framing uint8

// The framings of a response.
const (
	// NoBody: nothing follows the head, whatever the response's Body holds.
	NoBody Framing = iota
	// Sized: ContentLength bytes follow.
	Sized
	// Chunked: chunks follow.
	Chunked
	// ByClose: the body ends with the connection, for clients of HTTP/1.0.
	ByClose
)

// Framing says how the body of r is to be written.
func (o ResponseOptions) Framing(r *exchange.Response) Framing {
	switch {
	case o.Head || r.Status < 200 || r.Status == http.StatusNoContent || r.Status == http.StatusNotModified:
		return NoBody
	case r.Body == nil || r.ContentLength >= 0:
		return Sized
	case o.Protocol == exchange.HTTP10:
		return ByClose
	}
	return Chunked
}

// AppendResponse appends the head of r in the form of HTTP/1.1, with framing of our own.
func AppendResponse(dst []byte, r *exchange.Response, o ResponseOptions) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(r.Status)...)
	dst = append(dst, crlf...)
	dst = r.Head.AppendTo(dst)
	if o.Date != "" && !r.Head.Has(exchange.Date) {
		dst = append(dst, "Date: "...)
		dst = append(dst, o.Date...)
		dst = append(dst, crlf...)
	}
	if r.Status == http.StatusSwitchingProtocols {
		return append(appendUpgrade(dst, o.Upgrade), crlf...)
	}
	return append(o.appendFraming(dst, r), crlf...)
}

// appendFraming says how the body is framed and what becomes of the connection.
func (o ResponseOptions) appendFraming(dst []byte, r *exchange.Response) []byte {
	framing := o.Framing(r)
	switch framing {
	case NoBody:
		if statesLength(r) {
			dst = appendLength(dst, r.ContentLength)
		}
	case Sized:
		dst = appendLength(dst, max(r.ContentLength, 0))
	case Chunked:
		dst = append(dst, chunkedLine...)
	}
	switch {
	case !o.KeepAlive || framing == ByClose:
		dst = append(dst, "Connection: close\r\n"...)
	case o.Protocol == exchange.HTTP10:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return dst
}

// statesLength reports whether the length of a body that is left out on purpose is known and may be stated (RFC 9110 §8.6).
// With 304, 0 is what nobody has set.
func statesLength(r *exchange.Response) bool {
	switch {
	case r.Status < 200 || r.Status == http.StatusNoContent:
		return false
	case r.Status == http.StatusNotModified:
		return r.ContentLength > 0
	}
	return r.ContentLength >= 0
}
