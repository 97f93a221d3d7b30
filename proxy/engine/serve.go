package engine

import (
	"errors"
	"net/http"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

// serveExchange serves the request whose head has been read, from the handler to the last byte.
func (c *conn) serveExchange(x *exchange.Exchange) fate {
	if serving := c.engine.Counters.Serving.Add(1); serving > c.engine.options.MaxExchanges && c.head.refusal == nil {
		c.engine.Counters.Overloads.Add(1)
		c.head.refusal = errOverloaded
	}
	defer c.engine.Counters.Serving.Add(-1)
	c.fill(x)
	c.begin(x, c.engine.clock.Load())
	f := drop
	c.guard(x, func() { call(c.engine.options.Handler, x) })
	c.guard(x, func() { f = c.answer(x) })
	c.end()
	x.Outcome.Duration = c.engine.options.Now().Sub(x.Start)
	x.Outcome.RequestBytes = c.body.count
	x.Finish()
	return f
}

// fill sets what the engine knows.
func (c *conn) fill(x *exchange.Exchange) {
	h := &c.head
	x.Start = c.engine.options.Now()
	x.Protocol, x.Listener, x.TLS = h.protocol, c.about.Listener, c.about.TLS
	x.Peer, x.Client = c.about.Peer, c.about.Peer.Addr()
	r := &x.Request
	r.Scheme = c.about.Scheme
	x.Refusal = h.refusal
	c.body.reset(x, c.in.Bytes[h.length:c.have], h.message)
	if h.message.Length != 0 {
		r.Body = &c.body
	}
	if x.Refusal != nil || r.Path == "*" {
		return
	}
	path, err := exchange.NormalizePath(r.Path, x.Alloc, c.engine.options.Path)
	if err != nil {
		x.Refusal = asError(err, errInternal)
		return
	}
	r.Path = path
}

// guard turns a panic into a failure of the exchange.
func (c *conn) guard(x *exchange.Exchange, do func()) {
	defer func() {
		if v := recover(); v != nil {
			c.engine.panicked(v)
			fail(x, errInternal.With(errPanic))
		}
	}()
	do()
}

// call calls the handler. Afterwards there is an answer.
func call(h exchange.Handler, x *exchange.Exchange) {
	if err := h.Serve(x); err != nil {
		fail(x, asError(err, errInternal))
		return
	}
	if !isAnswer(x) {
		fail(x, errInternal.With(errNoAnswer))
	}
}

// isAnswer reports whether the response can be sent.
func isAnswer(x *exchange.Exchange) bool {
	r := &x.Response
	if r.Status == http.StatusSwitchingProtocols {
		return r.Tunnel != nil && x.Request.Upgrade != ""
	}
	return r.Status >= 200 && r.Status <= 599
}

// fail makes the bare answer to an error that no handler turned into one.
func fail(x *exchange.Exchange, err *exchange.Error) {
	x.Err = err
	x.Reply(err.Status)
	if !isAnswer(x) {
		x.Response.Status = http.StatusInternalServerError
	}
}

// answer delivers the response.
func (c *conn) answer(x *exchange.Exchange) fate {
	if x.Err != nil && x.Err.Status == exchange.StatusClientClosed { // A backend may have its own meaning of that number.
		x.Reply(exchange.StatusClientClosed) // which closes a body
		return drop
	}
	c.body.uninvite()
	o := http1.ResponseOptions{
		Protocol:  x.Protocol,
		Head:      x.Request.Method == http.MethodHead,
		KeepAlive: c.keeps(x),
		Upgrade:   x.Request.Upgrade,
		Date:      *c.engine.date.Load(),
	}
	if x.Response.Tunnel != nil {
		c.tunnel(x, o)
		return drop
	}
	c.enter(answering)
	c.sending = pace{}
	c.limitStillness(x.Timeouts.Idle)
	err := c.respond(x, o)
	if b := x.Response.Body; b != nil {
		// What closing reports comes too late to matter.
		_ = b.Close()
	}
	switch {
	case err != nil:
		x.Err = c.blame(x, err)
		if o.Framing(&x.Response) == http1.ByClose {
			// Where a plain end would look like a complete answer.
			c.socket.reset()
		}
		return drop
	case o.KeepAlive && o.Framing(&x.Response) != http1.ByClose && c.body.discard():
		return again
	}
	return linger
}

// keeps reports whether the connection can be kept after the answer.
func (c *conn) keeps(x *exchange.Exchange) bool {
	closes := func(e *exchange.Error) bool { return e != nil && e.Close }
	return c.head.message.KeepAlive && !c.engine.parting.Load() && !closes(x.Refusal) && !closes(x.Err) && c.body.promising()
}

// blame says whose fault it is that the answer broke off.
func (c *conn) blame(x *exchange.Exchange, err error) *exchange.Error {
	if cause := x.Cancelled(); cause != nil {
		return cause
	}
	return asError(err, errTruncated)
}

// Causes of errInternal.
var (
	errPanic    = errors.New("a handler panicked; the log has its stack")
	errNoAnswer = errors.New("a handler returned neither an answer nor an error")
)

// send writes b, which the client may take Timeouts.Write to accept.
func (c *conn) send(b []byte) error {
	if c.aborted.Load() {
		return errClientClosed.With(errStopped)
	}
	c.sending.bytes += int64(len(b))
	if b = b[c.socket.write(b):]; len(b) == 0 {
		return nil
	}
	began := c.engine.clock.Load()
	c.write.arm(began + int64(c.sending.allowance(c.engine.options.Timeouts.Write, &c.engine.options.Timeouts)))
	// Whoever aborts says so and then looks for an armed timer.
	if c.aborted.Load() {
		c.write.disarm()
		return errClientClosed.With(errStopped)
	}
	_, err := c.net.Write(b)
	c.sending.waited += time.Duration(c.engine.clock.Load() - began)
	if !c.write.disarm() && err == nil {
		err = errStopped
	}
	if err != nil {
		return errClientClosed.With(err)
	}
	return nil
}

// limitStillness ends the exchange once no byte has moved for that long; 0 for never.
func (c *conn) limitStillness(d time.Duration) {
	c.still.Store(int64(d))
	c.moved()
}

// moved notes that a byte moved.
func (c *conn) moved() {
	if still := c.still.Load(); still > 0 {
		c.moves.arm(c.deadline(time.Duration(still)))
	}
}
