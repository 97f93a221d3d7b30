// Package engine drives exchange.Handler over connections that speak HTTP/1.1. It reads requests, hands them to the handler,
// writes the answers, and enforces every bound on what clients may do. It makes no answer of its own but a bare 500.
package engine

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

// Options configure an Engine.
type Options struct {
	Handler exchange.Handler
	// Limits bound heads. Zero: http1.DefaultLimits.
	Limits http1.Limits
	// Timeouts bound waits for clients. What is zero in it: DefaultTimeouts.
	Timeouts Timeouts
	// MaxExchanges bounds the exchanges that are served at a time; further ones are refused with 503. Zero: DefaultMaxExchanges.
	MaxExchanges int64
	// Buffers lend memory for heads and bodies. Nil: pools of the engine's own.
	Buffers *buffer.Pools
	Path    exchange.PathOptions
	Log     *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// DefaultMaxExchanges is far more than two cores can serve at a time if backends are quick, and some 500 MiB if they are slow.
const DefaultMaxExchanges = 10_000

// Timeouts bound how long the engine waits for a client. They are coarse: up to 100 ms more may pass.
type Timeouts struct {
	// Head bounds the time from a request's first byte, or from the connection's begin, to the end of its head.
	Head time.Duration
	// KeepAlive is how long a connection may be idle between two requests.
	KeepAlive time.Duration
	// Body is how long the client may take for the next bytes of a request's body.
	Body time.Duration
	// Write is how long the client may take to accept what is written at a time, at most 64 KiB.
	Write time.Duration
	// MinRate is how many bytes a second of a body the client must send or accept on average, counted over the time in which the
	// engine waits for it, after Grace. It ends clients that move a byte now and then to stay.
	MinRate int64
	Grace   time.Duration
}

// DefaultTimeouts are patient enough for slow mobile networks.
var DefaultTimeouts = Timeouts{
	Head: 10 * time.Second, KeepAlive: 75 * time.Second, Body: 60 * time.Second, Write: 60 * time.Second,
	MinRate: 500, Grace: 20 * time.Second,
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, byDefault time.Duration) {
		if *d == 0 {
			*d = byDefault
		}
	}
	set(&t.Head, DefaultTimeouts.Head)
	set(&t.KeepAlive, DefaultTimeouts.KeepAlive)
	set(&t.Body, DefaultTimeouts.Body)
	set(&t.Write, DefaultTimeouts.Write)
	set(&t.Grace, DefaultTimeouts.Grace)
	t.MinRate = cmp.Or(t.MinRate, DefaultTimeouts.MinRate)
	return t
}

// Counters count what the engine does.
type Counters struct {
	// Serving counts the exchanges that have begun and not ended.
	Serving atomic.Int64
	// Overloads counts the exchanges that were refused because MaxExchanges were being served.
	Overloads atomic.Int64
	// Panics counts handlers that panicked.
	Panics atomic.Int64
}

// Engine serves connections. It is safe for concurrent use.
type Engine struct {
	Counters Counters

	options   Options
	exchanges sync.Pool
	gates     []gate
	admitted  atomic.Uint32          // connections, for the choice of their gate
	parting   atomic.Bool            // every answer ends its connection
	draining  atomic.Bool            // and nobody waits for a further request
	clock     atomic.Int64           // coarse time that passed while there were connections, in ns; the sweeper moves it
	date      atomic.Pointer[string] // value of the Date field

	mu       sync.Mutex
	conns    []*conn
	sweeping bool
	closed   bool
}

// New makes an engine.
func New(o Options) *Engine {
	if o.Limits == (http1.Limits{}) {
		o.Limits = http1.DefaultLimits
	}
	o.Timeouts = o.Timeouts.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Buffers == nil {
		o.Buffers = buffer.New(buffer.DefaultLimit)
	}
	o.MaxExchanges = cmp.Or(o.MaxExchanges, DefaultMaxExchanges)
	o.Limits.Head = min(o.Limits.Head, buffer.Large)
	e := &Engine{options: o}
	e.clock.Store(1) // 0 is no time
	e.gates = make([]gate, runtime.GOMAXPROCS(0))
	for i := range e.gates {
		e.gates[i].age = 1
	}
	e.exchanges.New = func() any { return new(exchange.Exchange) }
	return e
}

// Connection is what is known of a connection before its first request.
type Connection struct {
	// Listener and Scheme are what its exchanges will say.
	Listener, Scheme string
	// Peer is the client. Zero: the other end of the socket.
	Peer netip.AddrPort
	// TLS is what was negotiated; nil without TLS.
	TLS *exchange.TLS
	// Ahead is what the client sent and somebody has read already. At most 4 KiB.
	Ahead []byte
}

// ServeConn serves one connection to its end, and closes it. What is said about it belongs to the engine from now on.
func (e *Engine) ServeConn(nc net.Conn, about *Connection) {
	stretch()
	c := newConn(e, nc, about)
	if !e.add(c) {
		nc.Close()
		return
	}
	defer e.remove(c)
	c.serve()
}

// stretch makes room on the goroutine's stack for what a request takes. It would grow there anyhow, but after thousands of
// other connections have come: the stack that each leaves behind then serves none of them.
//
//go:noinline
func stretch() {
	var room [2 << 10]byte
	runtime.KeepAlive(&room)
}

// Part has every answer say Connection: close from now on. Connections between two requests stay, since the next one may be on its
// way: only an answer ends a connection without any risk to a request (RFC 9112 §9.6).
func (e *Engine) Part() { e.parting.Store(true) }

// Drain lets connections end without failing a request that has arrived: from now on every answer says Connection: close, and
// connections between two requests are closed at once. A connection that has not had a request yet may make one.
func (e *Engine) Drain() {
	e.Part()
	e.draining.Store(true)
	e.each((*conn).endIdle)
}

// Close ends what is left: exchanges are cancelled, connections closed. It does not wait for them. Further connections are
// closed at once.
func (e *Engine) Close() {
	e.Part()
	e.draining.Store(true)
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.each(func(c *conn) { c.abort(errClosing) })
	for i := range e.gates {
		e.gates[i].close()
	}
}

// nextGate is the gate of a new connection. There is one for each processor, so that they needn't wait for one another.
func (e *Engine) nextGate() *gate {
	return &e.gates[e.admitted.Add(1)%uint32(len(e.gates))]
}

func (e *Engine) each(do func(*conn)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		do(c)
	}
}

func (e *Engine) add(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	c.index = len(e.conns)
	e.conns = append(e.conns, c)
	if !e.sweeping {
		e.sweeping = true
		e.setDate()
		go e.sweep()
	}
	return true
}

func (e *Engine) remove(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := len(e.conns) - 1
	moved := e.conns[last]
	e.conns[c.index], moved.index = moved, c.index
	e.conns[last] = nil
	e.conns = e.conns[:last]
}

// setDate renews the value of the Date field.
func (e *Engine) setDate() {
	date := e.options.Now().UTC().Format(http.TimeFormat)
	if old := e.date.Load(); old == nil || *old != date {
		e.date.Store(&date)
	}
}
