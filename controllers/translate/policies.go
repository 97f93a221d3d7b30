package translate

import (
	"fmt"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
)

// policy is one RateLimitPolicy and what became of it.
type policy struct {
	object  *v1alpha1.RateLimitPolicy
	targets []target
	// status is nil where another installation speaks for the policy.
	status *Status
}

// target is what a policy holds for: a route, or one of its rules.
type target struct {
	route types.NamespacedName
	rule  v1alpha1.RuleName
}

// String names the target as messages do.
func (t target) String() string {
	if t.rule == "" {
		return fmt.Sprintf("GatewayRoute %s", t.route)
	}
	return fmt.Sprintf("rule %s of GatewayRoute %s", t.rule, t.route)
}

func comparePolicies(a, b *policy) int { return compareObjects(a.object, b.object) }

// policySet is the policies and their statuses. Policies on the same target contest it.
type policySet struct {
	class   string
	routes  *tracker[*v1alpha1.GatewayRoute]
	objects *tracker[*v1alpha1.RateLimitPolicy]
	byName  map[types.NamespacedName]*policy
	claims  *contests[target, *policy]
	users   dependents[types.NamespacedName, *policy]

	ordered, added, removed []*policy
	unjudged                map[*policy]struct{}
	reported                bool
}

func newPolicySet(class string, routes *tracker[*v1alpha1.GatewayRoute]) *policySet {
	return &policySet{
		class:    class,
		routes:   routes,
		objects:  newTracker[*v1alpha1.RateLimitPolicy](),
		byName:   map[types.NamespacedName]*policy{},
		claims:   newContests[target](comparePolicies),
		users:    dependents[types.NamespacedName, *policy]{},
		unjudged: map[*policy]struct{}{},
	}
}

// touch marks the policies on a route.
func (s *policySet) touch(route types.NamespacedName) {
	for p := range s.users[route] {
		s.unjudged[p] = struct{}{}
	}
}

// update takes the present policies.
func (s *policySet) update(objects []*v1alpha1.RateLimitPolicy) {
	for _, c := range s.objects.update(objects) {
		s.apply(c)
	}
}

func (s *policySet) apply(c change[*v1alpha1.RateLimitPolicy]) {
	p := s.byName[c.name]
	if p != nil && c.new != nil && sameObject(p.object, c.new) {
		if sameSpec(p.object, c.new, &p.object.Spec, &c.new.Spec) {
			p.object = c.new
			return
		}
		s.withdraw(p)
		p.object = c.new
		s.enter(p)
		return
	}
	if p != nil {
		s.remove(c.name, p)
	}
	if c.new != nil {
		s.add(c.name, c.new)
	}
}

func (s *policySet) add(name types.NamespacedName, object *v1alpha1.RateLimitPolicy) {
	p := &policy{object: object}
	s.byName[name] = p
	s.added = append(s.added, p)
	s.enter(p)
}

func (s *policySet) remove(name types.NamespacedName, p *policy) {
	s.withdraw(p)
	delete(s.byName, name)
	delete(s.unjudged, p)
	s.removed = append(s.removed, p)
	s.reported = true
}

// enter has a policy claim its targets.
func (s *policySet) enter(p *policy) {
	p.targets = targetsOf(p.object)
	s.unjudged[p] = struct{}{}
	for _, t := range p.targets {
		s.users.add(t.route, p)
		s.claims.enter(t, p)
	}
}

func (s *policySet) withdraw(p *policy) {
	for _, t := range p.targets {
		s.users.remove(t.route, p)
		s.claims.withdraw(t, p)
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

// settle decides who holds which target and brings order and statuses up to date.
func (s *policySet) settle() {
	s.claims.settle(func(p *policy) { s.unjudged[p] = struct{}{} })
	for p := range s.unjudged {
		s.judge(p)
	}
	clear(s.unjudged)
	if len(s.added)+len(s.removed) > 0 {
		s.ordered = splice(s.ordered, s.removed, s.added, comparePolicies)
		s.added, s.removed = nil, nil
	}
}

// judge says in a status what became of a policy.
func (s *policySet) judge(p *policy) {
	var fresh *Status
	if s.speaksFor(p) {
		fresh = s.report(p)
	}
	if !reflect.DeepEqual(p.status, fresh) {
		p.status, s.reported = fresh, true
	}
}

// speaksFor reports whether this installation writes the policy's status: the one that serves the first of its targets
// that exists does, and where none exists any, as all would write the same.
func (s *policySet) speaksFor(p *policy) bool {
	for _, t := range p.targets {
		if r, ok := s.routes.byName[t.route]; ok {
			return r.Spec.ClassName == s.class
		}
	}
	return true
}

func (s *policySet) report(p *policy) *Status {
	generation := p.object.Generation
	out := &Status{Ref: refOf(v1alpha1.KindRateLimitPolicy, p.object)}
	var all []status.Problem
	for _, ref := range p.object.Spec.TargetRefs {
		problems := s.problems(p, ref)
		all = append(all, problems...)
		out.Targets = append(out.Targets, v1alpha1.PolicyTargetStatus{
			TargetRef:  ref,
			Conditions: []metav1.Condition{status.Accepted(generation, problems...), status.NotEnforced(generation)},
		})
	}
	out.Conditions = []metav1.Condition{
		status.Accepted(generation, all...), status.NotEnforced(generation), status.NotReported(generation),
	}
	return out
}

// problems returns what keeps a policy from holding for one of its targets: nothing, or one thing.
func (s *policySet) problems(p *policy, ref v1alpha1.TargetRef) []status.Problem {
	t := targetOf(p.object, ref)
	route, exists := s.routes.byName[t.route]
	switch {
	case !supported(ref):
		return []status.Problem{unsupportedTarget(ref)}
	case !exists:
		return []status.Problem{routeNotFound(t.route)}
	case route.Spec.ClassName != s.class:
		return []status.Problem{routeNotServed(t.route, route.Spec.ClassName)}
	case t.rule != "" && !hasRule(route, t.rule):
		return []status.Problem{ruleNotFound(t.route, t.rule)}
	}
	if holder := s.claims.holder(t); holder != p {
		return []status.Problem{conflicted(nameOf(holder.object), t)}
	}
	return nil
}

func hasRule(r *v1alpha1.GatewayRoute, name v1alpha1.RuleName) bool {
	return slices.ContainsFunc(r.Spec.Rules, func(rule v1alpha1.Rule) bool { return rule.Name == name })
}

// appendStatuses appends the statuses of the policies in order of precedence.
func (s *policySet) appendStatuses(out []*Status) []*Status {
	for _, p := range s.ordered {
		if p.status != nil {
			out = append(out, p.status)
		}
	}
	return out
}
