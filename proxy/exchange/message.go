package exchange

import (
	"errors"
	"io"
	"unsafe"
)

// Unknown is the ContentLength of a body whose end is known only when it is reached.
const Unknown = -1

// Request is what the client wants.
type Request struct {
	Method string
	// Target is the request target as it was received, for logs.
	Target string
	// Scheme is "http" or "https", as the client used it.
	Scheme string
	// Authority is the Host field or the target's authority, as received.
	Authority string
	// Host is Authority in lower case, without port and trailing dot. An IPv6 address has no brackets.
	Host string
	// Path is normalised, once: what is matched is authorised and forwarded. It starts with "/", or is "*".
	Path string
	// Query is what follows the "?", as received; HasQuery tells an empty query from none.
	Query    string
	HasQuery bool
	// Head holds the end-to-end fields. Framing, hop-by-hop and Connection-named fields have been dropped, and Host stands in Authority.
	Head Head
	// Body is nil without a body. It is read by one goroutine at a time.
	Body io.Reader
	// ContentLength is the length of Body in bytes: 0 without a body, Unknown if it is chunked.
	ContentLength int64
	// Upgrade is the protocol that the client asks to change to ("websocket"), or empty.
	Upgrade string
}

// ErrBodyTooLarge refuses a request whose body is larger than its route allows; reads of the body fail with it too.
var ErrBodyTooLarge = &Error{Status: 413, Code: "request.body_too_large", Source: FromClient, Close: true}

// ErrUninvited is the cause with which Body fails once the answer has begun, if the client waits for 100 Continue and has not got it.
// The body won't come (RFC 9110 §10.1.1), but nothing is wrong with the client or the answer.
var ErrUninvited = errors.New("the client was not asked for its body before the answer began")

// FullReader is implemented by request bodies that can wait for more than a piece.
type FullReader interface {
	// ReadFull is io.ReadFull by the body's Read, with its errors.
	ReadFull(p []byte) (int, error)
}

// ReadFull is io.ReadFull. Whoever wants a body as a whole reads it so: a client that sends it piece by piece then costs next to nothing
// until all is there.
func ReadFull(body io.Reader, p []byte) (int, error) {
	if b, ok := body.(FullReader); ok {
		return b.ReadFull(p)
	}
	return io.ReadFull(body, p)
}

// reset is field by field: the compiler would make a whole Request elsewhere and copy it.
func (r *Request) reset() {
	r.Method, r.Target, r.Scheme, r.Authority, r.Host, r.Path, r.Query, r.HasQuery = "", "", "", "", "", "", "", false
	r.Head.Reset(nil)
	r.Body, r.ContentLength, r.Upgrade = nil, 0, ""
}

// Response is what the client gets.
type Response struct {
	// Status is 101 or 200..599; 0 until there is an answer.
	Status int
	// Head holds the end-to-end fields; framing fields are the engine's.
	Head Head
	// Body is nil without a body. The engine reads it to its end, or closes it early; it closes it in any case.
	Body io.ReadCloser
	// ContentLength is the length of Body in bytes, or Unknown. On an answer to HEAD and with status 304 it is the
	// length that the body would have.
	ContentLength int64
	// Upgrade is the protocol that a backend changes to with status 101; else empty.
	Upgrade string
	// Tunnel is the other side of an upgraded connection; set if and only if Status is 101.
	Tunnel Tunnel
}

func (r *Response) reset() {
	r.Status = 0
	r.Head.Reset(nil)
	r.Body, r.ContentLength, r.Upgrade, r.Tunnel = nil, 0, "", nil
}

// Tunnel is a connection that no longer speaks HTTP.
type Tunnel interface {
	io.ReadWriteCloser
	// CloseWrite tells the other side that nothing more will come.
	CloseWrite() error
}

// SetBody makes b, which must not change until Reset, the body of the answer.
func (x *Exchange) SetBody(b []byte) {
	x.body.left = b
	x.Response.Body, x.Response.ContentLength = &x.body, int64(len(b))
}

// Reply begins an answer of the gateway's own. What a backend may have answered is closed and forgotten.
func (x *Exchange) Reply(status int) {
	// The answer that is thrown away can no longer fail the exchange.
	if b := x.Response.Body; b != nil {
		_ = b.Close()
	}
	if t := x.Response.Tunnel; t != nil {
		_ = t.Close()
	}
	x.Response.reset()
	x.Response.Status = status
}

type staticBody struct{ left []byte }

func (b *staticBody) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

func (b *staticBody) Close() error { b.left = nil; return nil }

// String returns b as a string without a copy. The bytes must not change while the string is used.
func String(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
