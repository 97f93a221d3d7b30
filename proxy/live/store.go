// Package live holds the state of clusters that outlives a routing table: which endpoints there are, how each of
// them fares, and the connections to it. Tables come and go with configuration; endpoints come and go with pods, and
// by a way of their own, so that a change of either never touches the other.
package live

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/penstock/penstock/proxy/snapshot"
)

// Conns are the connections to one endpoint. Whoever makes round trips knows what they are; the store only ends them.
type Conns interface {
	// Close ends the connections that nobody uses and keeps no further one: what is in use now, or is opened
	// by a request that chose the endpoint before it left, ends after its exchange.
	Close()
}

// Store holds the clusters by name. It is safe for concurrent use. Requests don't come here: a handler keeps the
// *Cluster that it was built with, and reads its endpoints without a lock.
//
// A cluster begins to exist when it is first named, by a table (Cluster) or by a source of endpoints (SetEndpoints),
// whichever comes first. It ends when a table is in place that doesn't name it (Retain), unless it was named since
// the Retain before: so endpoints that arrive ahead of their table aren't lost to the table that is being replaced.
// A source must therefore give the endpoints of a cluster anew when a snapshot names the cluster again.
type Store struct {
	newConns func(cluster string, addr netip.AddrPort) Conns

	mu       sync.Mutex
	clusters map[string]*Cluster
	// fresh were named since the last Retain, spared were so at the last one, whose table did not name them.
	fresh, spared map[string]struct{}
}

// NewStore makes an empty store. newConns is called, under a lock, for every endpoint that arrives.
func NewStore(newConns func(cluster string, addr netip.AddrPort) Conns) *Store {
	return &Store{
		newConns: newConns, clusters: map[string]*Cluster{}, fresh: map[string]struct{}{}, spared: map[string]struct{}{},
	}
}

// Cluster returns the cluster of that name, without endpoints if nobody has given any yet.
func (s *Store) Cluster(name string) *Cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.named(name)
}

func (s *Store) named(name string) *Cluster {
	c := s.clusters[name]
	if c == nil {
		c = newCluster(name)
		s.clusters[name] = c
	}
	s.fresh[name] = struct{}{}
	return c
}

// SetEndpoints replaces the endpoints of a cluster. One whose address stays keeps its statistics and connections,
// whatever its state becomes; an address that is given twice counts once, as Ready if either is. What isn't an IP
// address is left out and reported in the error; the others are set all the same.
func (s *Store) SetEndpoints(cluster string, endpoints []snapshot.Endpoint) error {
	states, errs := parse(cluster, endpoints)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.named(cluster)
	c.replace(states, func(addr netip.AddrPort) Conns { return s.newConns(cluster, addr) })
	return errors.Join(errs...)
}

// parse returns the endpoints in the order of their addresses, each once.
func parse(cluster string, endpoints []snapshot.Endpoint) (states []state, errs []error) {
	states = make([]state, 0, len(endpoints))
	for _, e := range endpoints {
		ip, err := netip.ParseAddr(e.Address)
		if err != nil {
			errs = append(errs, fmt.Errorf("endpoints of %s: %w", cluster, err))
			continue
		}
		states = append(states, state{netip.AddrPortFrom(ip.Unmap(), e.Port), e.State})
	}
	slices.SortFunc(states, state.compare)
	return slices.CompactFunc(states, func(a, b state) bool { return a.addr == b.addr }), errs
}

// Retain ends the clusters that keep doesn't name and that nobody has named since the last Retain. It is to be called once
// a table is in place, with the clusters of that table, and with the names of those that only the table before had: it
// looks at no others, but those that were named ahead of a table.
func (s *Store) Retain(gone iter.Seq[string], keep func(cluster string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh, doubtful := s.fresh, s.spared
	s.fresh, s.spared = map[string]struct{}{}, map[string]struct{}{}
	for name := range gone {
		doubtful[name] = struct{}{}
	}
	for name := range fresh {
		if !keep(name) {
			s.spared[name] = struct{}{}
		}
		delete(doubtful, name)
	}
	for name := range doubtful {
		if c := s.clusters[name]; c != nil && !keep(name) {
			delete(s.clusters, name)
			c.retire()
		}
	}
}

// All yields the clusters of this moment, in no order.
func (s *Store) All() iter.Seq[*Cluster] {
	return func(yield func(*Cluster) bool) {
		for _, c := range s.list() {
			if !yield(c) {
				return
			}
		}
	}
}

func (s *Store) list() []*Cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Cluster, 0, len(s.clusters))
	for _, c := range s.clusters {
		list = append(list, c)
	}
	return list
}

// Statistics are what is known of one endpoint at this moment.
type Statistics struct {
	Address  netip.AddrPort `json:"endpoint"`
	Draining bool           `json:"draining"`
	InFlight int64          `json:"inFlight"`
	// Failures counts those since the last success; Ejected says that the endpoint is avoided for them.
	Failures int  `json:"failures"`
	Ejected  bool `json:"ejected"`
	// LatencyMillis is the moving average of the time to the head of an answer, in milliseconds; 0 before the first.
	LatencyMillis float64 `json:"latencyMs"`
}

// Statistics are those of all endpoints by the names of their clusters, for debugging.
func (s *Store) Statistics(now time.Time) map[string][]Statistics {
	all := map[string][]Statistics{}
	for c := range s.All() {
		endpoints := c.Endpoints()
		list := make([]Statistics, 0, len(endpoints.Ready)+len(endpoints.Draining))
		for e := range endpoints.All {
			list = append(list, Statistics{
				Address: e.Address, Draining: len(list) >= len(endpoints.Ready), InFlight: e.InFlight(),
				Failures: e.Failures(), Ejected: e.Ejected(now), LatencyMillis: float64(e.Latency()) / float64(time.Millisecond),
			})
		}
		all[c.Name] = list
	}
	return all
}
