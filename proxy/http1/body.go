package http1

import (
	"io"

	"github.com/penstock/penstock/proxy/exchange"
)

// BodyReader reads the body of one message after another. It has no buffer of its own: content goes straight from the source
// into the caller's buffer, where the chunked coding is taken off in place. It is used by one goroutine at a time.
type BodyReader struct {
	src     io.Reader
	message Message
	ahead   []byte // read from the source and not decoded
	spill   []byte // empty; its capacity is for what is read beyond the end
	left    int64  // of a body with a length
	chunks  chunkDecoder
	err     error
}

// Reset begins the body of m. Window holds what was read behind the head; its capacity is how far beyond the body's
// end the reader may read from src, and is where those bytes are kept. With none, the end of chunks is read in small steps.
func (r *BodyReader) Reset(src io.Reader, window []byte, m Message) {
	r.src = src
	r.message = m
	r.ahead = window
	r.spill = window[:0]
	r.left = m.Length
	r.chunks = chunkDecoder{}
	r.err = nil
	if m.Length == 0 {
		r.err = io.EOF
	}
}

// Read reads content. It returns io.EOF at the end of the body, as a rule along with the last bytes; io.ErrUnexpectedEOF if
// the source ends before it; an *exchange.Error if the body is malformed (400 request.framing and others, or
// 502 upstream.malformed); and else what the source returned. Errors stay.
func (r *BodyReader) Read(p []byte) (n int, err error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	switch r.message.Length {
	case exchange.Unknown:
		return r.readChunks(p)
	case UntilClose:
		n, r.err = r.fill(p)
		return n, r.err
	}
	n, err = r.fill(p[:min(int64(len(p)), r.left)])
	if r.left -= int64(n); r.left == 0 {
		err = io.EOF
	} else if isEnd(err) {
		err = io.ErrUnexpectedEOF
	}
	r.err = err
	return n, err
}

// eager is a source that can tell what is there: ReadReady reads without waiting, nothing if there is nothing or it fails.
type eager interface {
	ReadReady(p []byte) int
}

// fill reads what is ahead, along with what else is there, or else from the source.
func (r *BodyReader) fill(p []byte) (int, error) {
	if len(r.ahead) == 0 {
		return r.src.Read(p)
	}
	n := copy(p, r.ahead)
	r.ahead = r.ahead[n:]
	if src, ok := r.src.(eager); ok && n < len(p) {
		n += src.ReadReady(p[n:])
	}
	return n, nil
}

func (r *BodyReader) readChunks(p []byte) (n int, err error) {
	for n == 0 && r.err == nil {
		var f fault
		var idle bool
		if len(r.ahead) > 0 {
			var read int
			n, read, f = r.chunks.decode(p, r.ahead)
			r.ahead = r.ahead[read:]
		} else {
			n, idle, f = r.readInPlace(p)
		}
		switch {
		case f != none:
			r.err = r.message.fault(f)
		case r.chunks.state == chunksDone:
			r.err = io.EOF
		case isEnd(r.err):
			r.err = io.ErrUnexpectedEOF
		case idle:
			return 0, nil
		}
	}
	return n, r.err
}

// readInPlace reads coded bytes into p and decodes them there. It reads no further than the body's end and what spill can hold.
func (r *BodyReader) readInPlace(p []byte) (n int, idle bool, f fault) {
	most := min(int64(len(p)), r.chunks.need()+int64(cap(r.spill)))
	coded, err := r.src.Read(p[:most])
	n, read, f := r.chunks.decode(p[:coded], p[:coded])
	r.ahead, r.err = append(r.spill, p[read:coded]...), err
	return n, coded == 0, f
}

// isEnd tells a reader's end, which is never wrapped, from errors that have io.EOF as their cause.
func isEnd(err error) bool {
	return err == io.EOF //nolint:errorlint // As said above.
}

// Done reports whether the body has been read to its end.
func (r *BodyReader) Done() bool { return isEnd(r.err) }

// Rest is what was read from the source beyond the end of the body. It is valid once Done, and aliases the window.
func (r *BodyReader) Rest() []byte { return r.ahead }

// Buffered is how many bytes of the message have been read from the source and not returned yet, with their framing.
func (r *BodyReader) Buffered() int {
	if r.err != nil {
		return 0
	}
	return len(r.ahead)
}
