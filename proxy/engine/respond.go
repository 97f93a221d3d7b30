package engine

import (
	"io"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

// buffered is implemented by response bodies that can tell how many bytes are there without waiting, as http1.BodyReader can.
// Of an answer of unknown length the head goes out with the body's first bytes only if they are there.
type buffered interface {
	Buffered() int
}

// responder writes one response.
type responder struct {
	conn    *conn
	body    io.Reader
	framing http1.Framing
	left    int64 // of a body with a length
	out     *buffer.Buffer
	head    int // bytes of the head in out, which are still to be written
	count   int64
}

// respond writes head and body. An error means that the client has got less than the whole.
func (c *conn) respond(x *exchange.Exchange, o http1.ResponseOptions) error {
	r := responder{conn: c, body: x.Response.Body, framing: o.Framing(&x.Response), left: x.Response.ContentLength}
	r.out = c.engine.options.Buffers.Get(r.estimate())
	defer func() { r.out.Release() }()
	err := r.begin(http1.AppendResponse(r.out.Bytes[:0], &x.Response, o))
	for err == nil {
		err = r.pump()
	}
	x.Outcome.ResponseBytes = r.count
	if isEnd(err) {
		return nil
	}
	return err
}

// estimate is the room that the response takes; streams start small, since most of them stay small.
func (r *responder) estimate() int64 {
	const usualHead = 1 << 10
	if r.framing != http1.Sized {
		return usualHead
	}
	return usualHead + r.left
}

// begin decides whether the head can wait for the body's first bytes. It returns io.EOF if there is no body.
func (r *responder) begin(head []byte) error {
	if r.framing == http1.NoBody || r.framing == http1.Sized && r.left <= 0 {
		r.body = nil
	}
	if r.body == nil {
		if err := r.conn.send(head); err != nil {
			return err
		}
		return io.EOF
	}
	fits := len(head) <= len(r.out.Bytes)/2
	if fits && (r.framing == http1.Sized || isReady(r.body)) {
		r.head = len(head)
		return nil
	}
	return r.conn.send(head)
}

func isReady(body io.Reader) bool {
	b, ok := body.(buffered)
	return ok && b.Buffered() > 0
}

// pump reads one piece of the body and writes it, with the head before it if that is still to be written. It returns
// io.EOF behind the last piece.
func (r *responder) pump() error {
	from := r.head
	if r.framing == http1.Chunked {
		from += http1.ChunkHead
	}
	room := r.out.Bytes[from : len(r.out.Bytes)-http1.ChunkTail]
	if r.framing == http1.Sized {
		room = room[:min(int64(len(room)), r.left)]
	}
	n, err := r.body.Read(room)
	if n > 0 || err != nil {
		if err := r.write(from, n, isEnd(err)); err != nil {
			return err
		}
	}
	if r.framing == http1.Sized {
		err = r.shorten(n, err)
	}
	if err == nil && n == len(room) {
		r.out = r.conn.engine.options.Buffers.Grow(r.out, 0)
	}
	return err
}

// shorten counts n bytes of a body with a length, whose Read returned err.
func (r *responder) shorten(n int, err error) error {
	r.left -= int64(n)
	switch {
	case r.left == 0:
		return io.EOF
	case isEnd(err):
		return io.ErrUnexpectedEOF
	}
	return err
}

// write writes n bytes of content that lie at from, framed, in one piece with the head.
func (r *responder) write(from, n int, last bool) error {
	piece := r.out.Bytes[from : from+n]
	if r.framing == http1.Chunked {
		piece = http1.FrameChunk(r.out.Bytes, from, from+n, last)
	}
	if r.head > 0 {
		// A chunk's size takes less room than was left for it, so the head moves up to it.
		start := cap(r.out.Bytes) - cap(piece)
		piece = r.out.Bytes[start-r.head : start+len(piece)]
		copy(piece, r.out.Bytes[:r.head])
		r.head = 0
	}
	if len(piece) == 0 {
		return nil
	}
	if err := r.conn.send(piece); err != nil {
		return err
	}
	r.count += int64(n)
	r.conn.moved()
	return nil
}
