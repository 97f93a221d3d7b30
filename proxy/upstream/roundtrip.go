package upstream

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

// maxInterim is how many interim answers (1xx) a backend may send ahead of the answer.
const maxInterim = 16

// roundTrip sends the request, with its body if that had to be read first, and fills the answer, whose head was there at the time that
// it returns. If that fails the connection is of no more use, but has not ended yet.
func (c *conn) roundTrip(content []byte, streams bool) (heard time.Time, _ *exchange.Error) {
	var along []byte // what goes out with the head
	if len(content) <= smallBody {
		along = content
	}
	r := &c.x.Request
	c.lent = c.upstreams.buffers.Get(int64(http1.RequestSize(r) + len(along)))
	c.out = append(http1.AppendRequest(c.lent.Bytes[:0], r), along...)
	var buf []byte
	var filled int
	var err *exchange.Error
	switch {
	case streams:
		buf, filled, err = c.askWhileSending()
	case len(content) > len(along):
		buf, filled, err = c.askAfter(content)
	default:
		buf, filled, err = c.ask()
	}
	if err != nil {
		return heard, err
	}
	rest, err := c.readHead(buf, filled)
	if err != nil {
		return heard, err
	}
	heard = c.upstreams.now()
	c.heard = heard
	// The attempt is over; from here on the exchange's own deadline counts.
	c.patience.until = c.x.Deadline()
	return heard, c.answer(rest)
}

// askWhileSending sends the head, begins to send a body from elsewhere, and reads the first bytes of the answer.
func (c *conn) askWhileSending() (buf []byte, filled int, _ *exchange.Error) {
	if err := c.sendRest(0); err != nil {
		return nil, 0, err
	}
	c.startPump()
	return c.readFirst()
}

// askAfter sends head and content one after the other, and reads the first bytes of the answer.
func (c *conn) askAfter(content []byte) (buf []byte, filled int, _ *exchange.Error) {
	if err := c.sendRest(0); err != nil {
		return nil, 0, err
	}
	if _, err := c.send(content); err != nil {
		return nil, 0, failure(err, errReset)
	}
	return c.readFirst()
}

// ask sends what is in out, which is all, and reads the first bytes of the answer.
func (c *conn) ask() (buf []byte, filled int, _ *exchange.Error) {
	c.ringRead()
	c.socket.begin()
	for {
		err := c.socket.turn()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := c.woken(&c.read); err != nil {
				return nil, 0, err
			}
		case len(c.out) > 0: // not all of it was sent
			if err := c.sendRest(c.socket.wrote); err != nil {
				return nil, 0, err
			}
			return c.readFirst()
		case err != nil:
			return nil, 0, failure(err, errReset)
		default:
			buf, filled = c.socket.in, c.socket.read
			c.drained = filled < len(buf)
			return buf, filled, nil
		}
	}
}

// sendRest sends what is in out, of which some bytes have been sent already.
func (c *conn) sendRest(sent int) *exchange.Error {
	n, err := c.send(c.out[sent:])
	switch {
	case err == nil:
		c.dismiss()
		return nil
	case sent+n == 0:
		return failure(err, errUnsent)
	}
	return failure(err, errReset)
}

func (c *conn) readFirst() (buf []byte, filled int, _ *exchange.Error) {
	buf = c.room()
	n, err := c.Read(buf)
	if err != nil {
		return nil, 0, failure(err, errReset)
	}
	return buf, n, nil
}

// readHead reads up to the end of the answer's head, of which buf has the first bytes. It returns what was read behind it; the room
// behind that is free.
func (c *conn) readHead(buf []byte, filled int) (rest []byte, _ *exchange.Error) {
	for interim := 0; interim <= maxInterim; {
		n, m, err := http1.ParseResponse(buf[:filled], &c.x.Response, c.x.Request.Method, c.upstreams.limits)
		switch status := c.x.Response.Status; {
		case err != nil:
			return nil, failure(err, errCut)
		case n == 0:
			if buf, filled, err = c.readMore(buf, filled); err != nil {
				return nil, failure(err, errCut)
			}
		case status >= 200 || status == http.StatusSwitchingProtocols:
			c.message = m
			return buf[n:filled], nil
		default:
			// A 100 answers an expectation, which the engine has met; clients must not need the others.
			interim++
			filled = copy(buf, buf[n:filled])
		}
	}
	return nil, errInterim
}

// readMore reads behind the first filled bytes of buf, which it moves to a larger one if they fill it.
func (c *conn) readMore(buf []byte, filled int) ([]byte, int, error) {
	if filled == len(buf) {
		larger := c.x.Alloc(2 * filled)
		copy(larger, buf)
		buf = larger
	}
	n, err := c.Read(buf[filled:])
	return buf, filled + n, err
}

// answer makes x.Response of the head that was read. Without a body the round trip ends with it.
func (c *conn) answer(rest []byte) *exchange.Error {
	r := &c.x.Response
	switch {
	case r.Status == http.StatusSwitchingProtocols:
		if c.x.Request.Upgrade == "" || !strings.EqualFold(r.Upgrade, c.x.Request.Upgrade) || !c.pumped() {
			return errUnasked
		}
		r.Tunnel = newTunnel(c, rest)
	case c.message.Length == 0:
		c.body.Reset(nil, rest, c.message)
		c.end(true)
	default:
		c.body.Reset(c, rest, c.message)
		c.ready = content(rest, c.message)
		r.Body = (*body)(c)
	}
	return nil
}

// content is how much of b, which begins a body, is content: behind the size of the first chunk if there are chunks.
func content(b []byte, m http1.Message) int {
	if m.Length != exchange.Unknown {
		return len(b)
	}
	_, b, _ = bytes.Cut(b, []byte{'\n'})
	return len(b)
}

// body is the answer's body. It is part of the connection, which goes on to other exchanges once it is closed:
// so it is closed once.
type body conn

// Buffered is how much content came along with the head; 0 after the first Read.
func (b *body) Buffered() int { return b.ready }

// Read reads from the backend. It returns io.EOF or an *exchange.Error.
func (b *body) Read(p []byte) (int, error) {
	b.ready = 0
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
