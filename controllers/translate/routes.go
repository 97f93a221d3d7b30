package translate

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/proxy/yield"
)

// route is one GatewayRoute of the class and what became of it. It lives as long as the object does.
type route struct {
	// object may be replaced by a later form of the same object.
	object *v1alpha1.GatewayRoute
	// place is that of the object.
	place string
	translation
	shape shape
}

// routeSet is the routes of the class, their translations and what these share.
type routeSet struct {
	*environment
	// objects are the GatewayRoutes of every class.
	objects  tracker[*v1alpha1.GatewayRoute]
	byName   map[types.NamespacedName]*route
	rules    radix.Builder[snapshot.Route]
	clusters *clusterSet
	claims   *contests[claimKey, claim]
	tls      *tlsSet
	users    dependents[dependency, *route]
	// policies returns those on a route or its rules, the oldest first.
	policies func(route types.NamespacedName) []*policy
	reports  *reports
	// outdated have to be translated, unjudged to get a status, before the set is settled.
	outdated, unjudged map[*route]struct{}
}

func newRouteSet(e *environment, reports *reports) *routeSet {
	return &routeSet{
		environment: e,
		objects:     tracker[*v1alpha1.GatewayRoute]{},
		byName:      map[types.NamespacedName]*route{},
		clusters:    newClusterSet(),
		claims:      newContests[claimKey](compareClaims),
		tls:         newTLSSet(e.options, e.secrets),
		users:       dependents[dependency, *route]{},
		reports:     reports,
		outdated:    map[*route]struct{}{},
		unjudged:    map[*route]struct{}{},
	}
}

// put takes the present form of a GatewayRoute, nil for none. It reports whether that is another one than before.
func (s *routeSet) put(name types.NamespacedName, object *v1alpha1.GatewayRoute) bool {
	if !s.objects.put(name, object) {
		return false
	}
	r := s.byName[name]
	serves := object != nil && object.Spec.ClassName == s.options.ClassName
	if r != nil && serves && sameObject(r.object, object) {
		if !sameSpec(r.object, object, &r.object.Spec, &object.Spec) {
			s.outdated[r] = struct{}{}
		}
		r.object = object
		return true
	}
	if r != nil {
		s.remove(name, r)
	}
	if serves {
		s.add(name, object)
	}
	return true
}

func (s *routeSet) add(name types.NamespacedName, object *v1alpha1.GatewayRoute) {
	r := &route{object: object, place: placeOf(object)}
	s.byName[name] = r
	s.outdated[r] = struct{}{}
}

func (s *routeSet) remove(name types.NamespacedName, r *route) {
	s.unlink(r)
	s.withdraw(r)
	s.tls.withdraw(r, r.tls)
	s.replace(r, translation{})
	s.reports.drop(v1alpha1.KindGatewayRoute, name)
	delete(s.byName, name)
	delete(s.outdated, r)
}

// touch marks the routes that looked at what d names.
func (s *routeSet) touch(d dependency) {
	for r := range s.users[d] {
		s.outdated[r] = struct{}{}
	}
}

// outdate marks a route.
func (s *routeSet) outdate(name types.NamespacedName) {
	if r, ok := s.byName[name]; ok {
		s.outdated[r] = struct{}{}
	}
}

// touchSecret marks the routes that looked at a Secret.
func (s *routeSet) touchSecret(name types.NamespacedName) {
	for r := range s.secrets.users[name] {
		s.outdated[r] = struct{}{}
	}
}

// settle translates what is outdated, decides who shadows whom and brings statuses up to date.
func (s *routeSet) settle() {
	var turns yield.Turns
	for r := range taken(&s.outdated) {
		turns.Next()
		s.renew(r)
	}
	s.clusters.settle()
	s.claims.settle(func(c claim) { s.unjudged[c.route] = struct{}{} })
	s.tls.settle(func(r *route) { s.unjudged[r] = struct{}{} })
	s.secrets.settle()
	for r := range taken(&s.unjudged) {
		turns.Next()
		s.judge(r)
	}
}

// renew translates a route again and puts the new translation in the place of the old one.
func (s *routeSet) renew(r *route) {
	fresh := s.translate(r.object, s.policies(nameOf(r.object)))
	keepEqual(fresh.rules, r.rules)
	s.unlink(r)
	before := r.tls
	s.replace(r, fresh)
	s.link(r)
	s.tls.renew(r, before)
	if now := shapeOf(r); !now.equal(r.shape) {
		s.withdraw(r)
		r.shape = now
		s.enter(r)
	}
	s.unjudged[r] = struct{}{}
}

// replace lists the rules, clusters and secrets of a new translation of a route instead of those of the old one.
func (s *routeSet) replace(r *route, fresh translation) {
	s.clusters.retain(fresh.clusters)
	s.clusters.release(r.clusters)
	s.secrets.retain(fresh.refs)
	s.secrets.release(r.refs)
	stale := maps.Collect(r.listed())
	r.translation = fresh
	for key, rule := range r.listed() {
		s.rules.Put(key, rule)
		delete(stale, key)
	}
	for key := range stale {
		s.rules.Put(key, nil)
	}
}

// listed yields the rules of a route and their keys in the snapshot. Rules with a widened match come last, so that among
// equal matches they are the last to be tried.
func (r *route) listed() iter.Seq2[string, *snapshot.Route] {
	return func(yield func(string, *snapshot.Route) bool) {
		for i, rule := range r.rules {
			key := r.place + fmt.Sprintf("%04d", i)
			if slices.Contains(r.widened, i) {
				key = "widened " + key
			}
			if !yield(key, rule) {
				return
			}
		}
	}
}

// keepEqual replaces each rule by the old one in its place if they are equal.
func keepEqual(fresh, old []*snapshot.Route) {
	for i := range min(len(fresh), len(old)) {
		if fresh[i].Digest() == old[i].Digest() {
			fresh[i] = old[i]
		}
	}
}

func (s *routeSet) link(r *route) {
	for _, d := range r.dependencies {
		s.users.add(d, r)
	}
	s.secrets.link(r)
}

func (s *routeSet) unlink(r *route) {
	for _, d := range r.dependencies {
		s.users.remove(d, r)
	}
	s.secrets.unlink(r)
}

func (s *routeSet) enter(r *route) {
	for key, c := range r.claims() {
		s.claims.enter(key, c)
	}
}

func (s *routeSet) withdraw(r *route) {
	for key, c := range r.claims() {
		s.claims.withdraw(key, c)
	}
}

// judge says in a status what became of a route.
func (s *routeSet) judge(r *route) {
	o := r.object
	fresh := &Status{
		Ref: refOf(v1alpha1.KindGatewayRoute, o),
		Conditions: []metav1.Condition{
			status.Accepted(o.Generation, slices.Concat(r.accepted, s.tls.conflicts(r), s.shadows(r))...),
			status.ResolvedRefs(o.Generation, slices.Concat(r.resolved, r.remarks)...),
			r.programmed(),
			status.NotReported(o.Generation),
		},
		Policies: r.attached,
	}
	s.reports.keep(fresh)
}

// programmed leaves it to whoever applies the snapshot to say that a route is served, unless there is nothing of it there.
func (r *route) programmed() metav1.Condition {
	if len(r.rules) == 0 {
		return status.NotProgrammed(r.object.Generation, "Nothing of the route is served.")
	}
	return status.ProgrammingPending(r.object.Generation)
}

func refOf(kind string, o metav1.Object) status.Ref {
	return status.Ref{
		Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID(), Generation: o.GetGeneration(),
	}
}
