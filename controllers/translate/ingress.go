package translate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/snapshot"
)

// KindIngress is the kind of an Ingress.
const KindIngress = "Ingress"

// ingress is an Ingress as a subject. Each of its paths is a rule, and its default backend one more, which takes what
// nothing else matches: of the hosts that the Ingress names, and of those that nobody names.
type ingress struct{ *networkingv1.Ingress }

var _ subject = ingress{}

func (ingress) kind() string { return KindIngress }

// place is behind that of a GatewayRoute of the same age and name.
func (i ingress) place() string { return placeOf(i) + KindIngress + " " }

func (i ingress) idPrefix() string { return KindIngress + "/" + i.Namespace + "/" + i.Name + "/" }

// meansWhat looks at annotations too, with which generations have nothing to do.
func (i ingress) meansWhat(earlier subject) bool {
	before := earlier.(ingress)
	return sameSpec(before, i, &before.Spec, &i.Spec) && slices.Equal(guardsOf(before), guardsOf(i))
}

func (i ingress) translate(e *environment) translation {
	j := ingressJob{job: job{environment: e, self: refOf(i.kind(), i)}, ingress: i, isFull: map[string]bool{}}
	j.run()
	return j.translation
}

func (ingress) matchField(int, int) string { return "" }

func (ingress) tlsField(claim int) string { return field.NewPath("spec", "tls").Index(claim).String() }

func (ingress) oneLabel() bool { return true }

// ingressJob is the making of the translation of an Ingress.
type ingressJob struct {
	job
	ingress
	// own are the hosts that it claims and may have, each once, an empty one for all; isOwn has the same.
	own   []string
	isOwn map[string]bool
	// isFull has the hosts on which a rule matches every path.
	isFull map[string]bool
	// closed says that all rules reject.
	closed bool
}

func (j *ingressJob) run() {
	j.own = j.permittedHosts(j.claimed(), "an Ingress with a default backend or a rule without host")
	j.isOwn = setOf(j.own)
	j.secure()
	j.heedGuards()
	for i := range j.Spec.Rules {
		rule, at := &j.Spec.Rules[i], field.NewPath("spec", "rules").Index(i)
		for k := range pathsOf(rule) {
			if j.isOwn[rule.Host] {
				j.path(rule, k, fmt.Sprintf("%d/%d", i, k), at.Child("http", "paths").Index(k))
			}
		}
		if len(pathsOf(rule)) == 0 && j.Spec.DefaultBackend == nil {
			j.notAccepted(problem(v1alpha1.ReasonInvalidRule, "%s has no paths, and there is no default backend: nothing serves it.", at))
		}
	}
	j.fallBack()
}

// claimed returns the hosts that an Ingress asks for, each once, empty for all.
func (j *ingressJob) claimed() (hosts []string) {
	seen := map[string]bool{}
	add := func(host string) {
		if !seen[host] {
			seen[host] = true
			hosts = append(hosts, host)
		}
	}
	for _, rule := range j.Spec.Rules {
		add(rule.Host)
	}
	for _, entry := range j.Spec.TLS {
		for _, host := range entry.Hosts {
			add(host)
		}
	}
	if j.Spec.DefaultBackend != nil {
		add("")
	}
	return hosts
}

func setOf(list []string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, s := range list {
		out[s] = true
	}
	return out
}

func pathsOf(rule *networkingv1.IngressRule) []networkingv1.HTTPIngressPath {
	if rule.HTTP == nil {
		return nil
	}
	return rule.HTTP.Paths
}

// path adds the rule for a path.
func (j *ingressJob) path(rule *networkingv1.IngressRule, index int, name string, at *field.Path) {
	p := &rule.HTTP.Paths[index]
	j.rule = "Rule " + name
	out := j.newRule(name, at)
	if rule.Host != "" {
		out.Hosts = []string{rule.Host}
	}
	match, ok := j.match(p, at)
	out.Matches = []snapshot.Match{match}
	j.isFull[rule.Host] = j.isFull[rule.Host] || match.Path == anyPath
	j.serve(out, ok, &p.Backend, at.Child("backend"))
}

