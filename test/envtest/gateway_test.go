package envtest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/proxy/snapshot"
)

// patience is how long any test waits for anything before it fails.
const patience = 60 * time.Second

// gateway is a data plane that remembers what it was told.
type gateway struct {
	// refuse says which routes can't be built.
	refuse func(*snapshot.Route) error

	mu        sync.Mutex
	changed   chan struct{}      // closed with the next change
	first     *snapshot.Snapshot // the first that was applied
	served    *snapshot.Snapshot
	fewest    int // the smallest number of routes applied so far; -1 before any
	applies   int
	endpoints map[string][]snapshot.Endpoint
	// early are the clusters that were applied before anybody had given their endpoints.
	early []string
}

var _ controllers.Gateway = (*gateway)(nil)

func newGateway() *gateway {
	return &gateway{changed: make(chan struct{}), fewest: -1, endpoints: map[string][]snapshot.Endpoint{}}
}

func (g *gateway) Apply(s *snapshot.Snapshot) (problems []controllers.Problem) {
	g.change(func() {
		g.served = s
		if g.first == nil {
			g.first = s
		}
		g.applies++
		if g.fewest < 0 || s.Routes.Len() < g.fewest {
			g.fewest = s.Routes.Len()
		}
		for c := range s.Clusters.Values() {
			if _, ok := g.endpoints[c.Name]; !ok {
				g.early = append(g.early, c.Name)
			}
		}
	})
	for r := range s.Routes.Values() {
		if g.refuse == nil {
			break
		}
		if err := g.refuse(r); err != nil {
			problems = append(problems, controllers.Problem{RouteID: r.ID, Origin: r.Origin, Err: err})
		}
	}
	return problems
}

func (g *gateway) SetEndpoints(cluster string, endpoints []snapshot.Endpoint) {
	g.change(func() { g.endpoints[cluster] = endpoints })
}

func (g *gateway) Snapshot() *snapshot.Snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.served
}

func (g *gateway) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	close(g.changed)
	g.changed = make(chan struct{})
}

// await waits until ok holds. It is called with the lock held.
func (g *gateway) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		g.mu.Lock()
		done, changed := ok(), g.changed
		g.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited in vain until %s; %s", what, g.describe())
		}
	}
}

// awaitRoutes waits until exactly these routes are served.
func (g *gateway) awaitRoutes(t *testing.T, ids ...string) {
	t.Helper()
	slices.Sort(ids)
	g.await(t, fmt.Sprintf("the routes are %v", ids), func() bool { return g.served != nil && slices.Equal(g.ids(), ids) })
}

// awaitAddresses waits until a cluster has exactly these endpoints.
func (g *gateway) awaitAddresses(t *testing.T, cluster string, addresses ...string) {
	t.Helper()
	g.await(t, fmt.Sprintf("the endpoints of %s are %v", cluster, addresses), func() bool {
		var have []string
		for _, e := range g.endpoints[cluster] {
			have = append(have, e.Address)
		}
		return slices.Equal(have, addresses)
	})
}

func (g *gateway) ids() (out []string) {
	for r := range g.served.Routes.Values() {
		out = append(out, r.ID)
	}
	slices.Sort(out)
	return out
}

func (g *gateway) describe() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.served == nil {
		return "nothing is served"
	}
	return fmt.Sprintf("served are %v with %v", g.ids(), g.endpoints)
}

// count returns how often something was applied.
func (g *gateway) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.applies
}
