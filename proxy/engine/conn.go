package engine

import (
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

// conn is one client's connection. It is used by the goroutine that serves it, but for its watch.
// Between two requests it holds neither a buffer nor an exchange.
type conn struct {
	watch
	engine *Engine
	about  Connection
	index  int  // in the engine's list
	used   bool // it has had a request

	in   *buffer // heads, and what comes behind them; nil while nothing has been read
	have int     // bytes in it
	body body
}

func newConn(e *Engine, nc net.Conn, about Connection) *conn {
	c := &conn{engine: e, about: about}
	if !about.Peer.IsValid() {
		c.about.Peer = peerOf(nc)
	}
	c.net, c.socket = nc, newSocket(nc)
	c.body.conn = c
	if len(about.Ahead) > 0 {
		c.in = e.buffers.get(smallBuffer)
		c.have, c.about.Ahead = copy(c.in.bytes, about.Ahead), nil
	}
	return c
}

func peerOf(nc net.Conn) netip.AddrPort {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{} // of no network that a gateway listens on
}

// fate is what becomes of a connection after an exchange.
type fate uint8

const (
	again  fate = iota // the next request may come
	linger             // an answer was the last one, and the client must be able to read it
	drop               // nobody waits for anything
)

// serve serves one request after another.
func (c *conn) serve() {
	defer c.close()
	f := again
	for f == again {
		f = c.next()
	}
	if f == linger {
		c.linger()
	}
}

// close ends the connection, also after a finisher has panicked.
func (c *conn) close() {
	if v := recover(); v != nil {
		c.engine.panicked(v)
		c.end()
	}
	c.net.Close()
}

func (e *Engine) panicked(v any) {
	e.Counters.Panics.Add(1)
	e.options.Log.Error("a handler panicked", "panic", v, "stack", string(debug.Stack()))
}

// next reads one request and serves it.
func (c *conn) next() fate {
	if c.have == 0 && !c.await() {
		return drop
	}
	x := c.engine.exchanges.Get().(*exchange.Exchange)
	h, ok := c.readHead(x)
	f := drop
	if ok {
		c.used = true
		f = c.serveExchange(x, h)
	}
	x.Reset()
	c.engine.exchanges.Put(x)
	c.advance(f)
	return f
}

// advance makes what was read behind the request the beginning of the next one, if there may be one.
func (c *conn) advance(f fate) {
	c.have = 0
	if f == again {
		c.have = copy(c.in.bytes, c.body.reader.Rest())
	}
	if c.have == 0 {
		c.in.release()
		c.in = nil
	}
}

// await waits for the first bytes of a request, without a buffer where that can be had. It reports whether there are any.
func (c *conn) await() bool {
	patience := c.engine.options.Timeouts.Head
	if c.used {
		patience = c.engine.options.Timeouts.KeepAlive
		c.enter(idle)
		defer c.leaveIdle()
		// Drain first says that it drains, and then looks for idle connections.
		if c.engine.draining.Load() {
			return false
		}
	}
	deadline := c.deadline(patience)
	if !c.awaitReadable(deadline) {
		return false
	}
	c.in = c.engine.buffers.get(smallBuffer)
	c.have, _ = c.receive(c.in.bytes, deadline)
	if c.have == 0 {
		c.in.release()
		c.in = nil
	}
	return c.have > 0
}

// awaitReadable waits until there is something to read, as a rule, if the socket can tell.
func (c *conn) awaitReadable(deadline int64) bool {
	if c.socket == nil {
		return true
	}
	c.read.arm(deadline)
	// Whoever stops the reading says so and then looks for an armed timer.
	if c.stopped.Load() {
		c.read.disarm()
		return false
	}
	if c.socket.wait() != nil {
		c.read.disarm()
		return false
	}
	c.settleRead(1)
	return true
}

// deadline is that much coarse time from now.
func (c *conn) deadline(patience time.Duration) int64 { return c.engine.clock.Load() + int64(patience) }

// receive reads what the client sends until then.
func (c *conn) receive(p []byte, deadline int64) (int, error) {
	c.read.arm(deadline)
	if c.stopped.Load() { // As in awaitReadable.
		c.read.disarm()
		return 0, errStopped
	}
	n, err := c.net.Read(p)
	c.settleRead(n)
	return n, err
}

// settleRead ends a wait that gave n bytes. If it was ended from elsewhere at the last moment, the bytes count.
func (c *conn) settleRead(n int) {
	if !c.read.disarm() && n > 0 {
		c.reviveRead()
	}
}

// head is what the codec says about a request.
type head struct {
	length   int // bytes; 0 if it was refused
	message  http1.Message
	protocol exchange.Protocol
	refusal  *exchange.Error
}

// readHead reads until the head is complete or refused. It returns false if the client left before.
func (c *conn) readHead(x *exchange.Exchange) (head, bool) {
	deadline := c.deadline(c.engine.options.Timeouts.Head)
	for {
		n, m, p, err := http1.ParseRequest(c.in.bytes[:c.have], &x.Request, c.engine.options.Limits)
		if n > 0 || err != nil {
			h := head{length: n, message: m, protocol: p}
			if err != nil {
				h.refusal = asError(err, errInternal)
			}
			return h, true
		}
		if c.have == len(c.in.bytes) {
			c.in = c.engine.buffers.grow(c.in, c.have)
			x.Reset() // What was read lies in the old buffer.
		}
		got, err := c.receive(c.in.bytes[c.have:], deadline)
		c.have += got
		switch {
		case got == 0 && isTimeout(err) && !c.stopped.Load():
			return head{refusal: errHeadTimeout}, true
		case got == 0:
			return head{}, false
		}
	}
}

// linger ends the connection so that the last answer arrives: closing it while bytes of the client are unread would reset it,
// and a reset may overtake the answer (RFC 9112 §9.6).
func (c *conn) linger() {
	half, ok := c.net.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.reviveRead()
	waste := c.engine.buffers.get(smallBuffer)
	defer waste.release()
	deadline := c.deadline(lingerTime)
	for {
		if n, err := c.receive(waste.bytes, deadline); n == 0 || err != nil {
			return
		}
	}
}

// lingerTime is how long a client has to read the last answer and close.
const lingerTime = time.Second
