// Package exchange holds what passes between a protocol engine, the filters and an upstream: one request and
// its response. It knows no protocol version and no socket. Nothing in it allocates once an exchange is warm.
package exchange

import (
	"net/netip"
	"sync"
	"time"
)

// Handler serves one exchange: it fills x.Response or returns an error, never both. The error is an *Error
// where the client should learn more than "500". A Handler is safe for concurrent use; an Exchange is not.
type Handler interface {
	Serve(x *Exchange) error
}

// HandlerFunc lets a function be a Handler.
type HandlerFunc func(x *Exchange) error

// Serve calls f.
func (f HandlerFunc) Serve(x *Exchange) error { return f(x) }

// Finisher learns how an exchange ended. Done is called once, after the last byte or the abort, on the
// goroutine that served the exchange, before the exchange is reset. It must not write to x.
type Finisher interface {
	Done(x *Exchange)
}

// Protocol is the version of HTTP that the client speaks, as the Forwarded and access log fields name it.
type Protocol string

// The protocols that an engine may set.
const (
	HTTP10 Protocol = "HTTP/1.0"
	HTTP11 Protocol = "HTTP/1.1"
)

// Exchange is one request and its response.
//
// Life: the engine fills Request and what stands below "set by the engine" and calls a Handler. During Serve the
// exchange belongs to the handlers on that goroutine. Once Serve has returned it belongs to the engine again,
// which sends the response, fills Outcome, calls Finish, and resets it for the next request.
// Its strings alias buffers that the engine reuses after the reset: clone what must live longer (strings.Clone).
// Cancel, Cancelled and Expired alone may be called from another goroutine.
type Exchange struct {
	Request  Request
	Response Response

	// Set by the engine.

	Protocol Protocol
	// Listener is the name of the listener that accepted the connection.
	Listener string
	// Peer is the other end of the connection, or what a trusted proxy's PROXY protocol header says of it.
	Peer netip.AddrPort
	// TLS is what was negotiated for the connection; nil without TLS. It is shared by the connection's exchanges.
	TLS *TLS
	// Start is when the request's head was complete.
	Start time.Time
	// Refusal, if set, is why the engine will not have this request routed: it is malformed or over a bound.
	// Handlers then answer with it and look no further at the request, which may be partly filled.
	Refusal *Error

	// Set on the way.

	// Client is who is believed to have sent the request: Peer, or what a trusted proxy reported.
	Client netip.Addr
	// Timeouts bound the parts of the exchange; set with Route.
	Timeouts Timeouts
	// MaxRequestBody bounds the request's body, in bytes of content; 0 means no limit. Set with Route.
	MaxRequestBody int64
	// Route is the matched route, or nil. Match indexes its Patterns.
	Route *Route
	Match int
	Trace Trace
	// Subject is who the request is from, as the identity filters found; anonymous before them.
	Subject Subject
	// Upstream says who answered, or who was asked last.
	Upstream Upstream
	// Err is the failure that the answer reports or that cut it short; nil when the backend's answer was delivered whole.
	Err *Error

	// FailureHead has the fields that the answer to a failure gets beside its own, as a challenge to authenticate. What a handler
	// adds to it before next is called, or as a failure passes through it, counts; an answer without failure gets none of it.
	FailureHead Head

	// Limits is what the rate limits remember of the exchange; theirs alone.
	Limits Slot

	// Outcome is filled before Finish.
	Outcome Outcome

	finishers []Finisher
	arena     []byte
	held      []Releaser
	body      staticBody

	mu        sync.Mutex // guards what follows: Cancel and Left come from elsewhere
	deadline  time.Time
	interrupt Interrupter
	cancelled *Error
}

// Slot is what a filter remembers of an exchange until its end. The memory is kept for the next exchange, so that it is allocated
// once for many.
type Slot interface {
	// Reset forgets all.
	Reset()
}

// TLS is what was negotiated for a connection.
type TLS struct {
	// ServerName is the host that the client named in its hello, in lower case; empty if it named none.
	ServerName string
	// Version and CipherSuite are as crypto/tls numbers them.
	Version, CipherSuite uint16
}

// Route is what an exchange knows of the route that matched it. It is shared and must not be written.
type Route struct {
	// ID is the stable name of the route, "namespace/name/rule".
	ID string
	// Patterns are the path patterns of the route's matches: "/users" of a prefix, "= /exact", "~ ^regex$".
	Patterns []string
	// Prefixes are, match by match, the path prefix that matched; empty where the match is no prefix.
	Prefixes []string
	// Handler serves the route's exchanges, inside of what all routes have in common.
	Handler Handler
}

// Pattern is the path pattern that matched; empty without a route. Unlike the path it is bounded in number.
func (x *Exchange) Pattern() string {
	if x.Route == nil {
		return ""
	}
	return x.Route.Patterns[x.Match]
}

// RouteID is the ID of the matched route; empty without one.
func (x *Exchange) RouteID() string {
	if x.Route == nil {
		return ""
	}
	return x.Route.ID
}

