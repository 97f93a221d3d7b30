package translate

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/proxy/yield"
)

// subject is an object of one of the front ends, which all come to the same: translations, and claims to hosts. What there
// is to tell apart is here.
type subject interface {
	metav1.Object
	kind() string
	// place is that of the object.
	place() string
	// idPrefix is what the IDs of its rules start with, before the name of the rule.
	idPrefix() string
	// meansWhat reports whether it means what an earlier form of the same object did.
	meansWhat(earlier subject) bool
	// translate says what it means.
	translate(*environment) translation
	// matchField is the path of a match below that of its rule.
	matchField(rule, match int) string
	// tlsField is the path of a wish for TLS.
	tlsField(claim int) string
	// oneLabel says that wildcards stand for one label.
	oneLabel() bool
}

// route is one object that is served and what became of it. It lives as long as the object does.
type route struct {
	// object may be replaced by a later form of the same object.
	object subject
	// place is that of the object.
	place string
	translation
	shapes []shape
}

// roster is the objects of one front end that are served, by name.
type roster map[types.NamespacedName]*route

// routeSet is the objects that are served, whatever their front end, their translations and what these share.
type routeSet struct {
	*environment
	rules    radix.Builder[snapshot.Route]
	clusters *clusterSet
	claims   *contests[claimKey, claim]
	tls      *tlsSet
	// values are those that routes and their policies of TLS need.
	values  *valueSet
	users   dependents[dependency, *route]
	reports *reports
	// outdated have to be translated, unjudged to get a status, before the set is settled.
	outdated, unjudged map[*route]struct{}
}

func newRouteSet(e *environment, values *valueSet, reports *reports) *routeSet {
	claims := newContests[claimKey](compareClaims)
	claims.partial = oneLabelOf
	return &routeSet{
		environment: e,
		clusters:    newClusterSet(),
		claims:      claims,
		tls:         newTLSSet(e.options, values),
		values:      values,
		users:       dependents[dependency, *route]{},
		reports:     reports,
		outdated:    map[*route]struct{}{},
		unjudged:    map[*route]struct{}{},
	}
}

// put takes the present form of an object of a front end; nil if there is none, or none that is served.
func (s *routeSet) put(in roster, name types.NamespacedName, object subject) {
	r := in[name]
	if r != nil && object != nil && sameObject(r.object, object) {
		if !object.meansWhat(r.object) {
			s.outdated[r] = struct{}{}
		}
		r.object = object
		return
	}
	if r != nil {
		s.remove(r)
		delete(in, name)
	}
	if object != nil {
		r = &route{object: object, place: object.place()}
		in[name] = r
		s.outdated[r] = struct{}{}
	}
}

func (s *routeSet) remove(r *route) {
	s.unlink(r)
	s.withdraw(r)
	s.tls.withdraw(r, r.tls)
	s.replace(r, translation{})
	s.reports.drop(r.object.kind(), nameOf(r.object))
	delete(s.outdated, r)
}

// touch marks the routes that looked at what d names.
func (s *routeSet) touch(d dependency) {
	for r := range s.users[d] {
		s.touchRoute(r)
	}
}

func (s *routeSet) touchRoute(r *route) { s.outdated[r] = struct{}{} }

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
	s.values.settle()
	for r := range taken(&s.unjudged) {
		turns.Next()
		s.judge(r)
	}
}

// renew translates a route again and puts the new translation in the place of the old one.
func (s *routeSet) renew(r *route) {
	fresh := r.object.translate(s.environment)
	keepEqual(fresh.rules, r.rules)
	s.unlink(r)
	before := r.tls
	s.replace(r, fresh)
	s.link(r)
	s.tls.renew(r, before)
	if now := shapesOf(r); !slices.EqualFunc(now, r.shapes, shape.equal) {
		s.withdraw(r)
		r.shapes = now
		s.enter(r)
	}
	s.unjudged[r] = struct{}{}
}

// replace lists the rules, clusters and secrets of a new translation of a route instead of those of the old one.
func (s *routeSet) replace(r *route, fresh translation) {
	s.clusters.retain(fresh.clusters)
	s.clusters.release(r.clusters)
	s.values.retain(fresh.refs)
	s.values.release(r.refs)
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

// listed yields the rules of a route and their keys in the snapshot.
func (r *route) listed() iter.Seq2[string, *snapshot.Route] {
	return func(yield func(string, *snapshot.Route) bool) {
		for i, rule := range r.rules {
			if !yield(r.ranks[i].before()+r.place+ordinal(i), rule) {
				return
			}
		}
	}
}

// ordinal is an index as a text to compare. Only an Ingress has thousands of rules.
func ordinal(i int) string {
	if i < 10_000 {
		return fmt.Sprintf("%04d", i)
	}
	return fmt.Sprintf("~%09d", i)
}

// rank says which of equal matches is tried first, before age does. The zero value is that of nearly all rules.
type rank int

const (
	_ rank = iota
	// widened rules have a match that could not be built: they take nothing from an equal one.
	widened
	// last rules are for requests that nothing else matches.
	last
)

// before is what keys of rules of a rank start with. Places start with a digit.
func (r rank) before() string { return [...]string{"", "widened ", "without match "}[r] }

// has reports whether a rule is of rank k.
func (t *translation) has(k rank) bool {
	return slices.Contains(slices.Collect(maps.Values(t.ranks)), k)
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
	for _, id := range r.fetched {
		s.fetches.users.add(id, r)
	}
	s.secrets.link(r, r.secrets)
	s.configMaps.link(r, r.configMaps)
}

func (s *routeSet) unlink(r *route) {
	for _, d := range r.dependencies {
		s.users.remove(d, r)
	}
	for _, id := range r.fetched {
		s.fetches.users.remove(id, r)
	}
	s.secrets.unlink(r, r.secrets)
	s.configMaps.unlink(r, r.configMaps)
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
	generation := r.object.GetGeneration()
	fresh := &Status{
		Ref: refOf(r.object.kind(), r.object),
		Conditions: []metav1.Condition{
			status.Accepted(generation, slices.Concat(r.accepted, s.tls.conflicts(r), s.shadows(r))...),
			status.ResolvedRefs(generation, slices.Concat(r.resolved, r.failing, r.remarks)...),
			r.programmed(),
			status.NotReported(generation),
		},
		Policies: r.attached,
	}
	s.reports.keep(fresh)
}

// programmed leaves it to whoever applies the snapshot to say that a route is served, unless there is nothing of it there.
func (r *route) programmed() metav1.Condition {
	if len(r.rules) == 0 {
		return status.NotProgrammed(r.object.GetGeneration(), "Nothing of the route is served.")
	}
	return status.ProgrammingPending(r.object.GetGeneration())
}

func refOf(kind string, o metav1.Object) status.Ref {
	return status.Ref{
		Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID(), Generation: o.GetGeneration(),
	}
}
