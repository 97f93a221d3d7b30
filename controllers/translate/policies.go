package translate

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/yield"
)

// policy is one RateLimitPolicy and what became of it.
type policy struct {
	object *v1alpha1.RateLimitPolicy
	// place is that of the object.
	place   string
	targets []target
	meaning meaning
}

// target is what a policy holds for: a route, or one of its rules.
type target struct {
	route types.NamespacedName
	rule  v1alpha1.RuleName
}

// covers reports whether what holds for the target holds for a rule of its route.
func (t target) covers(rule v1alpha1.RuleName) bool { return t.rule == "" || t.rule == rule }

func comparePolicies(a, b *policy) int { return strings.Compare(a.place, b.place) }

// policySet is the policies and their statuses.
type policySet struct {
	*environment
	routes  tracker[*v1alpha1.GatewayRoute]
	objects tracker[*v1alpha1.RateLimitPolicy]
	byName  map[types.NamespacedName]*policy
	users   dependents[types.NamespacedName, *policy]
	reports *reports
	// outdate is told the routes for which something else holds now.
	outdate  func(route types.NamespacedName)
	unjudged map[*policy]struct{}
}

func newPolicySet(e *environment, routes *gatewayRoutes, reports *reports) *policySet {
	return &policySet{
		environment: e,
		routes:      routes.objects,
		objects:     tracker[*v1alpha1.RateLimitPolicy]{},
		byName:      map[types.NamespacedName]*policy{},
		users:       dependents[types.NamespacedName, *policy]{},
		reports:     reports,
		outdate:     routes.outdate,
		unjudged:    map[*policy]struct{}{},
	}
}

// on returns the policies on a route or its rules, the oldest first.
func (s *policySet) on(route types.NamespacedName) []*policy {
	return slices.SortedFunc(maps.Keys(s.users[route]), comparePolicies)
}

// touch marks the policies on a route.
func (s *policySet) touch(route types.NamespacedName) {
	for p := range s.users[route] {
		s.unjudged[p] = struct{}{}
	}
}

// put takes the present form of a policy, nil for none.
func (s *policySet) put(name types.NamespacedName, object *v1alpha1.RateLimitPolicy) {
	if !s.objects.put(name, object) {
		return
	}
	p := s.byName[name]
	if p != nil && object != nil && sameObject(p.object, object) {
		if sameSpec(p.object, object, &p.object.Spec, &object.Spec) {
			p.object = object
			return
		}
		s.withdraw(p)
		p.object = object
		s.enter(p)
		return
	}
	if p != nil {
		s.remove(name, p)
	}
	if object != nil {
		s.add(name, object)
	}
}

func (s *policySet) add(name types.NamespacedName, object *v1alpha1.RateLimitPolicy) {
	p := &policy{object: object, place: placeOf(object)}
	s.byName[name] = p
	s.enter(p)
}

func (s *policySet) remove(name types.NamespacedName, p *policy) {
	s.withdraw(p)
	s.reports.drop(v1alpha1.KindRateLimitPolicy, name)
	delete(s.byName, name)
	delete(s.unjudged, p)
}

// enter has a policy hold for its targets.
func (s *policySet) enter(p *policy) {
	p.targets, p.meaning = targetsOf(p.object), s.mean(p.object)
	s.unjudged[p] = struct{}{}
	for _, t := range p.targets {
		s.users.add(t.route, p)
		s.outdate(t.route)
	}
}

func (s *policySet) withdraw(p *policy) {
	for _, t := range p.targets {
		s.users.remove(t.route, p)
		s.outdate(t.route)
	}
}

// targetsOf returns the targets of a policy that can be, each once.
func targetsOf(p *v1alpha1.RateLimitPolicy) []target {
	var out []target
	for _, ref := range p.Spec.TargetRefs {
		if t := targetOf(p, ref); supported(ref) && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// supported reports whether this version knows policies for a target's kind.
func supported(ref v1alpha1.TargetRef) bool {
	return ref.Group == v1alpha1.GroupVersion.Group && ref.Kind == v1alpha1.KindGatewayRoute
}

func targetOf(p metav1.Object, ref v1alpha1.TargetRef) target {
	return target{route: types.NamespacedName{Namespace: p.GetNamespace(), Name: ref.Name}, rule: ref.SectionName}
}

// settle brings statuses up to date.
func (s *policySet) settle() {
	var turns yield.Turns
	for p := range taken(&s.unjudged) {
		turns.Next()
		s.judge(p)
	}
}

// judge says in a status what became of a policy.
func (s *policySet) judge(p *policy) {
	if s.speaksFor(p) {
		s.reports.keep(s.report(p))
	} else {
		s.reports.drop(v1alpha1.KindRateLimitPolicy, nameOf(p.object))
	}
}

// speaksFor reports whether this installation writes the policy's status: the one that serves the first of its targets
// that exists does, and where none exists any, as all would write the same.
func (s *policySet) speaksFor(p *policy) bool {
	for _, t := range p.targets {
		if r, ok := s.routes[t.route]; ok {
			return r.Spec.ClassName == s.options.ClassName
		}
	}
	return true
}

func (s *policySet) report(p *policy) *Status {
	generation := p.object.Generation
	out := &Status{Ref: refOf(v1alpha1.KindRateLimitPolicy, p.object)}
	all, holds := slices.Clone(p.meaning.problems), false
	for _, ref := range p.object.Spec.TargetRefs {
		problems := s.problems(p, ref)
		all = append(all, problems...)
		holds = holds || len(problems) == 0
		problems = slices.Concat(p.meaning.problems, problems)
		out.Targets = append(out.Targets, v1alpha1.PolicyTargetStatus{
			TargetRef:  ref,
			Conditions: []metav1.Condition{status.Accepted(generation, problems...), enforced(generation, len(problems) == 0)},
		})
	}
	out.Conditions = []metav1.Condition{
		status.Accepted(generation, all...), enforced(generation, holds && len(p.meaning.problems) == 0), status.NotReported(generation),
	}
	return out
}

// enforced leaves it to whoever applies the snapshot to say that a policy is enforced, unless there is nothing of it there.
func enforced(generation int64, holds bool) metav1.Condition {
	if !holds {
		return status.NotProgrammed(generation, "The limits are not enforced; Accepted says why.")
	}
	return status.ProgrammingPending(generation)
}

// problems returns what keeps a policy from holding for one of its targets: nothing, or one thing.
func (s *policySet) problems(p *policy, ref v1alpha1.TargetRef) []status.Problem {
	t := targetOf(p.object, ref)
	route, exists := s.routes[t.route]
	switch {
	case !supported(ref):
		return []status.Problem{unsupportedTarget(ref)}
	case !exists:
		return []status.Problem{routeNotFound(t.route)}
	case route.Spec.ClassName != s.options.ClassName:
		return []status.Problem{routeNotServed(t.route, route.Spec.ClassName)}
	case t.rule != "" && !hasRule(route, t.rule):
		return []status.Problem{ruleNotFound(t.route, t.rule)}
	}
	return nil
}

func hasRule(r *v1alpha1.GatewayRoute, name v1alpha1.RuleName) bool {
	return slices.ContainsFunc(r.Spec.Rules, func(rule v1alpha1.Rule) bool { return rule.Name == name })
}