func (j *ingressJob) newRule(name string, at *field.Path) *snapshot.Route {
	return &snapshot.Route{ID: j.idPrefix() + name, Origin: j.origin(at), Listeners: j.listeners, OneLabel: true}
}

// serve ends the making of a rule, which sends what it matches to a backend or rejects it.
func (j *ingressJob) serve(out *snapshot.Route, usable bool, b *networkingv1.IngressBackend, at *field.Path) {
	backend, cluster := j.backend(b, at)
	if cluster == nil || !usable || j.closed {
		out.Reject = unresolved
	} else {
		out.Backends, out.Timeouts = []snapshot.Backend{backend}, j.options.Timeouts
		j.refer([]*snapshot.Cluster{cluster})
	}
	j.rules = append(j.rules, out.Seal())
}

// match translates a path. It reports whether that was possible. A type that is not known is widened to any path; a path that
// no request has stays as it is and matches nothing.
func (j *ingressJob) match(p *networkingv1.HTTPIngressPath, at *field.Path) (snapshot.Match, bool) {
	kind := deref(p.PathType, networkingv1.PathTypeImplementationSpecific)
	value, err := wirePath(cmp.Or(p.Path, "/"))
	if err != nil {
		j.notAccepted(invalid(j.rule, at.Child("path"), err))
		return snapshot.Match{Path: snapshot.Path{Type: snapshot.Exact, Value: p.Path}}, false
	}
	switch kind {
	case networkingv1.PathTypeExact:
		return snapshot.Match{Path: snapshot.Path{Type: snapshot.Exact, Value: value}}, true
	case networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific:
		value = cmp.Or(strings.TrimRight(value, "/"), "/")
		return snapshot.Match{Path: snapshot.Path{Type: snapshot.Prefix, Value: value}}, true
	}
	j.notAccepted(unsupported(j.rule, at.Child("pathType"), string(kind)))
	j.setRank(widened)
	return snapshot.Match{Path: anyPath}, false
}

// wirePath returns a path in the form in which that of a request is matched. In manifests, as opposed to requests, people
// write spaces and letters of every alphabet.
func wirePath(path string) (string, error) {
	const hex = "0123456789ABCDEF"
	var raw strings.Builder
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f || c == '?' || c == '#' {
			raw.Write([]byte{'%', hex[c>>4], hex[c&0xf]})
		} else {
			raw.WriteByte(c)
		}
	}
	normal, err := exchange.NormalizePath(raw.String(), func(n int) []byte { return make([]byte, n) }, exchange.PathOptions{})
	if err != nil {
		return "", errors.New("no request has such a path")
	}
	return normal, nil
}

// backend translates a backend; without a cluster it can't be used.
func (j *ingressJob) backend(b *networkingv1.IngressBackend, at *field.Path) (out snapshot.Backend, c *snapshot.Cluster) {
	if b.Service == nil {
		j.notAccepted(problem(v1alpha1.ReasonUnsupportedValue, "%s answers 500: %s: backends have to be Services.", j.rule, at.Child("resource")))
		return out, nil
	}
	port := intstr.FromInt32(b.Service.Port.Number)
	if b.Service.Port.Name != "" {
		port = intstr.FromString(b.Service.Port.Name)
	}
	if c = j.cluster(&v1alpha1.Backend{Service: b.Service.Name, Port: port}); c == nil {
		return out, nil
	}
	return snapshot.Backend{Origin: j.origin(at.Child("service")), Cluster: c.Name, Weight: 1}, c
}

// fallBack adds a rule for the default backend, for all own hosts but those that have a rule for any path already.
func (j *ingressJob) fallBack() {
	if j.Spec.DefaultBackend == nil {
		return
	}
	hosts := slices.DeleteFunc(j.ruleHosts(), func(host string) bool { return j.isFull[host] })
	if j.isOwn[""] && !j.isFull[""] {
		hosts = append(hosts, everyHost)
	}
	if len(hosts) == 0 {
		return
	}
	const name = "default"
	at := field.NewPath("spec", "defaultBackend")
	j.rule = "Rule " + name
	out := j.newRule(name, at)
	out.Hosts, out.Matches = hosts, []snapshot.Match{{Path: anyPath}}
	j.setRank(last)
	j.serve(out, true, j.Spec.DefaultBackend, at)
}

