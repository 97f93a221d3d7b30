package translate

import (
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/snapshot"
)

// route is one GatewayRoute of the class and what became of it. It lives as long as the object does.
type route struct {
	// object may be replaced by a later form of the same object.
	object *v1alpha1.GatewayRoute
	translation
	shape  shape
	status *Status
}

func compareRoutes(a, b *route) int { return compareObjects(a.object, b.object) }

// routeSet is the routes of the class, their translations and what these share.
type routeSet struct {
	*environment
	// objects are the GatewayRoutes of every class.
	objects  *tracker[*v1alpha1.GatewayRoute]
	byName   map[types.NamespacedName]*route
	clusters *clusterSet
	claims   *contests[claimKey, claim]
	tls      *tlsSet
	users    dependents[dependency, *route]
	// ordered is by precedence. added and removed are not in it yet, or still.
	ordered        []*route
	added, removed []*route
	// outdated have to be translated, unjudged to get a status, before the set is settled.
	outdated, unjudged map[*route]struct{}
	// changed says that rules differ from the last time they were asked for, reported that statuses do.
	changed, reported bool
	// listed is never written: snapshots hold it.
	listed []*snapshot.Route
	// count is the number of rules.
	count int
}

func newRouteSet(e *environment) *routeSet {
	return &routeSet{
		environment: e,
		objects:     newTracker[*v1alpha1.GatewayRoute](),
		byName:      map[types.NamespacedName]*route{},
		clusters:    newClusterSet(),
		claims:      newContests[claimKey](compareClaims),
		tls:         newTLSSet(e.options, e.secrets),
		users:       dependents[dependency, *route]{},
		outdated:    map[*route]struct{}{},
		unjudged:    map[*route]struct{}{},
	}
}

// update takes the present routes and returns what has changed since the last time.
func (s *routeSet) update(objects []*v1alpha1.GatewayRoute) []change[*v1alpha1.GatewayRoute] {
	changes := s.objects.update(objects)
	for _, c := range changes {
		s.apply(c)
	}
	return changes
}

func (s *routeSet) apply(c change[*v1alpha1.GatewayRoute]) {
	r := s.byName[c.name]
	serves := c.new != nil && c.new.Spec.ClassName == s.options.ClassName
	if r != nil && serves && sameObject(r.object, c.new) {
		if !sameSpec(r.object, c.new, &r.object.Spec, &c.new.Spec) {
			s.outdated[r] = struct{}{}
		}
		r.object = c.new
		return
	}
	if r != nil {
		s.remove(c.name, r)
	}
	if serves {
		s.add(c.name, c.new)
	}
}

func (s *routeSet) add(name types.NamespacedName, object *v1alpha1.GatewayRoute) {
	r := &route{object: object}
	s.byName[name] = r
	s.added = append(s.added, r)
	s.outdated[r] = struct{}{}
}

func (s *routeSet) remove(name types.NamespacedName, r *route) {
	s.unlink(r)
	s.withdraw(r)
	s.clusters.release(r.clusters)
	s.secrets.release(r.refs)
	s.tls.withdraw(r, r.tls)
	delete(s.byName, name)
	delete(s.outdated, r)
	s.removed = append(s.removed, r)
	s.count -= len(r.rules)
	s.changed, s.reported = true, true
}

// touch marks the routes that looked at what d names.
func (s *routeSet) touch(d dependency) {
	for r := range s.users[d] {
		s.outdated[r] = struct{}{}
	}
}

// touchSecret marks the routes that looked at a Secret.
func (s *routeSet) touchSecret(name types.NamespacedName) {
	for r := range s.secrets.users[name] {
		s.outdated[r] = struct{}{}
	}
}

// settle translates what is outdated, decides who shadows whom and brings order and statuses up to date.
func (s *routeSet) settle() {
	for r := range s.outdated {
		s.renew(r)
	}
	clear(s.outdated)
	s.claims.settle(func(c claim) { s.unjudged[c.route] = struct{}{} })
	s.tls.claims.settle(func(r *route) { s.unjudged[r] = struct{}{} })
	for r := range s.unjudged {
		s.judge(r)
	}
	clear(s.unjudged)
	if len(s.added)+len(s.removed) > 0 {
		s.ordered = splice(s.ordered, s.removed, s.added, compareRoutes)
		s.added, s.removed = nil, nil
	}
}

// renew translates a route again and puts the new translation in the place of the old one.
func (s *routeSet) renew(r *route) {
	fresh := s.translate(r.object)
	keepEqual(fresh.rules, r.rules)
	s.changed = s.changed || !slices.Equal(fresh.rules, r.rules) || !slices.Equal(fresh.widened, r.widened)
	s.clusters.retain(fresh.clusters)
	s.clusters.release(r.clusters)
	s.secrets.retain(fresh.refs)
	s.secrets.release(r.refs)
	s.count += len(fresh.rules) - len(r.rules)
	s.unlink(r)
	before := r.tls
	r.translation = fresh
	s.link(r)
	s.tls.renew(r, before)
	if now := shapeOf(r); !now.equal(r.shape) {
		s.withdraw(r)
		r.shape = now
		s.enter(r)
	}
	s.unjudged[r] = struct{}{}
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
			status.ProgrammingPending(o.Generation),
			status.NotReported(o.Generation),
		},
	}
	if !reflect.DeepEqual(r.status, fresh) {
		r.status, s.reported = fresh, true
	}
}

func refOf(kind string, o metav1.Object) status.Ref {
	return status.Ref{
		Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID(), Generation: o.GetGeneration(),
	}
}

// rules returns the rules of all routes in order of precedence, and whether they differ from those of the last time.
// Rules with a widened match come last, so that among equal matches they are the last to be tried.
func (s *routeSet) rules() ([]*snapshot.Route, bool) {
	if !s.changed {
		return s.listed, false
	}
	out := slices.Grow[[]*snapshot.Route](nil, s.count)
	var last []*snapshot.Route
	for _, r := range s.ordered {
		if len(r.widened) == 0 {
			out = append(out, r.rules...)
			continue
		}
		for i, rule := range r.rules {
			if slices.Contains(r.widened, i) {
				last = append(last, rule)
			} else {
				out = append(out, rule)
			}
		}
	}
	s.listed, s.changed = append(out, last...), false
	return s.listed, true
}

// statuses returns the statuses of all routes in order of precedence.
func (s *routeSet) statuses() []*Status {
	out := slices.Grow[[]*Status](nil, len(s.ordered))
	for _, r := range s.ordered {
		out = append(out, r.status)
	}
	return out
}
