package engine

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

// tunnel answers 101 and copies both directions until both have ended.
func (c *conn) tunnel(x *exchange.Exchange, o http1.ResponseOptions) {
	t := x.Response.Tunnel
	c.enter(tunnelling)
	c.limitStillness(x.Timeouts.Idle)
	c.sending = pace{free: true}
	if err := c.send(http1.AppendResponse(nil, &x.Response, o)); err != nil {
		c.collapse(t, err)
	} else {
		var down sync.WaitGroup
		down.Go(func() { x.Outcome.ResponseBytes = c.relay(t, (*clientEnd)(c), t) })
		c.relay(t, t, c.clientStream())
		down.Wait()
	}
	_ = t.Close() // What it reports comes too late to matter.
	x.Err = x.Cancelled()
}

// clientStream reads all that the client sends from now on.
func (c *conn) clientStream() io.Reader {
	const forEver = 1 << 62 // a limit on stillness may apply
	c.body.reset(c.body.exchange, c.body.reader.Rest(), http1.Message{Length: http1.UntilClose})
	c.body.patience, c.body.pace.free = time.Duration(forEver), true
	return &c.body
}

// halfCloser is the end of a tunnel that something is written to.
type halfCloser interface {
	io.Writer
	CloseWrite() error
}

// relay copies one direction of t and returns its bytes. If it ends in order its end is passed on, and the other direction
// may go on; if it fails, so does the other.
func (c *conn) relay(t exchange.Tunnel, dst halfCloser, src io.Reader) (count int64) {
	buf := c.engine.options.Buffers.Get(buffer.Small)
	defer func() { buf.Release() }()
	for {
		n, err := src.Read(buf.Bytes)
		if n > 0 {
			c.moved()
			if _, err := dst.Write(buf.Bytes[:n]); err != nil {
				c.collapse(t, err)
				return count
			}
			count += int64(n)
		}
		if isEnd(err) {
			c.halfEnd()
			err = dst.CloseWrite()
			if err == nil {
				return count
			}
		}
		if err != nil {
			c.collapse(t, err)
			return count
		}
		if n == len(buf.Bytes) {
			buf = c.engine.options.Buffers.Grow(buf, 0)
		}
	}
}

// halfEnd gives the direction that is left a limit on stillness, if the exchange has none: its end may have been lost.
func (c *conn) halfEnd() {
	if c.still.CompareAndSwap(0, int64(c.engine.options.Timeouts.KeepAlive)) {
		c.moved()
	}
}

// collapse ends both directions.
func (c *conn) collapse(t exchange.Tunnel, err error) {
	c.abort(asError(err, errTruncated))
	_ = t.Close() // It ends because of err.
}

// clientEnd is the client as the tunnel's other end sees it.
type clientEnd conn

var _ halfCloser = (*clientEnd)(nil)

// Write sends p to the client.
func (e *clientEnd) Write(p []byte) (int, error) {
	if err := (*conn)(e).send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite tells the client that nothing more will come. Where a connection can't, it ends.
func (e *clientEnd) CloseWrite() error {
	if half, ok := e.net.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
