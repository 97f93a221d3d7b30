package translate

import (
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/snapshot"
)

// translation is what one object means. It is a function of the object, of the policies on it, of what its dependencies name, and of
// the options.
type translation struct {
	// rules are sealed, one a rule of a GatewayRoute or a path of an Ingress.
	rules []*snapshot.Route
	// ranks are those of rules, by index, that are not of rank 0. At most one is last, and it is the last.
	ranks map[int]rank
	// clusters are those that the rules refer to, each once.
	clusters []*snapshot.Cluster
	// dependencies are what was looked at, found or not.
	dependencies []dependency
	// tls is what the object asks for the connections to its hosts.
	tls []tlsClaim
	// secrets and configMaps are those that were looked at, found or not; refs the values that filters need of them.
	secrets, configMaps []types.NamespacedName
	refs                []snapshot.Ref
	// fetched are the IDs of what filters get by themselves.
	fetched []string
	// attached are the policies that hold for the route.
	attached []v1alpha1.AttachedPolicy
	// accepted and resolved are the problems of the conditions Accepted and ResolvedRefs, in the order of the fields. Less weigh
	// those of ResolvedRefs with which everything serves, failing, and remarks, which are no problems.
	accepted, resolved, failing, remarks []status.Problem
}

// environment is what translations share.
type environment struct {
	options Options
	// listeners are the names of those that serve the routes.
	listeners   []string
	permissions hostPermissions
	filters     filter.Registry
	catalog     *catalog
	secrets     *holderSet[*corev1.Secret]
	configMaps  *holderSet[*corev1.ConfigMap]
	fetches     *fetches
	// policies returns those on a GatewayRoute or its rules, the oldest first.
	policies func(route types.NamespacedName) []*policy
}

// job is the making of one translation.
type job struct {
	*environment
	translation
	// self is the object at work; route is the object itself if it is a GatewayRoute.
	self  status.Ref
	route *v1alpha1.GatewayRoute
	// policies are those on the route or its rules, the oldest first.
	policies []*policy
	// shared are the filters of the whole route.
	shared []routeFilter
	// reached are the clusters that filters send requests to.
	reached []*snapshot.Cluster
	// rule is what messages call the rule at work.
	rule string
}

// run translates a GatewayRoute.
func (j *job) run() {
	hosts, something := j.hosts()
	j.secure(hosts)
	j.shared = j.routeFilters()
	for i := range j.route.Spec.Rules {
		rule := &j.route.Spec.Rules[i]
		at := field.NewPath("spec", "rules").Index(i)
		name := ruleName(rule, i)
		j.rule = "Rule " + name
		out := &snapshot.Route{
			ID:     j.route.Namespace + "/" + j.route.Name + "/" + name,
			Origin: j.origin(at), Listeners: j.listeners, Hosts: hosts,
		}
		j.fill(out, rule, at)
		j.rules = append(j.rules, out.Seal())
	}
	if !something {
		j.withhold()
	}
}

// fill translates what a rule matches and does. A rule with anything unusable keeps its matches, to reject what they match.
func (j *job) fill(out *snapshot.Route, rule *v1alpha1.Rule, at *field.Path) {
	matches, matchable := j.matches(rule, at)
	filters, filterable := j.ruleFilters(rule, at.Child("filters"))
	limits, enforceable := j.limits(rule, at)
	backends, clusters, servable := j.backends(rule.Backends, at.Child("backends"))
	timeouts, bounded := j.timeouts(rule.Timeouts, at.Child("timeouts"))
	body, limited := j.maxRequestBody(rule.Limits, at.Child("limits", "requestBody"))
	out.Matches = matches
	if !matchable {
		j.setRank(widened)
	}
	if !matchable || !filterable || !enforceable || !servable || !bounded || !limited {
		out.Reject = unresolved
		return
	}
	out.Filters = slices.Concat(filters, limits, j.redirectHTTP())
	out.Backends, out.Timeouts, out.MaxRequestBody = backends, timeouts, body
	j.refer(clusters)
	j.refer(j.targets(out.Filters))
}

// setRank sets the rank of the rule at work.
func (j *job) setRank(k rank) {
	if j.ranks == nil {
		j.ranks = map[int]rank{}
	}
	j.ranks[len(j.rules)] = k
}

// refer notes clusters that the route uses.
func (j *job) refer(clusters []*snapshot.Cluster) {
	for _, c := range clusters {
		if !slices.ContainsFunc(j.clusters, func(o *snapshot.Cluster) bool { return o.Name == c.Name }) {
			j.clusters = append(j.clusters, c)
		}
	}
}

// unresolved is the status that answers requests for what can't be resolved, as Gateway API has it.
const unresolved = 500

func (j *job) timeouts(t *v1alpha1.Timeouts, at *field.Path) (snapshot.Timeouts, bool) {
	out := j.options.Timeouts
	if t == nil {
		return out, true
	}
	ok := j.duration(&out.Request, t.Request, at.Child("request"))
	ok = j.duration(&out.Backend, t.Backend, at.Child("backend")) && ok
	ok = j.duration(&out.Idle, t.Idle, at.Child("idle")) && ok
	return out, ok
}

// duration sets what a field gives. It reports whether out is right.
func (j *job) duration(out *snapshot.Duration, d *v1alpha1.Duration, at *field.Path) bool {
	if d == nil {
		return true
	}
	v, err := d.Parse()
	if err != nil {
		j.notAccepted(invalid(j.rule, at, err))
		return false
	}
	*out = snapshot.Duration(v)
	return true
}

// maxRequestBody returns the bound in bytes, and whether it is one; 0 is none.
func (j *job) maxRequestBody(l *v1alpha1.Limits, at *field.Path) (int64, bool) {
	if l == nil || l.RequestBody == nil {
		return 0, true
	}
	bytes := l.RequestBody.Value()
	if bytes < 1 {
		j.notAccepted(invalid(j.rule, at, errors.New("less than 1 byte")))
		return 0, false
	}
	return bytes, true
}

func (j *job) origin(at *field.Path) snapshot.Origin {
	return snapshot.Origin{
		Kind: j.self.Kind, Namespace: j.self.Namespace, Name: j.self.Name,
		Generation: j.self.Generation, Field: at.String(),
	}
}

func (j *job) notAccepted(p status.Problem) { j.accepted = append(j.accepted, p) }

func (j *job) notResolved(p status.Problem) { j.resolved = append(j.resolved, p) }

// dependOn notes that the translation holds only as long as what d names stays the same.
func (j *job) dependOn(d dependency) { j.dependencies = append(j.dependencies, d) }

// service looks a Service up.
func (j *job) service(name types.NamespacedName) (*service, bool) {
	j.dependOn(dependency(name))
	s, ok := j.catalog.services[name]
	return s, ok
}

// permitted reports whether the object may refer to a Service.
func (j *job) permitted(name types.NamespacedName) bool {
	if name.Namespace == j.self.Namespace {
		return true
	}
	j.dependOn(dependency{Namespace: name.Namespace})
	return j.catalog.permits(j.self.Namespace, name)
}

// hostnames returns the hosts of a route in lower case, each once.
func hostnames(r *v1alpha1.GatewayRoute) []string {
	var out []string
	for _, h := range r.Spec.Hostnames {
		if host := strings.ToLower(string(h)); !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	return out
}

func listenerNames(listeners []*snapshot.Listener) []string {
	var out []string
	for _, l := range listeners {
		out = append(out, l.Name)
	}
	return out
}
