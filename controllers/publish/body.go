package publish

import (
	"slices"
	"strings"
	"unicode/utf8"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
)

// body is the status of an object of any kind, as far as it is ours.
type body struct {
	// bare says that the kind has no conditions: they are known here, and told as Events, but not written.
	bare       bool
	Conditions []metav1.Condition            `json:"conditions,omitempty"`
	Targets    []v1alpha1.PolicyTargetStatus `json:"targets,omitempty"`
	Policies   []v1alpha1.AttachedPolicy     `json:"policies,omitempty"`
	Replicas   *v1alpha1.ReplicasStatus      `json:"replicas,omitempty"`
	Addresses  []v1alpha1.Address            `json:"addresses,omitempty"`
}

// bodyOf returns the status that an object has. It shares memory with the object.
func bodyOf(o client.Object) body {
	switch o := o.(type) {
	case *v1alpha1.GatewayRoute:
		return body{Conditions: o.Status.Conditions, Policies: o.Status.Policies, Replicas: o.Status.Replicas, Addresses: o.Status.Addresses}
	case *v1alpha1.RateLimitPolicy:
		return body{Conditions: o.Status.Conditions, Targets: o.Status.Targets, Replicas: o.Status.Replicas}
	case *networkingv1.Ingress:
		return body{bare: true, Addresses: ingressAddresses(o)}
	}
	return body{}
}

// bodyWithout returns the status that a report and what came of applying it make, without transition times and what depends on the
// replicas.
func bodyWithout(r *status.Report, fault string) body {
	b := body{
		bare: isBare(r.Kind), Conditions: programmed(r.Conditions, fault), Targets: slices.Clone(r.Targets), Policies: r.Policies,
	}
	for i := range b.Targets {
		b.Targets[i].Conditions = programmed(b.Targets[i].Conditions, fault)
	}
	return b
}

// programmed decides the condition that a translation had to leave open.
func programmed(conditions []metav1.Condition, fault string) []metav1.Condition {
	out := slices.Clone(conditions)
	for i := range out {
		c := &out[i]
		switch {
		case c.Type != v1alpha1.ConditionProgrammed || c.Status != metav1.ConditionUnknown:
		case fault == "":
			*c = status.Programmed(c.ObservedGeneration)
		default:
			*c = status.NotProgrammed(c.ObservedGeneration, fault)
		}
	}
	return out
}

// since returns b with transition times: a condition keeps that of before unless its status is another.
func (b body) since(before body, now metav1.Time) body {
	out := body{
		bare: b.bare, Conditions: since(b.Conditions, before.Conditions, now), Targets: slices.Clone(b.Targets),
		Policies: b.Policies, Replicas: b.Replicas, Addresses: b.Addresses,
	}
	for i := range out.Targets {
		t := &out.Targets[i]
		t.Conditions = since(t.Conditions, before.of(t.TargetRef), now)
	}
	return out
}

func since(conditions, before []metav1.Condition, now metav1.Time) []metav1.Condition {
	out := slices.Clone(conditions)
	for i := range out {
		c := &out[i]
		c.LastTransitionTime = now
		if old := find(before, c.Type); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
	return out
}

// of returns the conditions of a policy for one target.
func (b body) of(ref v1alpha1.TargetRef) []metav1.Condition {
	for _, t := range b.Targets {
		if t.TargetRef == ref {
			return t.Conditions
		}
	}
	return nil
}

// same reports whether b says what o says. Conditions of o that b does not have are somebody else's, unless b has none
// at all: then it differs from every status.
func (b body) same(o body) bool {
	if b.bare {
		return slices.Equal(b.Addresses, o.Addresses)
	}
	if len(b.Conditions) == 0 {
		return len(o.Conditions) == 0 && len(o.Targets) == 0
	}
	return sameConditions(b.Conditions, o.Conditions) && slices.Equal(b.Addresses, o.Addresses) && ptr.Equal(b.Replicas, o.Replicas) &&
		slices.Equal(b.Policies, o.Policies) &&
		slices.EqualFunc(b.Targets, o.Targets, func(x, y v1alpha1.PolicyTargetStatus) bool {
			return x.TargetRef == y.TargetRef && len(x.Conditions) == len(y.Conditions) &&
				sameConditions(x.Conditions, y.Conditions)
		})
}

// sameConditions does not compare transition times: equal conditions have equal ones.
func sameConditions(wanted, have []metav1.Condition) bool {
	for _, w := range wanted {
		h := find(have, w.Type)
		if h == nil || h.Status != w.Status || h.Reason != w.Reason || h.Message != w.Message ||
			h.ObservedGeneration != w.ObservedGeneration {
			return false
		}
	}
	return true
}

func find(conditions []metav1.Condition, kind string) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == kind {
			return &conditions[i]
		}
	}
	return nil
}

// isRefusal reports whether a condition says that something of the user's is not accepted. That Penstock can't do it
// yet, or that replicas have not reported, is no refusal.
func isRefusal(c metav1.Condition) bool {
	return c.Status == metav1.ConditionFalse &&
		(c.Type == v1alpha1.ConditionAccepted || c.Type == v1alpha1.ConditionResolvedRefs)
}

// newer reports whether version a is later than b. What can't be compared counts as later.
func newer(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}

// truncate shortens s to at most limit bytes of whole characters.
func truncate(s string, limit int) string {
	const more = "..."
	if len(s) <= limit {
		return s
	}
	s = s[:limit-len(more)]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return strings.TrimSpace(s) + more
}
