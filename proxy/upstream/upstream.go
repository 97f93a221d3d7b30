// Package upstream makes the round trips to backends: it chooses an endpoint of a cluster, keeps and checks connections to
// it, sends the request and reads the answer's head. It retries only what can't do any harm: see Cluster.Serve.
package upstream

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Defaults of Options.
const (
	DefaultMaxIdle     = 1024
	DefaultIdleTimeout = time.Minute
)

// defaultConnectTimeout bounds the set-up of a connection where the cluster says nothing.
const defaultConnectTimeout = 5 * time.Second

// Options are what round trips need. Store and Log must be set; other zero values mean the defaults.
type Options struct {
	// Store holds the endpoints. It must have been made with NewPool.
	Store *live.Store
	Log   *slog.Logger
	// Resolver looks up external clusters; by default the system's.
	Resolver Resolver
	// Limits bound the heads of answers; by default http1.DefaultLimits.
	Limits http1.Limits
	// MaxIdle is how many connections to one endpoint are kept while nobody uses them, at most 1,024. How many are in use is not
	// bounded here: no more than there are exchanges.
	MaxIdle int
	// IdleTimeout is how long a connection is kept that nobody uses; it may take a quarter longer to notice.
	IdleTimeout time.Duration
	// Buffers lend memory for the bodies of requests; by default pools of their own.
	Buffers *buffer.Pools
	// Now is the clock; by default time.Now.
	Now func() time.Time
}

// Upstreams makes handlers for clusters, and looks after what they share. It is safe for concurrent use.
type Upstreams struct {
	store       *live.Store
	names       *names
	limits      http1.Limits
	buffers     *buffer.Pools
	maxIdle     int
	idleTimeout time.Duration
	now         func() time.Time
	random      func(n int) int
	dialer      net.Dialer
	counters    counters
}

// New makes Upstreams; Run must be started for them.
func New(o Options) *Upstreams {
	if o.Limits == (http1.Limits{}) {
		o.Limits = http1.DefaultLimits
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Buffers == nil {
		o.Buffers = buffer.New(buffer.DefaultLimit)
	}
	return &Upstreams{
		store:       o.Store,
		names:       newNames(o.Resolver, o.Store, o.Log),
		limits:      o.Limits,
		buffers:     o.Buffers,
		maxIdle:     cmp.Or(o.MaxIdle, DefaultMaxIdle),
		idleTimeout: cmp.Or(o.IdleTimeout, DefaultIdleTimeout),
		now:         o.Now,
		random:      rand.IntN,
	}
}

// Run closes connections that have been idle for too long and resolves the names of external clusters, until ctx ends.
func (u *Upstreams) Run(ctx context.Context) {
	var resolving sync.WaitGroup
	resolving.Go(func() { u.names.run(ctx) })
	defer resolving.Wait()
	tick := time.NewTicker(max(u.idleTimeout/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			u.sweep()
		}
	}
}

func (u *Upstreams) sweep() {
	oldest := u.now().Add(-u.idleTimeout)
	for c := range u.store.All() {
		for e := range c.Endpoints().All {
			poolOf(e).sweep(oldest)
		}
	}
}

// Handler returns a handler that sends exchanges to the endpoints of c. Handlers of the same cluster share its endpoints,
// connections and statistics, so one may be made for every table.
func (u *Upstreams) Handler(c *snapshot.Cluster) exchange.Handler {
	h := &Cluster{
		upstreams:      u,
		name:           c.Name,
		live:           u.store.Cluster(c.Name),
		balancer:       c.Balancer,
		connectTimeout: cmp.Or(time.Duration(c.ConnectTimeout), defaultConnectTimeout),
	}
	if c.Host == "" {
		return h
	}
	if addr, err := netip.ParseAddr(c.Host); err == nil {
		// It is an address, which is all that can be wrong with an endpoint.
		_ = u.store.SetEndpoints(c.Name, []snapshot.Endpoint{{Address: addr.String(), Port: c.Port}})
		return h
	}
	h.resolved = u.names.follow(h.live, c.Host, c.Port)
	return h
}

// Counters are totals since the start, for metrics.
type Counters struct {
	// Connects are the connections that were opened, ConnectFailures the attempts that failed.
	Connects, ConnectFailures uint64
	// Reuses are the requests sent on a connection that was open already.
	Reuses uint64
	// Stale are the kept connections that were found closed, or with bytes that nobody had asked for.
	Stale uint64
	// Replays are the requests that were sent again because a connection ended before the first byte of the answer.
	Replays uint64
	// Denials are the requests that failed because their cluster's budget had no further attempt.
	Denials uint64
}

type counters struct {
	connects, connectFailures, reuses, stale, replays, denials atomic.Uint64
}

// Counters returns the totals of this moment.
func (u *Upstreams) Counters() Counters {
	c := &u.counters
	return Counters{
		Connects: c.connects.Load(), ConnectFailures: c.connectFailures.Load(),
		Reuses: c.reuses.Load(), Stale: c.stale.Load(), Replays: c.replays.Load(), Denials: c.denials.Load(),
	}
}
