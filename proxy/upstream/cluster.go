package upstream

import (
	"io"
	"net/http"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

const (
	// maxEndpoints is how many endpoints are asked for a connection until an exchange fails.
	maxEndpoints = 3
	// smallBody is the largest body of a request, in bytes, that is read before an endpoint is chosen. It goes out
	// with the head, and can be sent again.
	smallBody = 8 << 10
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

// Serve makes the round trip: it chooses an endpoint, sends the request and fills x.Response and x.Upstream.
//
// It tries again in two cases only. An endpoint that takes no connection has seen nothing of the request: up to two others
// are asked. A connection that was kept open may be closed by the backend in the moment in which a request is sent: then a
// request of which nothing was sent, or an idempotent one whose body has not been streamed, is sent once more, on a new
// connection. More than that is for a retry policy to decide; x.Timeouts.Backend bounds each attempt and x.Deadline() all.
//
// A request's body of up to 8 KiB is read first; a longer one, or one of unknown length, is sent while the answer is awaited
// and even returned. It is then read from another goroutine, which has ended when Serve returns an error or an answer
// without a body, and else when the answer's Body has been closed.
func (c *Cluster) Serve(x *exchange.Exchange) error {
	x.Upstream.Cluster = c.name
	t := trip{Cluster: c, x: x}
	if err := t.run(); err != nil {
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

	small   []byte // the request's body, if it has been read
	streams bool   // the body is still to be read
	fresh   bool   // kept connections are no longer trusted

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
	t.now = t.upstreams.now()
	err := errNoEndpoint
	for e := t.next(); e != nil; {
		var v verdict
		if v, err = t.attempt(e); err == nil {
			return nil
		}
		switch v {
		case giveUp:
			return err
		case elsewhere:
			e = t.next()
		case afresh:
			t.fresh = true
			t.upstreams.counters.replays.Add(1)
		}
	}
	return err
}

// takeBody reads the request's body if it is small.
func (t *trip) takeBody() *exchange.Error {
	r := &t.x.Request
	switch {
	case r.Body == nil || r.ContentLength == 0:
		return nil
	case r.ContentLength < 0 || r.ContentLength > smallBody:
		t.streams = true
		return nil
	}
	t.small = t.x.Alloc(int(r.ContentLength))
	if _, err := io.ReadFull(r.Body, t.small); err != nil {
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
	if err = c.begin(t.x, e, t.now, until); err == nil {
		err = c.roundTrip(t.small, t.streams)
	}
	now := t.upstreams.now()
	if err != nil {
		c.end(false)
		t.now = now
		return t.broken(e, c, err), err
	}
	e.Succeeded(now.Sub(t.now))
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
	ended := err.Code == errReset.Code
	if ended && c.reused && (err.Retry == exchange.RetryAlways || err.Retry == exchange.RetryReplay && t.replayable()) {
		return afresh
	}
	// A kept connection that ends says nothing of the endpoint: its idle time may have been over.
	if ended && !c.reused {
		e.Failed(t.now)
	}
	return giveUp
}

// replayable reports whether the request can be sent twice without harm: whether it is idempotent (RFC 9110 §9.2.2) and
// nothing of it was streamed.
func (t *trip) replayable() bool {
	switch t.x.Request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return !t.streams
	}
	return false
}
