package translate

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/filter/ratelimit"
	"github.com/penstock/penstock/proxy/snapshot"
)

// meaning is what one RateLimitPolicy asks for. It is a function of the policy and of the filters.
type meaning struct {
	// limits are those of each filter, by its name; a filter without limits is left out.
	limits map[string]ratelimit.Policy
	// problems are what keeps the limits from being enforced.
	problems []status.Problem
}

// limitFilters are the filters of limits.
var limitFilters = []string{ratelimit.Name, ratelimit.IdentityName}

// mean says what a policy asks for.
func (e *environment) mean(p *v1alpha1.RateLimitPolicy) meaning {
	out := meaning{limits: map[string]ratelimit.Policy{}}
	for i := range p.Spec.Limits {
		at := field.NewPath("spec", "limits").Index(i)
		limit, problems := e.limit(&p.Spec.Limits[i], at)
		name := ratelimit.Name
		if ratelimit.NeedsIdentity(limit.Key) {
			name = ratelimit.IdentityName
		}
		of, known := out.limits[name]
		if !known {
			of = ratelimit.Policy{Name: nameOf(p).String(), Report: string(p.Spec.Report), LegacyHeaders: p.Spec.LegacyHeaders}
		}
		of.Limits = append(of.Limits, limit)
		if len(problems) == 0 {
			problems = e.checkLimit(name, of, at)
		}
		out.limits[name] = of
		out.problems = append(out.problems, problems...)
	}
	return out
}

// limit translates a limit, and says what keeps it from being built.
func (e *environment) limit(l *v1alpha1.RateLimit, at *field.Path) (ratelimit.Limit, []status.Problem) {
	out := ratelimit.Limit{
		Name: l.Name, Algorithm: string(l.Algorithm), Requests: int64(l.Requests), Burst: int64(l.Burst),
		OnMissingKey: string(l.OnMissingKey), Scope: string(l.Scope), FailureMode: string(l.FailureMode), Mode: string(l.Mode),
	}
	for _, k := range l.Key {
		out.Key = append(out.Key, ratelimit.Source{
			Type: string(k.Type), Name: k.Name, Expression: k.Expression,
			IPv4PrefixLength: int(k.IPv4PrefixLength), IPv6PrefixLength: int(k.IPv6PrefixLength),
		})
	}
	if l.Cost != nil {
		out.Cost = &ratelimit.Cost{Type: string(l.Cost.Type), Value: int64(l.Cost.Value), Name: string(l.Cost.Name)}
	}
	// What a job says of a match is all that is wanted of it.
	j := job{environment: e, rule: "Every target"}
	j.duration(&out.Period, l.Period, at.Child("period"))
	if l.Match != nil {
		match := j.match(l.Match, at.Child("match"))
		out.Match = &match
	}
	for i := range j.accepted {
		j.accepted[i].Reason = v1alpha1.ReasonInvalidPolicy
	}
	return out, j.accepted
}

// checkLimit asks a filter whether it can use the last limit of a policy.
func (e *environment) checkLimit(name string, p ratelimit.Policy, at *field.Path) []status.Problem {
	d, known := e.filters.Lookup(name)
	if !known {
		return []status.Problem{invalidLimit(at, "this version of Penstock does not know limits")}
	}
	p.Limits = p.Limits[len(p.Limits)-1:]
	if _, err := d.Check(mustMarshal(ratelimit.Config{Policies: []ratelimit.Policy{p}})); err != nil {
		return []status.Problem{invalidLimit(at, strings.TrimPrefix(err.Error(), "policies[0].limits[0]."))}
	}
	return nil
}

// limits returns the filters of what policies hold for a rule. It reports whether all of them can be enforced.
func (j *job) limits(rule *v1alpha1.Rule, at *field.Path) (filters []snapshot.Filter, enforceable bool) {
	enforceable = true
	configs := map[string]ratelimit.Config{}
	for _, p := range j.policies {
		if !slices.ContainsFunc(p.targets, func(t target) bool { return t.route == nameOf(j.route) && t.covers(rule.Name) }) {
			continue
		}
		if len(p.meaning.problems) > 0 {
			j.notAccepted(policyInvalid(j.rule, nameOf(p.object)))
			enforceable = false
		}
		for name, limits := range p.meaning.limits {
			c := configs[name]
			c.Policies = append(c.Policies, limits)
			configs[name] = c
		}
	}
	for _, name := range limitFilters {
		if c, ok := configs[name]; ok {
			filters = append(filters, snapshot.Filter{Name: name, Config: mustMarshal(c), Origin: j.origin(at)})
		}
	}
	return filters, enforceable
}

// maxAttached bounds the list in the status of a route, as its schema does.
const maxAttached = 64

// attached lists what holds for a route.
func attached(r *v1alpha1.GatewayRoute, policies []*policy) (out []v1alpha1.AttachedPolicy) {
	for _, p := range policies {
		for _, t := range p.targets {
			if t.route == nameOf(r) && (t.rule == "" || hasRule(r, t.rule)) {
				out = append(out, v1alpha1.AttachedPolicy{Kind: v1alpha1.KindRateLimitPolicy, Name: p.object.Name, SectionName: t.rule})
			}
		}
	}
	return out[:min(len(out), maxAttached)]
}
