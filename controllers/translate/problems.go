package translate

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/snapshot"
)

// The problems that a translation can meet, each a sentence that names the object.

// invalid says that subject, a rule or a backend, rejects because of what a field holds.
func invalid(subject string, at *field.Path, err error) status.Problem {
	return problem(v1alpha1.ReasonInvalidRule, "%s answers 500: %s: %v.", subject, at, err)
}

func unsupported(subject string, at *field.Path, value string) status.Problem {
	return problem(v1alpha1.ReasonUnsupportedValue,
		"%s answers 500: %s: this version of Penstock does not know %q.", subject, at, value)
}

func unknownFilter(subject string, at *field.Path) status.Problem {
	return problem(v1alpha1.ReasonUnsupportedValue,
		"%s answers 500: %s: this version of Penstock does not know this filter.", subject, at)
}

// valueNotFound takes a sentence that names the object.
func valueNotFound(subject string, at *field.Path, ref snapshot.Ref, why string) status.Problem {
	reason := v1alpha1.ReasonSecretNotFound
	if ref.Kind == snapshot.InConfigMap {
		reason = v1alpha1.ReasonConfigMapNotFound
	}
	return problem(reason, "%s answers 500: %s: %s", subject, at, why)
}

// unreachable says where it is that what a problem is about can't be reached from.
func unreachable(subject string, at *field.Path, p status.Problem) status.Problem {
	return problem(p.Reason, "%s answers 500: %s: %s", subject, at, p.Message)
}

// unusableValue takes an error that names the value.
func unusableValue(subject string, at *field.Path, ref snapshot.Ref, err error) status.Problem {
	reason := v1alpha1.ReasonInvalidSecret
	if ref.Kind == snapshot.InConfigMap {
		reason = v1alpha1.ReasonInvalidConfigMap
	}
	return problem(reason, "%s answers 500: %s: %v.", subject, at, err)
}

func valueNotPermitted(subject string, at *field.Path, ref snapshot.Ref) status.Problem {
	return problem(v1alpha1.ReasonRefNotPermitted, "%s answers 500: %s: %s %s is in another namespace.", subject, at, kindOf(ref), nameIn(ref))
}

// notFetched takes words that say why not, and what comes of it.
func notFetched(subject string, at *field.Path, f filter.Fetch, why string) status.Problem {
	return problem(v1alpha1.ReasonKeysNotFetched, "%s: %s: %s can't be fetched from %s: %s.", subject, at, f.What, f.From, why)
}

// hostsNotPermitted speaks of hostnames. Of a stranger it is not known which labels its namespace has.
func hostsNotPermitted(namespace string, hosts []string, stranger bool) status.Problem {
	return problem(v1alpha1.ReasonHostNotPermitted,
		"This installation does not permit namespace %s%s to claim %s.", namespace, ofStranger(stranger), longList(hosts))
}

func allHostsNotPermitted(namespace, claimant string, stranger bool) status.Problem {
	return problem(v1alpha1.ReasonHostNotPermitted,
		"This installation does not permit namespace %s%s to claim all hosts, as %s does.", namespace, ofStranger(stranger), claimant)
}

func ofStranger(stranger bool) string {
	if stranger {
		return ", whose labels are not known,"
	}
	return ""
}

// longList names as many hosts as a message should have and counts the others.
func longList(hosts []string) string {
	if more := len(hosts) - status.MaxProblems; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(hosts[:status.MaxProblems], ", "), more)
	}
	return strings.Join(hosts, ", ")
}

// invalidCertificate takes a sentence that names the Secret.
func invalidCertificate(why string) status.Problem {
	return status.Problem{Reason: v1alpha1.ReasonInvalidCertificateRef, Message: why}
}

func unusableCertificate(s types.NamespacedName, err error) status.Problem {
	return problem(v1alpha1.ReasonInvalidCertificateRef, "Secret %s holds no usable certificate: %v.", s, err)
}

func nameMismatch(s types.NamespacedName, hosts []string) status.Problem {
	return problem(v1alpha1.ReasonCertificateNameMismatch,
		"The certificate of Secret %s is not valid for %s; it is served all the same.", s, shortList(hosts))
}

func unsupportedTLSVersion(v v1alpha1.TLSVersion) status.Problem {
	return problem(v1alpha1.ReasonUnsupportedValue,
		"spec.tls.minVersion: this version of Penstock does not know %q; clients have to use %s.", v, snapshot.TLS13)
}

