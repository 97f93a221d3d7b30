package upstream

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

const (
	// resolveEvery is how often a name is looked up.
	resolveEvery = 10 * time.Second
	// resolveTimeout bounds one look-up.
	resolveTimeout = 5 * time.Second
)

// Resolver looks up the addresses of a name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// names keeps the endpoints of external clusters equal to what their names resolve to. What was found last stays when a look-up
// fails.
type names struct {
	resolver Resolver
	store    *live.Store
	log      *slog.Logger
	arrived  chan struct{} // has a place for one signal

	mu      sync.Mutex
	known   map[*live.Cluster]*resolution
	waiting []*resolution // not yet looked after
}

// resolution is the name of one external cluster.
type resolution struct {
	cluster *live.Cluster
	host    string
	port    uint16
	first   chan struct{} // closed after the first look-up, whatever it gave

	// Of the goroutine that looks it up.
	last   []netip.Addr
	failed bool
}

func newNames(r Resolver, s *live.Store, log *slog.Logger) *names {
	return &names{resolver: r, store: s, log: log, arrived: make(chan struct{}, 1), known: map[*live.Cluster]*resolution{}}
}

// follow makes run resolve host for c, until c is retired.
func (n *names) follow(c *live.Cluster, host string, port uint16) *resolution {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.known[c]
	if r == nil {
		r = &resolution{cluster: c, host: host, port: port, first: make(chan struct{})}
		n.known[c] = r
		n.waiting = append(n.waiting, r)
		select {
		case n.arrived <- struct{}{}:
		default: // There is a signal already.
		}
	}
	return r
}

func (n *names) forget(r *resolution) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, r.cluster)
}

func (n *names) takeWaiting() []*resolution {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.waiting
	n.waiting = nil
	return w
}

func (n *names) run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.arrived:
			for _, r := range n.takeWaiting() {
				all.Go(func() { n.keep(ctx, r) })
			}
		}
	}
}

func (n *names) keep(ctx context.Context, r *resolution) {
	defer n.forget(r)
	n.resolve(ctx, r)
	close(r.first)
	tick := time.NewTicker(resolveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.cluster.Retired():
			return
		case <-tick.C:
			n.resolve(ctx, r)
		}
	}
}

// resolve looks the name up once. Only a change goes to the store, so that a cluster that no table names can end.
func (n *names) resolve(ctx context.Context, r *resolution) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, err := n.resolver.LookupNetIP(ctx, "ip", r.host)
	if err != nil {
		if !r.failed {
			n.log.Warn("resolving an external cluster failed", "cluster", r.cluster.Name, "host", r.host, "error", err)
		}
		r.failed = true
		return
	}
	r.failed = false
	slices.SortFunc(found, netip.Addr.Compare)
	if slices.Equal(found, r.last) {
		return
	}
	r.last = found
	endpoints := make([]snapshot.Endpoint, len(found))
	for i, a := range found {
		endpoints[i] = snapshot.Endpoint{Address: a.String(), Port: r.port}
	}
	// They are addresses, which is all that can be wrong with an endpoint.
	_ = n.store.SetEndpoints(r.cluster.Name, endpoints)
}

// wait waits for the first look-up, but no longer than the timeout and x's deadline. Then the cluster may still have no endpoint.
func (r *resolution) wait(x *exchange.Exchange, timeout time.Duration) *exchange.Error {
	select {
	case <-r.first:
		return nil
	default:
	}
	ctx, cancel := context.WithDeadline(context.Background(), sooner(x.Deadline(), time.Now().Add(timeout)))
	defer cancel()
	defer x.ClearInterrupt()
	if err := x.SetInterrupt(interruptFunc(cancel)); err != nil {
		return err
	}
	select {
	case <-r.first:
	case <-ctx.Done():
	}
	return x.Cancelled()
}
