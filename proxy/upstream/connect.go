package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/live"
)

// connect returns a connection to e: one that was kept and is still good, or a new one. Until is when the attempt ends; zero: never.
func (t *trip) connect(e *live.Endpoint, until time.Time) (*conn, *exchange.Error) {
	p := poolOf(e)
	for !t.fresh {
		c := p.take()
		if c == nil {
			break
		}
		if t.trusts(c) || c.socket.isQuiet() {
			c.reused = true
			t.upstreams.counters.reuses.Add(1)
			return c, nil
		}
		t.upstreams.counters.stale.Add(1)
		c.nc.Close()
	}
	nc, err := t.dial(e, sooner(until, t.now.Add(t.connectTimeout)), until)
	if err != nil {
		return nil, err
	}
	return newConn(nc, t.upstreams, p), nil
}

// briefly is for how long a kept connection may be trusted without a look at it: longer than it waits for its next request on a busy
// processor, and no longer than an event loop would take to hear of what has come.
const briefly = time.Millisecond

// trusts reports whether the connection can be used without a look at it. Its last answer was read to the last byte that had come,
// and that was a moment ago: a look would see no more than one that is made too early. If the backend is closing the connection the
// request can be sent again.
func (t *trip) trusts(c *conn) bool {
	return c.drained && t.now.Sub(c.idleSince) < briefly && t.replayable()
}

// interruptFunc interrupts by a function.
type interruptFunc func()

func (f interruptFunc) Interrupt() { f() }

// dial opens a connection by that time. If until, when the attempt ends, is no later, that is the time that is up.
func (t *trip) dial(e *live.Endpoint, by, until time.Time) (*net.TCPConn, *exchange.Error) {
	// An exchange has a deadline and an interrupter, and no context; the dialer's ends with the call.
	ctx, cancel := context.WithDeadline(context.Background(), by)
	defer cancel()
	defer t.x.ClearInterrupt()
	if err := t.x.SetInterrupt(interruptFunc(cancel)); err != nil {
		return nil, err
	}
	nc, err := t.upstreams.dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, e.Address)
	if err == nil {
		t.upstreams.counters.connects.Add(1)
		return nc, nil
	}
	t.upstreams.counters.connectFailures.Add(1)
	netErr, _ := errors.AsType[net.Error](err)
	switch cancelled := t.x.Cancelled(); {
	case cancelled != nil:
		return nil, cancelled
	case netErr == nil || !netErr.Timeout():
		return nil, errConnect.With(err)
	case by.Equal(until):
		return nil, errTimeout
	}
	return nil, errConnectTimeout.With(err)
}
