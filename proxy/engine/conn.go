package engine

import (
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

// conn is one client's connection. It is used by the goroutine that serves it, but for its watch.
// Between two requests it holds neither a buffer nor an exchange.
type conn struct {
	watch
	engine *Engine
	about  *Connection
	gate   *gate
	visit  visit // while it has something to do
	index  int   // in the engine's list
	used   bool  // it has had a request

	in      *buffer.Buffer     // heads, and what comes behind them; nil while nothing has been read
	have    int                // bytes in it
	first   [1]byte            // where the wait for a request's first byte reads, if it takes no turns
	x       *exchange.Exchange // of the request whose head is being read; nil before its first byte
	headBy  int64              // when that head must be complete, in coarse time; 0 before its first byte
	partial int64              // since when some of it is there, and is not all
	head    head               // of x, once it has been read
	turn    turn
	body    body
	// sending is the pace at which the client accepts the present answer.
	sending pace
}

func newConn(e *Engine, nc net.Conn, about *Connection) *conn {
	c := &conn{engine: e, about: about, gate: e.nextGate()}
	if !about.Peer.IsValid() {
		c.about.Peer = peerOf(nc)
	}
	c.net, c.socket = nc, newSocket(nc)
	c.body.conn = c
	c.headBy = c.deadline(e.options.Timeouts.Head)
	if len(about.Ahead) > 0 {
		c.in = e.options.Buffers.Get(buffer.Small)
		c.have, c.about.Ahead = copy(c.in.Bytes, about.Ahead), nil
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
	c.gate.leave(&c.visit)
	c.net.Close()
}

func (e *Engine) panicked(v any) {
	e.Counters.Panics.Add(1)
	e.options.Log.Error("a handler panicked", "panic", v, "stack", string(debug.Stack()))
}

// next waits for a request and serves it; in turns, as many as come.
func (c *conn) next() fate {
	if c.socket.takesTurns() {
		return c.takeTurns()
	}
	return c.takeOne()
}

// takeOne waits for a request and serves it.
func (c *conn) takeOne() fate {
	for {
		if c.parse() {
			return c.settle()
		}
		deadline, ok := c.pause()
		if !ok {
			return drop
		}
		n, err := c.readMore(deadline)
		c.resume()
		if n == 0 {
			return c.overdue(err)
		}
		c.have += n
		c.enterGate()
	}
}

// readMore reads behind what has been read of a head. It waits for the first byte without a buffer: what came along with that byte
// waits in the TLS connection, for the next read.
func (c *conn) readMore(deadline int64) (int, error) {
	if c.have > 0 {
		return c.receive(c.in.Bytes[c.have:], deadline)
	}
	n, err := c.receive(c.first[:], deadline)
	if n > 0 {
		c.room()
		c.in.Bytes[0] = c.first[0]
	}
	return n, err
}

// head is what the codec says about a request.
type head struct {
	length   int // bytes; 0 if it was refused
	message  http1.Message
	protocol exchange.Protocol
	refusal  *exchange.Error
}

// parse takes in the head of a request. It returns false if there is none yet or not the whole.
func (c *conn) parse() bool {
	if c.have == 0 {
		return false
	}
	if c.x == nil {
		c.x = c.engine.exchanges.Get().(*exchange.Exchange)
	}
	var err error
	h := &c.head
	h.refusal = nil
	h.length, h.message, h.protocol, err = http1.ParseRequest(c.in.Bytes[:c.have], &c.x.Request, c.engine.options.Limits)
	switch {
	case err != nil:
		h.refusal = asError(err, errInternal)
	case h.length == 0 && c.have == len(c.in.Bytes):
		h.refusal = c.widen()
	}
	return h.length > 0 || h.refusal != nil
}

// widen makes room for the rest of a large head, or says why not.
func (c *conn) widen() *exchange.Error {
	c.in = c.engine.options.Buffers.Grow(c.in, c.have)
	c.x.Reset() // What was read lies in the old buffer.
	if c.have == len(c.in.Bytes) {
		return errOverloaded
	}
	return nil
}

// settle serves the request whose head has been read.
func (c *conn) settle() fate {
	c.used = true
	f := c.serveExchange(c.x)
	c.dismiss()
	c.advance(f)
	return f
}

// dismiss gives the exchange back.
func (c *conn) dismiss() {
	c.x.Reset()
	c.engine.exchanges.Put(c.x)
	c.x, c.headBy, c.partial = nil, 0, 0
}

// advance makes what was read behind the request the beginning of the next one, if there may be one.
func (c *conn) advance(f fate) {
	c.have = 0
	if f == again {
		c.have = copy(c.in.Bytes, c.body.reader.Rest())
	}
	c.rest()
}

// rest gives the buffer back if nothing is in it.
func (c *conn) rest() {
	if c.have == 0 && c.in != nil {
		c.in.Release()
		c.in = nil
	}
}

// room makes sure that there is a buffer to read into.
func (c *conn) room() {
	if c.in == nil {
		c.in = c.engine.options.Buffers.Get(buffer.Small)
	}
}

// pause begins a wait for further bytes of a head; resume must follow. It returns when the client has had time enough, or false if the
// connection is to end instead.
func (c *conn) pause() (deadline int64, ok bool) {
	c.gate.leave(&c.visit)
	if c.headBy == 0 && c.have > 0 {
		c.headBy = c.deadline(c.engine.options.Timeouts.Head)
	}
	now := c.engine.clock.Load()
	if c.headBy != 0 {
		if c.heading() {
			if c.partial == 0 {
				c.partial = now
			}
			c.enterHead(now, c.partial, c.headBy)
		}
		return c.headBy, true
	}
	c.enterIdle(now)
	// Drain first says that it drains, and then looks for idle connections.
	return c.deadline(c.engine.options.Timeouts.KeepAlive), !c.engine.draining.Load()
}

// resume ends a wait.
func (c *conn) resume() {
	switch {
	case c.headBy == 0:
		c.leaveIdle()
	case c.heading():
		c.leaveHead()
	}
}

// heading reports whether a wait is for the rest of a head, on a socket that can be told to be silent about pieces.
func (c *conn) heading() bool { return c.have > 0 && c.socket.takesTurns() }

// enterGate waits until it is this connection's turn to do something about what has arrived.
func (c *conn) enterGate() { c.visit = c.gate.enter(c.x != nil) }

// overdue is what becomes of a connection after a wait that ended with err.
func (c *conn) overdue(err error) fate {
	if c.x == nil {
		c.rest()
		return drop
	}
	if isTimeout(err) && !c.stopped.Load() {
		c.head = head{refusal: errHeadTimeout}
		return c.settle()
	}
	c.dismiss()
	c.advance(drop)
	return drop
}

// deadline is that much coarse time from now.
func (c *conn) deadline(patience time.Duration) int64 { return c.engine.clock.Load() + int64(patience) }

// receive reads what the client sends until then.
func (c *conn) receive(p []byte, deadline int64) (int, error) {
	c.read.arm(deadline)
	if c.stopped.Load() { // Whoever stops says so and then looks for an armed timer.
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

// linger ends the connection so that the last answer arrives: closing it while bytes of the client are unread would reset it,
// and a reset may overtake the answer (RFC 9112 §9.6).
func (c *conn) linger() {
	half, ok := c.net.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.reviveRead()
	waste := c.engine.options.Buffers.Get(buffer.Small)
	defer waste.Release()
	deadline := c.deadline(lingerTime)
	for {
		if n, err := c.receive(waste.Bytes, deadline); n == 0 || err != nil {
			return
		}
	}
}

// lingerTime is how long a client has to read the last answer and close.
const lingerTime = time.Second
