package controllers

import (
	"maps"
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/replicas"
)

// progress knows up to which resourceVersion events have been taken notice of, for those kinds whose changes are awaited on all
// replicas. A watch tells the same events to all of them, so that what one has seen the others will see. It is safe for concurrent use.
type progress struct {
	// namespaces are those that are watched; none: all. Each has watches of its own, which are not equally far.
	namespaces []string

	mu sync.Mutex
	at replicas.Positions // a new one with each change
}

// place is what positions call a kind, as far as one watch tells of it.
func (p *progress) place(kind, namespace string) string {
	if len(p.namespaces) == 0 {
		return kind
	}
	return kind + "/" + namespace
}

// note says that an object's change is among what the next translation looks at.
func (p *progress) note(kind string, name types.NamespacedName, resourceVersion string) {
	of := p.place(kind, name.Namespace)
	p.mu.Lock()
	defer p.mu.Unlock()
	if replicas.Earlier(p.at[of], resourceVersion) {
		p.at = p.at.With(replicas.Positions{of: resourceVersion})
	}
}

// now is what a translation takes into account that looks at everything noted, if it is asked for before.
func (p *progress) now() replicas.Positions {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// held is what a translation takes into account that looks at every object in the stores, if it is asked for before.
func (p *progress) held(routes, grants *stores) replicas.Positions {
	out := replicas.Positions{}
	p.hold(out, v1alpha1.KindGatewayRoute, routes, reflect.TypeFor[*v1alpha1.GatewayRoute]())
	p.hold(out, v1alpha1.KindRateLimitPolicy, routes, reflect.TypeFor[*v1alpha1.RateLimitPolicy]())
	if grants != nil {
		p.hold(out, kindGrant, grants, reflect.TypeFor[*gatewayv1beta1.ReferenceGrant]())
	}
	return out
}

// hold says how far the stores of a kind are; of several, the one that is the least.
func (p *progress) hold(out replicas.Positions, kind string, s *stores, t reflect.Type) {
	var least string
	for i, informer := range s.of(t) {
		if at := informer.GetStore().LastStoreSyncResourceVersion(); i == 0 || replicas.Earlier(at, least) {
			least = at
		}
	}
	if least == "" {
		return
	}
	if len(p.namespaces) == 0 {
		out[kind] = least
		return
	}
	for _, n := range p.namespaces {
		out[p.place(kind, n)] = least
	}
}

// furthest is the later of two positions in each of their places.
func furthest(a, b replicas.Positions) replicas.Positions {
	out := replicas.Positions{}
	maps.Copy(out, a)
	for of, at := range b {
		if replicas.Earlier(out[of], at) {
			out[of] = at
		}
	}
	return out
}

// noteChange notes an object of a kind that is awaited.
func (s *session) noteChange(kind string, o client.Object) {
	name := client.ObjectKeyFromObject(o)
	s.pending.add(kind, name)
	s.progress.note(kind, name, o.GetResourceVersion()) // behind the other: what is noted must be pending
}
