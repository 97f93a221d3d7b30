package upstream

import (
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

const (
	// headRoom is the room that is made for an answer's head and what comes with it, in bytes, before more is made.
	headRoom = 4 << 10
	// maxInterim is how many interim answers (1xx) a backend may send ahead of the answer.
	maxInterim = 16
)

// roundTrip sends the request, with its body if that is small and had to be read first, and fills the answer. If
// that fails the connection is of no more use, but has not ended yet.
func (c *conn) roundTrip(small []byte, streams bool) *exchange.Error {
	c.out = http1.AppendRequest(c.out[:0], &c.x.Request)
	c.out = append(c.out, small...)
	if sent, err := c.send(c.out); err != nil {
		if sent == 0 {
			return failure(err, errUnsent)
		}
		return failure(err, errReset)
	}
	if streams {
		c.startPump()
	}
	rest, err := c.readHead()
	if err != nil {
		return err
	}
	// The attempt is over; from here on the exchange's own deadline counts.
	c.patience.until = c.x.Deadline
	return c.answer(rest)
}

// readHead reads up to the end of the answer's head. It returns what was read behind it; the room behind that is free.
func (c *conn) readHead() (rest []byte, err *exchange.Error) {
	buf, filled, interim := c.x.Alloc(headRoom), 0, 0
	for {
		n, readErr := c.Read(buf[filled:])
		if filled += n; n == 0 {
			kind := errReset
			if filled > 0 || interim > 0 {
				kind = errCut
			}
			return nil, failure(readErr, kind)
		}
		for filled > 0 {
			n, m, err := http1.ParseResponse(buf[:filled], &c.x.Response, c.x.Request.Method, c.upstreams.limits)
			if err != nil {
				return nil, failure(err, errCut)
			}
			if n == 0 {
				break
			}
			if status := c.x.Response.Status; status >= 200 || status == http.StatusSwitchingProtocols {
				c.message = m
				return buf[n:filled], nil
			}
			// A 100 answers an expectation, which the engine has met; clients must not need the others.
			if interim++; interim > maxInterim {
				return nil, errInterim
			}
			buf, filled = buf[n:], filled-n
		}
		if filled == len(buf) {
			more := c.x.Alloc(max(2*filled, headRoom))
			buf, filled = more, copy(more, buf[:filled])
		}
	}
}

// answer makes x.Response of the head that was read. Without a body the round trip ends with it.
func (c *conn) answer(rest []byte) *exchange.Error {
	r := &c.x.Response
	switch {
	case r.Status == http.StatusSwitchingProtocols:
		if c.x.Request.Upgrade == "" || !c.pumped() {
			return errUnasked
		}
		r.Tunnel = newTunnel(c, rest)
	case c.message.Length == 0:
		c.body.Reset(nil, rest, c.message)
		c.end(true)
	default:
		c.body.Reset(c, rest, c.message)
		r.Body = (*body)(c)
	}
	return nil
}

// body is the answer's body. It is part of the connection, which goes on to other exchanges once it is closed:
// so it is closed once.
type body conn

// Read reads from the backend. It returns io.EOF or an *exchange.Error.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil && !b.body.Done() {
		err = failure(err, errCut)
	}
	return n, err
}

// Close ends the round trip. What the request's body still has to give is not read.
func (b *body) Close() error {
	(*conn)(b).end(b.body.Done())
	return nil
}