// Timeouts bound parts of an exchange; 0 means no limit. SetDeadline bounds the whole.
type Timeouts struct {
	// Backend bounds one attempt, up to the head of the answer.
	Backend time.Duration
	// Idle bounds the time in which neither direction moves a byte.
	Idle time.Duration
}

// Upstream is what the exchange met behind the gateway.
type Upstream struct {
	Cluster string
	Address netip.AddrPort
	// Attempts counts the endpoints asked; 0 when none was.
	Attempts int
}

// Outcome is how the exchange went, in what the client saw of it. Bytes are of bodies, as framed content, without heads.
type Outcome struct {
	RequestBytes  int64
	ResponseBytes int64
	Duration      time.Duration
}

// SetFinishers names those who want to learn how the exchange ended, first called first. The slice is shared and is not written.
func (x *Exchange) SetFinishers(f []Finisher) { x.finishers = f }

// Finish tells the finishers. The engine calls it once.
func (x *Exchange) Finish() {
	for _, f := range x.finishers {
		f.Done(x)
	}
}

// Reset makes x ready for the next request. Nothing that was taken from it may be used any more.
func (x *Exchange) Reset() {
	x.Request.reset()
	x.Response.reset()
	// One by one: of several the compiler would make copies first.
	x.Protocol = ""
	x.Listener = ""
	x.Peer = netip.AddrPort{}
	x.TLS = nil
	x.Start = time.Time{}
	x.Refusal = nil
	x.Client = netip.Addr{}
	x.Timeouts = Timeouts{}
	x.MaxRequestBody = 0
	x.Route = nil
	x.Match = 0
	x.Trace = Trace{}
	x.Subject = Subject{}
	x.Upstream = Upstream{}
	x.Err = nil
	if x.FailureHead.Len() > 0 {
		x.FailureHead.Reset(nil)
	}
	if x.Limits != nil {
		x.Limits.Reset()
	}
	x.Outcome = Outcome{}
	x.finishers = nil
	x.arena = x.arena[:0]
	for i, r := range x.held {
		r.Release()
		x.held[i] = nil
	}
	x.held = x.held[:0]
	x.body = staticBody{}
	// Whoever may cancel it has been told before that it has ended.
	x.interrupt, x.deadline, x.cancelled = nil, time.Time{}, nil
	if cap(x.arena) > keptArena {
		x.arena = nil
	}
}

// keptArena is the largest arena that is used again, in bytes: a few large heads must not make all exchanges large.
const keptArena = 64 << 10

// Alloc returns n bytes that live until Reset, zeroed or not. Handlers build strings in them.
func (x *Exchange) Alloc(n int) []byte {
	if cap(x.arena)-len(x.arena) < n {
		// The old arena stays alive through the slices taken from it.
		x.arena = make([]byte, 0, max(512, 2*cap(x.arena), n))
	}
	at := len(x.arena)
	x.arena = x.arena[:at+n]
	return x.arena[at : at+n : at+n]
}

// Releaser gives memory back.
type Releaser interface {
	Release()
}

// Hold keeps memory in which strings of the exchange lie; it is released by Reset.
func (x *Exchange) Hold(r Releaser) { x.held = append(x.held, r) }

// Interrupter is something that waits on behalf of an exchange and can be told to stop, from any goroutine.
type Interrupter interface {
	Interrupt()
}

// SetInterrupt names who is to be interrupted when the exchange is cancelled. If the exchange has been cancelled
// already it returns why, and the caller must not begin to wait.
func (x *Exchange) SetInterrupt(i Interrupter) *Error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.interrupt = i
	return x.cancelled
}

// ClearInterrupt forgets who was to be interrupted: the wait is over.
func (x *Exchange) ClearInterrupt() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.interrupt = nil
}

// SetDeadline sets when the exchange must have ended; the zero time means never. The engine cancels it then. If it is set later than some
// 50 ms behind the exchange's begin, that may be up to a second too late.
func (x *Exchange) SetDeadline(t time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.deadline = t
}

// Deadline is when the exchange must have ended; the zero time means never.
func (x *Exchange) Deadline() time.Time {
	// Read without the lock: only the goroutine that serves the exchange may write it, and that is who asks.
	return x.deadline
}

// Left is how much time is left until the deadline, less than 0 if it has passed; limited is false if there is none. It is safe for
// concurrent use.
func (x *Exchange) Left(now time.Time) (left time.Duration, limited bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.deadline.Sub(now), !x.deadline.IsZero()
}

// Cancel ends the exchange early, because the client left or time is up. It is safe for concurrent use; the first cause stays.
func (x *Exchange) Cancel(cause *Error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cancelled != nil {
		return
	}
	x.cancelled = cause
	if x.interrupt != nil {
		x.interrupt.Interrupt()
	}
}

// Cancelled returns why the exchange was cancelled, or nil.
func (x *Exchange) Cancelled() *Error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cancelled
}
