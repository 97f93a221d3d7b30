package upstream

import (
	"net/http"
	"time"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

const (
	// maxEndpoints is how many endpoints are asked for a connection until an exchange fails.
	maxEndpoints = 3
	// smallBody is the largest body of a request, in bytes, that goes out with the head. It is read before an endpoint is chosen.
	smallBody = 8 << 10
	// replayBody is the largest body of a request that can be replayed, in bytes. It is read before an endpoint is chosen, and kept.
	replayBody = 64 << 10
)

// Cluster sends exchanges to the endpoints of one cluster.
type Cluster struct {
	upstreams      *Upstreams
	name           string
	live           *live.Cluster
	balancer       snapshot.Balancer
	connectTimeout time.Duration
	resolved       *resolution // nil unless the cluster is external, by name
}

var _ exchange.Handler = (*Cluster)(nil)

// Live is what is known of the cluster's endpoints, for clients of other protocols.
func (c *Cluster) Live() *live.Cluster { return c.live }

// Serve makes the round trip: it chooses an endpoint, sends the request and fills x.Response and x.Upstream.
//
// It tries again in two cases only. An endpoint that takes no connection has seen nothing of the request: up to two others
// are asked. And if a connection ends before the first byte of an answer, a request of which nothing was sent, or an idempotent one
// whose body has not been streamed, is sent once more: on a new connection if the old one had been kept, since the backend may have
// closed it in that moment; else to another endpoint, if there is one. More than that is for a retry policy to decide.
// x.Timeouts.Backend bounds each attempt and x.Deadline() all, and the cluster's budget bounds the attempts beyond the first to 20 % of
// its exchanges, those after a kept connection apart.
//
// A request's body of up to 8 KiB is read first, up to 64 KiB if the request is idempotent; a longer one, or one of unknown length, is
// sent while the answer is awaited and even returned. It is then read from another goroutine, which has ended when Serve returns an error or an answer
// without a body, and else when the answer's Body has been closed.
func (c *Cluster) Serve(x *exchange.Exchange) error {
	x.Upstream.Cluster = c.name
	t := trip{Cluster: c, x: x}
	err := t.run()
	if t.held != nil {
		t.held.Release()
	}
	if err != nil {
		// An interim or malformed answer may have left something.
		x.Reply(0)
		return err
	}
	return nil
}

// trip is one exchange on its way. It lives on its goroutine's stack.
type trip struct {
	*Cluster
	x *exchange.Exchange

	held     *buffer.Buffer // of content, if that is not small
	content  []byte         // the request's body, if it has been read
	streams  bool           // the body is still to be read
	fresh    bool           // kept connections are no longer trusted
	replayed bool

	now   time.Time // when the present attempt began
	tried [maxEndpoints]*live.Endpoint
	asked int
}

// verdict is what to do after a failed attempt.
type verdict uint8

const (
	// giveUp: not at all.
	giveUp verdict = iota
	// afresh: once more at the same endpoint, on a new connection.
	afresh
	// elsewhere: at another endpoint.
	elsewhere
	// replay: once more, at another endpoint if there is one, else at the same.
	replay
)

func (t *trip) run() *exchange.Error {
	if err := t.takeBody(); err != nil {
		return err
	}
	if t.resolved != nil {
		if err := t.resolved.wait(t.x, t.connectTimeout); err != nil {
			return err
		}
	}
	t.live.Earn()
	t.now = t.upstreams.now()
	err := errNoEndpoint
	for e := t.next(); e != nil; {
		var v verdict
		if v, err = t.attempt(e); err == nil {
			return nil
		}
		// A kept connection that ends costs nothing of the budget: as long as there are any, the backend was well a moment ago.
		if e = t.after(v, e); e != nil && v != afresh && !t.live.SpendRetry() {
			t.upstreams.counters.denials.Add(1)
			return err
		}
	}
	return err
}

// after returns whom to ask after an attempt at e; nil for nobody.
func (t *trip) after(v verdict, e *live.Endpoint) *live.Endpoint {
	if v == giveUp {
		return nil
	}
	if v == elsewhere {
		return t.next()
	}
	t.replayed, t.fresh = true, true
	t.upstreams.counters.replays.Add(1)
	if v == replay {
		if other := t.next(); other != nil {
			return other
		}
	}
	return e
}

// takeBody reads the request's body if it is small enough.
func (t *trip) takeBody() *exchange.Error {
	r := &t.x.Request
	switch n := r.ContentLength; {
	case r.Body == nil || n == 0:
		return nil
	case n > 0 && n <= smallBody:
		t.content = t.x.Alloc(int(n))
	case n > 0 && n <= replayBody && isIdempotent(r.Method):
		t.held = t.upstreams.buffers.Get(n)
		t.content = t.held.Bytes[:min(n, int64(len(t.held.Bytes)))]
	}
	if t.streams = int64(len(t.content)) != r.ContentLength; t.streams {
		return nil
	}
	if _, err := exchange.ReadFull(r.Body, t.content); err != nil {
		if cancelled := t.x.Cancelled(); cancelled != nil {
			return cancelled
		}
		return failure(err, errClient)
	}
	return nil
}

// next returns an endpoint that has not been asked, or nil.
func (t *trip) next() *live.Endpoint {
	if t.asked == maxEndpoints {
		return nil
	}
	e := t.choose(t.now, t.tried[:t.asked])
	if e != nil {
		t.tried[t.asked] = e
		t.asked++
	}
	return e
}

// attempt makes the round trip with e. If that fails it says what to do next.
func (t *trip) attempt(e *live.Endpoint) (verdict, *exchange.Error) {
	t.x.Upstream.Address = e.Address
	t.x.Upstream.Attempts++
	until := sooner(t.x.Deadline(), after(t.now, t.x.Timeouts.Backend))
	e.Begin()
	c, err := t.connect(e, until)
	if err != nil {
		e.End()
		t.now = t.upstreams.now()
		return t.unconnected(e, err), err
	}
	var heard time.Time
	if err = c.begin(t.x, e, t.now, until); err == nil {
		heard, err = c.roundTrip(t.content, t.streams)
	}
	if err != nil {
		c.end(false)
		t.now = t.upstreams.now()
		return t.broken(e, c, err), err
	}
	e.Succeeded(heard.Sub(t.now))
	return giveUp, nil
}

// unconnected judges a failure to connect. If time is up, or the client has gone, another endpoint would not help.
func (t *trip) unconnected(e *live.Endpoint, err *exchange.Error) verdict {
	if err.Retry != exchange.RetryAlways {
		return giveUp
	}
	e.Failed(t.now)
	return elsewhere
}

// broken judges a failure of a connection that was established.
func (t *trip) broken(e *live.Endpoint, c *conn, err *exchange.Error) verdict {
	if err.Code != errReset.Code {
		return giveUp
	}
	// A kept connection that ends says nothing of the endpoint: its idle time may have been over.
	if !c.reused {
		e.Failed(t.now)
	}
	again := err.Retry == exchange.RetryAlways || err.Retry == exchange.RetryReplay && t.replayable()
	switch {
	case !again || t.replayed:
		return giveUp
	case c.reused:
		return afresh
	}
	return replay
}

// replayable reports whether the request can be sent twice without harm: whether it is idempotent (RFC 9110 §9.2.2) and
// nothing of it was streamed.
func (t *trip) replayable() bool { return !t.streams && isIdempotent(t.x.Request.Method) }

func isIdempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}