// ruleHosts are the own hosts that the rules name.
func (j *ingressJob) ruleHosts() []string {
	named := map[string]bool{}
	for _, rule := range j.Spec.Rules {
		named[rule.Host] = rule.Host != ""
	}
	return slices.DeleteFunc(slices.Clone(j.own), func(host string) bool { return !named[host] })
}

// secure translates spec.tls, one claim an entry. An entry without Secret asks for the certificate of the installation, which
// needs no policy; one without hosts is for those of the rules.
func (j *ingressJob) secure() {
	for i, entry := range j.Spec.TLS {
		wanted := entry.Hosts
		if len(wanted) == 0 {
			wanted = j.ruleHosts()
		}
		if entry.SecretName != "" && len(wanted) == 0 {
			j.notAccepted(problem(v1alpha1.ReasonUnsupportedValue,
				"%s names no hosts, and no rule has one: connections get the certificate of the installation, if there is one.", j.tlsField(i)))
		}
		claim := tlsClaim{hosts: j.mine(wanted), security: security{
			secret: types.NamespacedName{Namespace: j.self.Namespace, Name: entry.SecretName}, minVersion: snapshot.TLS12,
		}}
		if entry.SecretName == "" || len(claim.hosts) == 0 {
			j.tls = append(j.tls, tlsClaim{})
			continue
		}
		j.claimTLS(claim)
	}
}

// mine returns those of some hosts that are own ones, each once.
func (j *ingressJob) mine(hosts []string) (out []string) {
	seen := map[string]bool{}
	for _, host := range hosts {
		if j.isOwn[host] && !seen[host] {
			seen[host] = true
			out = append(out, host)
		}
	}
	return out
}

// guards are annotations of ingress-nginx that keep requests away from a backend, or may: of a snippet nobody can tell. To serve without
// them would open what was closed. docs/migrate-from-ingress-nginx.md says what takes their place.
var guards = []string{
	"auth-type", "auth-url", "auth-tls-secret", "auth-tls-verify-client", "auth-tls-match-cn",
	"whitelist-source-range", "allowlist-source-range", "denylist-source-range",
	"limit-rps", "limit-rpm", "limit-connections",
	"enable-modsecurity", "enable-owasp-core-rules", "modsecurity-snippet",
	"configuration-snippet", "server-snippet",
}

// Guards returns those annotations.
func Guards() (all []string) {
	for _, guard := range guards {
		all = append(all, guardPrefix+guard)
	}
	return all
}

const guardPrefix = "nginx.ingress.kubernetes.io/"

// MattersToIngress reports whether an annotation of an Ingress, or of an IngressClass, means anything to a translation.
func MattersToIngress(annotation string) bool {
	guard, ok := strings.CutPrefix(annotation, guardPrefix)
	return annotation == networkingv1.AnnotationIsDefaultIngressClass || annotation == annotationClass || ok && slices.Contains(guards, guard)
}

// guardsOf returns the annotations of an Ingress that guard its backends, in order.
func guardsOf(i ingress) (out []string) {
	for _, key := range slices.Sorted(maps.Keys(i.Annotations)) {
		guard, ok := strings.CutPrefix(key, guardPrefix)
		off := slices.Contains([]string{"", "false", "off", "0"}, i.Annotations[key])
		if ok && !off && slices.Contains(guards, guard) {
			out = append(out, key)
		}
	}
	return out
}

// heedGuards closes an Ingress whose guards would not be heeded.
func (j *ingressJob) heedGuards() {
	for _, key := range guardsOf(j.ingress) {
		j.closed = true
		j.notAccepted(problem(v1alpha1.ReasonUnsupportedValue,
			"Every rule answers 500: annotation %s keeps requests away from the backends, and Penstock would not heed it. Use a GatewayRoute.", key))
	}
}
