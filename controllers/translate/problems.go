package translate

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
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

func needsSecret(subject string, at *field.Path, secret snapshot.Ref) status.Problem {
	return problem(v1alpha1.ReasonUnsupportedValue,
		"%s answers 500: %s: this version of Penstock does not read Secret %s/%s.",
		subject, at, secret.Namespace, secret.Name)
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
	return problem(reason, "Rule %s gets no request by %s on %s: rule %s of GatewayRoute %s has an equal match and takes precedence.",
		rule, at, hostList(lost), winner, nameOf(lost[0].by.route.object))
}

func hostList(lost []shadow) string {
	first := cmp.Or(lost[0].host, "any host")
	if more := len(lost) - 1; more > 0 {
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
	return problem(v1alpha1.ReasonTargetNotFound, "GatewayRoute %s has no rule named %s.", route, rule)
}

func unsupportedTarget(t v1alpha1.TargetRef) status.Problem {
	return problem(v1alpha1.ReasonUnsupportedValue,
		"This version of Penstock knows no policies for kind %s of group %s.", t.Kind, t.Group)
}

func conflicted(holder types.NamespacedName, t target) status.Problem {
	return problem(v1alpha1.ReasonConflicted, "RateLimitPolicy %s, which takes precedence, holds for %s.", holder, t)
}

func problem(reason, format string, args ...any) status.Problem {
	return status.Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
