package controllers

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// endpoints brings endpoints from EndpointSlices to the gateway, without translation or compilation: pods come and go far
// more often than routes change. It is safe for concurrent use.
type endpoints struct {
	gateway Gateway
	metrics *metrics
	// changed is called after endpoints were set.
	changed func()

	mu sync.Mutex // held from reading the slices to SetEndpoints, so that what was read later is set later
	// stores is nil until all caches are synced: a Service of whose slices some are missing would shrink.
	stores   *stores
	snapshot *snapshot.Snapshot
	// set are the endpoints of the clusters of the snapshot, by cluster.
	set radix.Builder[[]snapshot.Endpoint]
}

// all are the endpoints that were set, by cluster.
func (e *endpoints) all() *radix.Tree[[]snapshot.Endpoint] {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.set.Tree()
}

// detach stops setting endpoints, because caches are being filled anew. Those that are set stay.
func (e *endpoints) detach() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stores = nil
}

// follow makes the clusters of a snapshot those whose endpoints are set, from now on from s. Clusters that are new have
// theirs when it returns.
func (e *endpoints) follow(s *stores, next *snapshot.Snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var known *radix.Tree[snapshot.Cluster]
	if e.stores == s && e.snapshot != nil {
		known = e.snapshot.Clusters
	} else {
		e.set = radix.Builder[[]snapshot.Endpoint]{}
	}
	e.stores, e.snapshot = s, next
	for name, c := range known.Diff(next.Clusters) {
		switch {
		case c.Old == nil:
			e.renew(c.New)
		case c.New == nil:
			e.set.Put(name, nil)
		}
	}
}

// refresh sets the endpoints of the clusters of a Service, after an event from s.
func (e *endpoints) refresh(s *stores, service types.NamespacedName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stores != s {
		return
	}
	for _, c := range translate.ClustersOf(e.snapshot, service.Namespace, service.Name) {
		e.renew(c)
	}
}

// renew sets the endpoints of a cluster.
func (e *endpoints) renew(c *snapshot.Cluster) {
	if c.Host != "" {
		return // external: the data plane resolves it
	}
	service := types.NamespacedName{Namespace: c.Origin.Namespace, Name: c.Origin.Name}
	list := translate.Endpoints(c, get[*corev1.Service](e.stores, service), e.stores.slices(service))
	e.gateway.SetEndpoints(c.Name, list)
	if len(list) > 0 {
		e.set.Put(c.Name, &list)
	} else {
		e.set.Put(c.Name, nil)
	}
	e.metrics.endpoints.Inc()
	e.changed()
}
