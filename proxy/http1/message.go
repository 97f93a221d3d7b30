// Package http1 is a strict codec for HTTP/1.1 (RFC 9112), in both directions. What two parsers could read differently is
// refused instead of repaired, because whoever stands behind the gateway may repair it in another way (request smuggling).
// Nothing in it allocates but a host name that comes in upper case. It knows no sockets; all of it is safe for concurrent use
// except where a type says otherwise.
package http1

// Limits bound the head of a message.
type Limits struct {
	// RequestLine is the longest request line, in bytes without its CRLF. Beyond it: 414.
	RequestLine int
	// Head is the longest head, in bytes from its first line to its empty line. Beyond it: 431.
	Head int
	// Fields is the largest number of field lines. Beyond it: 431.
	Fields int
}

// DefaultLimits admit what browsers and well-known clients send, with room for large cookies.
var DefaultLimits = Limits{RequestLine: 8 << 10, Head: 60 << 10, Fields: 100}

// Message is how a message's body is framed and what becomes of its connection.
type Message struct {
	// Length of the body in bytes, 0 without one; exchange.Unknown if it is chunked, UntilClose if the connection's end ends it.
	Length int64
	// KeepAlive tells that the sender will reuse the connection.
	KeepAlive bool
	// Continue tells that the client waits for 100 before it sends the body (RFC 9110 §10.1.1).
	Continue bool

	response bool // decides who is to blame for a malformed body
}

// UntilClose is the Length of a response body that ends with its connection.
const UntilClose = -2
