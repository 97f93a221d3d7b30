package live

import (
	"cmp"
	"net/netip"
	"sync/atomic"

	"github.com/penstock/penstock/proxy/snapshot"
)

// Cluster is a set of equal endpoints. Its methods are safe for concurrent use.
type Cluster struct {
	Name string

	endpoints atomic.Pointer[Endpoints]
	changed   atomic.Pointer[chan struct{}]
	turn      atomic.Uint64
	retries   budget
	retired   chan struct{}
}

// Endpoints are the endpoints of a cluster at one moment, by what may be asked of them. Both lists are sorted by
// address and must not be written. No endpoint is in both.
type Endpoints struct {
	Ready []*Endpoint
	// Draining endpoints end soon but still serve.
	Draining []*Endpoint
}

// state is what a source says of one address.
type state struct {
	addr netip.AddrPort
	is   snapshot.EndpointState
}

// compare orders by address. Of two with the same address the Ready one, whose state is the empty string, comes first.
func (s state) compare(o state) int { return cmp.Or(s.addr.Compare(o.addr), cmp.Compare(s.is, o.is)) }

func newCluster(name string) *Cluster {
	c := &Cluster{Name: name, retired: make(chan struct{})}
	c.endpoints.Store(&Endpoints{})
	c.changed.Store(new(make(chan struct{})))
	return c
}

// Endpoints returns the present endpoints; never nil.
func (c *Cluster) Endpoints() *Endpoints { return c.endpoints.Load() }

// Changed is closed with the next change of the endpoints. Who asks for it before Endpoints misses none.
func (c *Cluster) Changed() <-chan struct{} { return *c.changed.Load() }

// Turn counts up from 0, for balancers that take turns. It is kept here because a balancer ends with its table.
func (c *Cluster) Turn() uint64 { return c.turn.Add(1) - 1 }

// Retired is closed when the store has dropped the cluster. Its endpoints stay readable, for the exchanges of an
// old table, but change no more.
func (c *Cluster) Retired() <-chan struct{} { return c.retired }

// replace takes states as parse returns them.
func (c *Cluster) replace(states []state, newConns func(netip.AddrPort) Conns) {
	left := make(map[netip.AddrPort]*Endpoint, len(states))
	for e := range c.Endpoints().All {
		left[e.Address] = e
	}
	next := &Endpoints{}
	for _, s := range states {
		e := left[s.addr]
		if e == nil {
			e = &Endpoint{Address: s.addr, Conns: newConns(s.addr)}
		}
		delete(left, s.addr)
		if s.is == snapshot.Draining {
			next.Draining = append(next.Draining, e)
		} else {
			next.Ready = append(next.Ready, e)
		}
	}
	// First nobody finds them any more, then their connections end.
	c.endpoints.Store(next)
	close(*c.changed.Swap(new(make(chan struct{}))))
	for _, e := range left {
		e.Conns.Close()
	}
}

func (c *Cluster) retire() {
	close(c.retired)
	for e := range c.Endpoints().All {
		e.Conns.Close()
	}
}

// All yields every endpoint, the Ready ones first.
func (e *Endpoints) All(yield func(*Endpoint) bool) {
	for _, list := range [...][]*Endpoint{e.Ready, e.Draining} {
		for _, e := range list {
			if !yield(e) {
				return
			}
		}
	}
}
