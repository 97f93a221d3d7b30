// Package proxy is the data plane: it wires listeners, engine, routing table and upstreams, and serves whatever
// snapshot it was last given. It knows no Kubernetes.
package proxy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/engine"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/listener"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/router"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/proxy/upstream"
)

// Options are what a Gateway needs.
type Options struct {
	// Address is where listeners bind; the zero address means every address, IPv4 and IPv6.
	Address netip.Addr
	// Filters are the filters that routes may use, in their order.
	Filters filter.Registry
	// Bounds bound connections before their first request.
	Bounds listener.Bounds
	// ProxyProtocolFrom are the peers whose connections begin with a PROXY header; see listener.Options.
	ProxyProtocolFrom []netip.Prefix
	// MaxRequests bounds the requests that are served at a time; 0: engine.DefaultMaxExchanges.
	MaxRequests int64
	// BufferMemory bounds the memory that large heads and bodies pass through, in bytes; 0: buffer.DefaultLimit.
	BufferMemory int64
	// Timeouts bound waits for clients; what is zero in it: engine.DefaultTimeouts.
	Timeouts engine.Timeouts
	// Path says how paths are normalised.
	Path exchange.PathOptions
	Log  *slog.Logger
	Now  func() time.Time
}

// Gateway serves snapshots. Start from New, then Listen, Start and Apply in any order. It is safe for concurrent use.
type Gateway struct {
	log       *slog.Logger
	compile   router.Options
	router    *router.Router
	store     *live.Store
	upstreams *upstream.Upstreams
	engine    *engine.Engine
	buffers   *buffer.Pools
	listeners *listener.Set

	applying sync.Mutex // held during Apply: each table follows from the one before
	snapshot atomic.Pointer[snapshot.Snapshot]
}

// New returns a gateway without listeners that has nothing to serve.
func New(o Options) *Gateway {
	g := &Gateway{log: o.Log, store: live.NewStore(upstream.NewPool), buffers: buffer.New(cmp.Or(o.BufferMemory, buffer.DefaultLimit))}
	g.upstreams = upstream.New(upstream.Options{Store: g.store, Buffers: g.buffers, Log: o.Log, Now: o.Now})
	g.compile = router.Options{Filters: o.Filters, Cluster: g.upstreams.Handler, Now: o.Now}
	empty, _ := router.Compile(nil, &snapshot.Snapshot{}, g.compile)
	g.router = router.New(empty)
	g.engine = engine.New(engine.Options{
		Handler: g.router, Timeouts: o.Timeouts, MaxExchanges: o.MaxRequests, Buffers: g.buffers, Path: o.Path, Log: o.Log, Now: o.Now,
	})
	g.listeners = listener.New(listener.Options{
		Address: o.Address, Bounds: o.Bounds, ProxyProtocolFrom: o.ProxyProtocolFrom, Serve: g.serve, Log: o.Log,
	})
	return g
}

func (g *Gateway) serve(conn net.Conn, about *listener.Connection) {
	g.engine.ServeConn(conn, (*engine.Connection)(about))
}

// Listen binds listeners, before there is anything to serve; see Apply for when they accept. It fails if one can't be bound.
func (g *Gateway) Listen(listeners []*snapshot.Listener) error { return g.listeners.Sync(listeners) }

// Addr is the address that a listener is bound to; nil if there is none of that name.
func (g *Gateway) Addr(listener string) net.Addr { return g.listeners.Addr(listener) }

// Run looks after connections to upstreams until ctx ends.
func (g *Gateway) Run(ctx context.Context) { g.upstreams.Run(ctx) }

// Apply makes s what is served. It never fails as a whole: a route that can't be built answers 500 and is among the problems.
// Exchanges in flight end on what served before; no connection is closed. Listeners accept from the first Apply on.
func (g *Gateway) Apply(s *snapshot.Snapshot) []router.Problem {
	g.applying.Lock()
	defer g.applying.Unlock()
	table, problems := router.Compile(g.router.Table(), s, g.compile)
	g.router.Swap(table)
	g.listeners.Secure(s.TLS, s.Secrets)
	prev := g.snapshot.Swap(s)
	if err := g.listeners.Sync(s.Listeners); err != nil && !errors.Is(err, net.ErrClosed) {
		g.log.Error("listeners are not as wanted", "error", err)
	}
	if prev == nil {
		g.listeners.Start()
	}
	g.retain(prev, s)
	return problems
}

// retain ends the clusters that only the snapshot before had.
func (g *Gateway) retain(prev, now *snapshot.Snapshot) {
	if prev == nil {
		prev = new(snapshot.Snapshot)
	}
	if prev.Clusters == now.Clusters {
		return
	}
	gone := func(yield func(string) bool) {
		for name, c := range prev.Clusters.Diff(now.Clusters) {
			if c.New == nil && !yield(name) {
				return
			}
		}
	}
	g.store.Retain(gone, func(name string) bool { return now.Clusters.Get(name) != nil })
}

// SetEndpoints replaces the endpoints of a cluster, which the snapshot that serves need not name yet.
func (g *Gateway) SetEndpoints(cluster string, endpoints []snapshot.Endpoint) {
	if err := g.store.SetEndpoints(cluster, endpoints); err != nil {
		g.log.Error("endpoints are not as wanted", "error", err)
	}
}

// Snapshot is what is served; nil before the first Apply.
func (g *Gateway) Snapshot() *snapshot.Snapshot { return g.snapshot.Load() }

// Table is the compiled form of what is served, to look at.
func (g *Gateway) Table() *router.Table { return g.router.Table() }

// Statistics are what is known of the endpoints at this moment, by the names of their clusters.
func (g *Gateway) Statistics() map[string][]live.Statistics {
	return g.store.Statistics(g.compile.Now())
}

// Part tells clients with each answer from now on that the connection closes, so that they go elsewhere. Nothing else changes: new
// connections are served, and idle ones stay open.
func (g *Gateway) Part() { g.engine.Part() }

// Quiet returns when no connection has come for so long, or when ctx ends.
func (g *Gateway) Quiet(ctx context.Context, still time.Duration) {
	if err := g.listeners.Quiet(ctx, still); err != nil {
		g.log.Warn("clients still come, whom nobody has sent elsewhere", "error", err)
	}
}

// Drain ends service without failing a request: it stops to accept, tells clients with each answer that the connection
// closes, and waits until the last connection has ended, or ctx. It returns how many connections it had to cut then.
func (g *Gateway) Drain(ctx context.Context) (cut int64) {
	g.engine.Drain()
	g.listeners.Close()
	if err := g.listeners.Wait(ctx); err != nil {
		cut = g.listeners.Open()
	}
	g.engine.Close()
	return cut
}
