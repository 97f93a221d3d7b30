package upstream

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
	"github.com/penstock/penstock/proxy/live"
)

// conn is a connection to an endpoint, and all that a round trip on it needs, so that a warm one allocates nothing.
//
// It is in a pool, or belongs to one exchange: to the goroutine that serves it, until end. Beside that only the pump of a
// request's body writes to nc, and Interrupt may come from anywhere. An answer is read into memory that the exchange holds: so a
// head outlives the connection's loan, and an idle connection holds no buffer. Nor does one that waits: requests and answers pass through
// the same few buffers, which the processor's caches keep, however many exchanges are under way.
type conn struct {
	nc        *net.TCPConn
	upstreams *Upstreams
	pool      *pool
	socket    socket
	idleSince time.Time
	reused    bool
	drained   bool // the last read left nothing behind

	// Of the exchange that it serves.
	x           *exchange.Exchange
	endpoint    *live.Endpoint
	patience    patience
	read, write alarm
	interrupted atomic.Bool
	lent        *buffer.Buffer // holds out, until that is sent
	out         []byte         // the request's head, and a small body
	pump        pump
	body        http1.BodyReader
	message     http1.Message
	heard       time.Time // when the answer's head was there; zero once more has been read behind it
	ready       int       // content of the answer's body that came with its head, until the first read
}

func newConn(nc *net.TCPConn, u *Upstreams, p *pool) *conn {
	c := &conn{nc: nc, upstreams: u, pool: p}
	c.socket.open(c)
	c.read.set, c.write.set = nc.SetReadDeadline, nc.SetWriteDeadline
	return c
}

// begin lends the connection to x, which waits for it until that time. If x was cancelled it returns why.
func (c *conn) begin(x *exchange.Exchange, e *live.Endpoint, now, until time.Time) *exchange.Error {
	c.x, c.endpoint = x, e
	c.patience.begin(now, until, x.Timeouts.Idle)
	return x.SetInterrupt(c)
}

// end takes the connection back from its exchange and keeps it for the next one, if the answer was read whole and nothing else
// is in doubt. Nothing touches the exchange or its request's body afterwards.
func (c *conn) end(whole bool) {
	c.x.ClearInterrupt()
	whole = whole && c.message.KeepAlive && len(c.body.Rest()) == 0
	sent := c.stopPump(whole)
	c.x, c.body = nil, http1.BodyReader{}
	c.endpoint.End()
	c.dismiss()
	if !whole || !sent || c.interrupted.Load() || !c.pool.put(c, c.since(), c.upstreams.maxIdle) {
		c.nc.Close()
	}
}

// dismiss gives back the memory of the request's head.
func (c *conn) dismiss() {
	if c.lent != nil {
		c.lent.Release()
		c.lent, c.out = nil, nil
	}
}

// room returns memory for an answer's head and what comes with it. It is the exchange's.
func (c *conn) room() []byte {
	b := c.upstreams.buffers.Get(buffer.Small)
	c.x.Hold(b)
	return b.Bytes
}

// since is when the backend was last heard of, and has nothing to do since.
func (c *conn) since() time.Time {
	if c.heard.IsZero() {
		return c.upstreams.now()
	}
	return c.heard
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// Interrupt makes whoever waits for the connection stop, now and from now on. It is safe for concurrent use.
func (c *conn) Interrupt() {
	c.interrupted.Store(true)
	// It fails on a closed connection only, for which nobody waits.
	_ = c.nc.SetDeadline(past)
}

// ring sets an alarm. An interrupt that it would have undone is made good.
func (c *conn) ring(a *alarm, at time.Time) {
	a.at = at
	_ = a.set(at) // As in Interrupt.
	if c.interrupted.Load() {
		c.Interrupt()
	}
}

// woken is called when an alarm went off. It returns why not to wait any longer, or sets the alarm anew.
func (c *conn) woken(a *alarm) *exchange.Error {
	if c.interrupted.Load() {
		return c.cause()
	}
	end := c.patience.end()
	if !end.IsZero() && !c.upstreams.now().Before(end) {
		return errTimeout
	}
	c.ring(a, end)
	return nil
}

// cause is why the connection was interrupted.
func (c *conn) cause() *exchange.Error {
	if err := c.x.Cancelled(); err != nil {
		return err
	}
	return c.pump.err // Nobody else interrupts.
}

// Read reads from the backend as long as there is patience.
func (c *conn) Read(p []byte) (int, error) {
	// Who comes back to read has moved on what was read before.
	c.patience.moved(c.upstreams.now)
	c.heard = time.Time{}
	c.ringRead()
	for {
		n, err := c.nc.Read(p)
		c.drained = n < len(p)
		if n > 0 {
			return n, nil // An error comes again.
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if err := c.woken(&c.read); err != nil {
			return 0, err
		}
	}
}

// ReadReady reads what the backend has sent already; see http1.BodyReader.
func (c *conn) ReadReady(p []byte) int {
	c.heard = time.Time{}
	n := c.socket.readReady(p)
	c.drained = n < len(p)
	return n
}

// ringRead makes sure that a wait for the backend ends with patience.
func (c *conn) ringRead() {
	if end := c.patience.end(); !c.read.rings(end) {
		c.ring(&c.read, end)
	}
}

// send writes p as long as there is patience, and returns how much of it went out.
func (c *conn) send(p []byte) (sent int, err error) {
	if end := c.patience.end(); !c.write.rings(end) {
		c.ring(&c.write, end)
	}
	for {
		n, err := c.nc.Write(p[sent:])
		if n > 0 {
			sent += n
			c.patience.moved(c.upstreams.now)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return sent, err
		}
		if err := c.woken(&c.write); err != nil {
			return sent, err
		}
	}
}
