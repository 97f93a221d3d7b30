package controllers

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/replicas"
	"github.com/penstock/penstock/controllers/translate"
)

// progress knows up to which resourceVersion events have been taken notice of, for those kinds whose changes are awaited on all
// replicas. A watch tells the same events to all of them, so that what one has seen the others will see. It is safe for concurrent use.
type progress struct {
	// namespaces are those that are watched; none: all. Each has watches of its own, which are not equally far.
	namespaces []string

	mu sync.Mutex
	at replicas.Positions // a new one with each change
	// stirred says that something of it changes what is served and has not been taken up; busy that what was taken up is not served yet.
	stirred, busy bool
	began         time.Time // of what is busy
}

// place is what positions call a kind, as far as one watch tells of it.
func (p *progress) place(kind, namespace string) string {
	if len(p.namespaces) == 0 {
		return kind
	}
	return kind + "/" + namespace
}

// watches reports whether a replica with these options takes notice of what happens in a place. Others may watch more, while a change of
// the options is rolled out.
func (o *Options) watches(place string) bool {
	kind, namespace, one := strings.Cut(place, "/")
	switch {
	case one != (len(o.Translate.Namespaces) > 0), namespace != "" && !slices.Contains(o.Translate.Namespaces, namespace):
		return false
	case kind == translate.KindIngress, kind == kindIngressClass:
		return o.Ingress
	case kind == kindNamespace:
		return o.Translate.SelectsNamespaces()
	}
	return true
}

// note says that an object's change is among what the next translation looks at. Unless it stirs, what is served is the same without it.
func (p *progress) note(kind string, name types.NamespacedName, resourceVersion string, stirs bool) {
	of := p.place(kind, name.Namespace)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stirred = p.stirred || stirs
	if replicas.Earlier(p.at[of], resourceVersion) {
		p.at = p.at.With(replicas.Positions{of: resourceVersion})
	}
}

// now is what was noted.
func (p *progress) now() replicas.Positions {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// take begins a translation, of everything noted until now. It reports whether something of it stirs.
func (p *progress) take() (at replicas.Positions, stirred bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stirred = p.stirred
	p.stirred, p.busy, p.began = false, true, time.Now()
	return p.at, stirred
}

// busyFor is how long what was taken has not been served by now; 0 if all of it is.
func (p *progress) busyFor() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.busy {
		return 0
	}
	return time.Since(p.began)
}

// settle says that what was taken is served.
func (p *progress) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
}

// reached is what is served takes into account without another translation, if that can be said.
func (p *progress) reached() (at replicas.Positions, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at, !p.stirred && !p.busy
}

// held is what a translation takes into account that looks at every object in the stores, if it is asked for before.
func (p *progress) held(routes *stores, grants []toolscache.SharedIndexInformer) replicas.Positions {
	out := replicas.Positions{}
	p.hold(out, v1alpha1.KindGatewayRoute, routes.of(reflect.TypeFor[*v1alpha1.GatewayRoute]()))
	p.hold(out, v1alpha1.KindRateLimitPolicy, routes.of(reflect.TypeFor[*v1alpha1.RateLimitPolicy]()))
	p.hold(out, translate.KindIngress, routes.of(reflect.TypeFor[*networkingv1.Ingress]()))
	p.holdGlobal(out, kindNamespace, routes.of(reflect.TypeFor[*corev1.Namespace]()))
	p.holdGlobal(out, kindIngressClass, routes.of(reflect.TypeFor[*networkingv1.IngressClass]()))
	p.hold(out, kindGrant, grants)
	return out
}

// hold says how far the informers of a kind are; of several, the one that is the least.
func (p *progress) hold(out replicas.Positions, kind string, informers []toolscache.SharedIndexInformer) {
	least := farthest(informers)
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

// holdGlobal is hold for a kind that is in no namespace. What was deleted before a replica started shows in its list alone.
func (p *progress) holdGlobal(out replicas.Positions, kind string, informers []toolscache.SharedIndexInformer) {
	if at := farthest(informers); at != "" {
		out[p.place(kind, "")] = at
	}
}

// farthest is how far all informers of a kind are; empty if there are none.
func farthest(informers []toolscache.SharedIndexInformer) (least string) {
	for i, informer := range informers {
		if at := informer.GetStore().LastStoreSyncResourceVersion(); i == 0 || replicas.Earlier(at, least) {
			least = at
		}
	}
	return least
}

// noteChange notes an object of a kind that is awaited.
func (s *session) noteChange(kind string, o client.Object, stirs bool) {
	name := client.ObjectKeyFromObject(o)
	s.pending.add(kind, name)
	s.progress.note(kind, name, o.GetResourceVersion(), stirs) // behind the other: what is noted must be pending
}

// reportReached tells the others of what makes no difference to what is served, as statuses do.
func (c *Controller) reportReached() {
	if s := c.session.Load(); s != nil {
		if at, ok := s.progress.reached(); ok {
			c.reporter.Reach(at)
		}
	}
}
