package main

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// endpoints brings endpoints from EndpointSlices to clusters.
type endpoints struct {
	set      func(cluster string, list []snapshot.Endpoint)
	clusters *radix.Tree[snapshot.Cluster] // that were followed last
	services map[types.NamespacedName]*corev1.Service
	slices   map[types.NamespacedName]*discoveryv1.EndpointSlice
	// of are the slices of each Service.
	of map[types.NamespacedName][]*discoveryv1.EndpointSlice
}

func newEndpoints(set func(cluster string, list []snapshot.Endpoint)) endpoints {
	return endpoints{
		set:      set,
		services: map[types.NamespacedName]*corev1.Service{},
		slices:   map[types.NamespacedName]*discoveryv1.EndpointSlice{},
		of:       map[types.NamespacedName][]*discoveryv1.EndpointSlice{},
	}
}

// follow sets the endpoints of the clusters of a snapshot that the one before did not have so, or whose Service or slices
// have changed.
func (e *endpoints) follow(next *snapshot.Snapshot, changes file.Changes) {
	due := map[string]*snapshot.Cluster{}
	for service := range e.take(changes) {
		maps.Insert(due, translate.ClustersOf(next, service.Namespace, service.Name))
	}
	for name, c := range e.clusters.Diff(next.Clusters) {
		if c.New != nil {
			due[name] = c.New
		}
	}
	e.clusters = next.Clusters
	for _, c := range due {
		e.renew(c)
	}
}

// take takes over what has changed and returns the Services that it concerns.
func (e *endpoints) take(changes file.Changes) map[types.NamespacedName]struct{} {
	concerned := map[types.NamespacedName]struct{}{}
	for name, s := range changes.Services {
		put(e.services, name, s)
		concerned[name] = struct{}{}
	}
	for name, now := range changes.Slices {
		if old := e.slices[name]; old != nil {
			service := serviceOf(old)
			e.of[service] = slices.DeleteFunc(e.of[service], func(s *discoveryv1.EndpointSlice) bool { return s == old })
			concerned[service] = struct{}{}
		}
		if now != nil {
			service := serviceOf(now)
			e.of[service] = append(e.of[service], now)
			concerned[service] = struct{}{}
		}
		put(e.slices, name, now)
	}
	for service := range concerned {
		if len(e.of[service]) == 0 {
			delete(e.of, service)
		}
	}
	return concerned
}

// put keeps an object by its name; nil takes it away.
func put[T any](all map[types.NamespacedName]*T, name types.NamespacedName, object *T) {
	if object == nil {
		delete(all, name)
	} else {
		all[name] = object
	}
}

// renew sets the endpoints of a cluster.
func (e *endpoints) renew(c *snapshot.Cluster) {
	if c.Host != "" {
		return // the data plane resolves it
	}
	service := types.NamespacedName{Namespace: c.Origin.Namespace, Name: c.Origin.Name}
	e.set(c.Name, translate.Endpoints(c, e.services[service], e.of[service]))
}

// serviceOf returns the Service that an EndpointSlice belongs to; without a name if to none.
func serviceOf(s *discoveryv1.EndpointSlice) types.NamespacedName {
	return types.NamespacedName{Namespace: s.Namespace, Name: s.Labels[discoveryv1.LabelServiceName]}
}