func tlsConflicted(winner subject, hosts []string) status.Problem {
	return problem(v1alpha1.ReasonConflicted,
		"%s %s, which takes precedence, asks for another Secret or version of TLS for %s: its policy holds, for this route too.",
		winner.kind(), nameOf(winner), shortList(hosts))
}

func weightless(subject string, at *field.Path) status.Problem {
	return problem(v1alpha1.ReasonInvalidRule, "%s answers 500: %s: all weights are 0.", subject, at)
}

func serviceNotFound(s types.NamespacedName) status.Problem {
	return problem(v1alpha1.ReasonBackendNotFound, "Service %s not found.", s)
}

func portNotFound(s types.NamespacedName, port intstr.IntOrString) status.Problem {
	if port.Type == intstr.String {
		return problem(v1alpha1.ReasonPortNotFound, "Service %s has no TCP port named %s.", s, port.StrVal)
	}
	return problem(v1alpha1.ReasonPortNotFound, "Service %s has no TCP port %d.", s, port.IntVal)
}

func refNotPermitted(s types.NamespacedName, from string) status.Problem {
	return problem(v1alpha1.ReasonRefNotPermitted,
		"Service %s is in another namespace, and no ReferenceGrant there permits GatewayRoutes of namespace %s to refer to it.", s, from)
}

func namespaceNotWatched(s types.NamespacedName) status.Problem {
	return problem(v1alpha1.ReasonRefNotPermitted, "Service %s is in a namespace that this installation does not watch.", s)
}

func externalNameNotPermitted(s types.NamespacedName) status.Problem {
	return problem(v1alpha1.ReasonExternalNameNotPermitted,
		"Service %s is of type ExternalName, which this installation does not permit.", s)
}

func externalBackendNotPermitted(address string) status.Problem {
	return problem(v1alpha1.ReasonExternalBackendNotPermitted,
		"Backend %s is outside the cluster, which this installation does not permit.", address)
}

// shadowed speaks of the hosts on which one match loses to one rule.
func shadowed(lost []shadow, entirely bool) status.Problem {
	reason := v1alpha1.ReasonPartiallyShadowed
	if entirely {
		reason = v1alpha1.ReasonShadowed
	}
	rule, at := lost[0].where()
	winner, _ := lost[0].by.where()
	depth := ""
	if lost[0].partly {
		depth = ", where a name has one label more"
	}
	by := lost[0].by.route.object
	return problem(reason, "Rule %s gets no request by %s on %s%s: rule %s of %s %s has an equal match and takes precedence.",
		rule, at, hostList(lost), depth, winner, by.kind(), nameOf(by))
}

func hostList(lost []shadow) string {
	hosts := make([]string, len(lost))
	for i := range lost {
		hosts[i] = lost[i].host
	}
	return shortList(hosts)
}

// shortList names the first of some hosts and counts the others.
func shortList(hosts []string) string {
	first := cmp.Or(hosts[0], "any host")
	if more := len(hosts) - 1; more > 0 {
		return fmt.Sprintf("%s and %d more", first, more)
	}
	return first
}

func routeNotFound(route types.NamespacedName) status.Problem {
	return problem(v1alpha1.ReasonTargetNotFound, "GatewayRoute %s not found.", route)
}

func routeNotServed(route types.NamespacedName, class string) status.Problem {
	return problem(v1alpha1.ReasonTargetNotFound,
		"GatewayRoute %s is of class %s, which this installation does not serve.", route, class)
}

func ruleNotFound(route types.NamespacedName, rule v1alpha1.RuleName) status.Problem {
	return problem(v1alpha1.ReasonSectionNotFound, "GatewayRoute %s has no rule named %s.", route, rule)
}

func unsupportedTarget(t v1alpha1.TargetRef) status.Problem {
	return problem(v1alpha1.ReasonUnsupportedValue,
		"This version of Penstock knows no policies for kind %s of group %s.", t.Kind, t.Group)
}

func invalidLimit(at *field.Path, why string) status.Problem {
	return problem(v1alpha1.ReasonInvalidPolicy, "Every target answers 500: %s: %s.", at, why)
}

func policyInvalid(subject string, policy types.NamespacedName) status.Problem {
	return problem(v1alpha1.ReasonInvalidPolicy, "%s answers 500: RateLimitPolicy %s holds for it and can't be enforced.", subject, policy)
}

func problem(reason, format string, args ...any) status.Problem {
	return status.Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
