package controllers

import (
	"sync"
	"sync/atomic"

	"github.com/penstock/penstock/controllers/lastgood"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/snapshot"
)

// serving knows what the gateway serves and where that came from. It is safe for concurrent use.
type serving struct {
	gateway Gateway
	metrics *metrics
	// changed is called after what is served has changed.
	changed func()

	from atomic.Int32 // a provenance; read without waiting for an Apply

	mu sync.Mutex // held during Apply: one at a time, and no stale state after a live one
	// version and faults are those of the last Apply.
	version string
	faults  map[status.Object]string
}

// provenance is where a snapshot came from.
type provenance = int32

const (
	nothing provenance = iota // nothing is served yet
	disk                      // the last good state, while there is no API server
	cluster                   // synced caches
)

// apply makes a snapshot of the cluster what is served, unless it is already, and returns what kept objects from it.
func (s *serving) apply(next *snapshot.Snapshot) map[status.Object]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.from.Load() == nothing || s.version != next.Version {
		s.swap(next)
		s.changed()
	}
	s.from.Store(cluster)
	s.metrics.stale.Set(0)
	return s.faults
}

// restore makes the last good state what is served, unless something is already. It reports whether it did.
func (s *serving) restore(state lastgood.State) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.from.Load() != nothing {
		return false
	}
	for cluster, list := range state.Endpoints.All() {
		s.gateway.SetEndpoints(cluster, *list)
	}
	s.swap(state.Snapshot)
	s.from.Store(disk)
	s.metrics.stale.Set(1)
	return true
}

func (s *serving) swap(next *snapshot.Snapshot) {
	s.faults = faults(s.gateway.Apply(next))
	s.version = next.Version
	s.metrics.applies.Inc()
}

// ready reports whether this replica should get traffic, and why or why not.
func (s *serving) ready() (bool, string) {
	switch s.from.Load() {
	case cluster:
		return true, "serving"
	case disk:
		return true, "serving the last good state: the API server can't be reached"
	default:
		return false, "waiting for the caches to sync"
	}
}

// faults says for each object what kept its first bad route from being programmed.
func faults(problems []Problem) map[status.Object]string {
	out := make(map[status.Object]string, len(problems))
	for _, p := range problems {
		o := status.Ref{Kind: p.Origin.Kind, Namespace: p.Origin.Namespace, Name: p.Origin.Name}.Object()
		if out[o] == "" {
			out[o] = "Route " + p.RouteID + " answers 500: " + p.Err.Error() + "."
		}
	}
	return out
}
