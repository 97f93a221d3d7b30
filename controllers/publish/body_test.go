package publish

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
)

var (
	then = metav1.NewTime(time.Unix(1000, 0))
	now  = metav1.NewTime(time.Unix(2000, 0))
)

func at(c metav1.Condition, t metav1.Time) metav1.Condition {
	c.LastTransitionTime = t
	return c
}

func TestTransitionTimes(t *testing.T) {
	refused := status.Problem{Reason: v1alpha1.ReasonInvalidRule, Message: "No."}
	cases := []struct {
		name   string
		before []metav1.Condition
		wanted metav1.Condition
		want   metav1.Time
	}{
		{"a new condition begins now", nil, status.Accepted(1), now},
		{"an equal condition keeps its time", []metav1.Condition{at(status.Accepted(1), then)}, status.Accepted(1), then},
		{"another generation keeps the time", []metav1.Condition{at(status.Accepted(1), then)}, status.Accepted(2), then},
		{"another status moves it", []metav1.Condition{at(status.Accepted(1), then)}, status.Accepted(2, refused), now},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := body{Conditions: []metav1.Condition{c.wanted}}.since(body{Conditions: c.before}, now)
			if !got.Conditions[0].LastTransitionTime.Equal(&c.want) {
				t.Errorf("got %v, want %v", got.Conditions[0].LastTransitionTime, c.want)
			}
		})
	}
}

func TestAPolicysTargetsKeepTheirTransitionTimes(t *testing.T) {
	ref := v1alpha1.TargetRef{Kind: v1alpha1.KindGatewayRoute, Name: "users"}
	other := v1alpha1.TargetRef{Kind: v1alpha1.KindGatewayRoute, Name: "orders"}
	before := body{Targets: []v1alpha1.PolicyTargetStatus{{TargetRef: ref, Conditions: []metav1.Condition{at(status.Accepted(1), then)}}}}
	wanted := body{Targets: []v1alpha1.PolicyTargetStatus{
		{TargetRef: other, Conditions: []metav1.Condition{status.Accepted(2)}},
		{TargetRef: ref, Conditions: []metav1.Condition{status.Accepted(2)}},
	}}
	got := wanted.since(before, now).Targets
	if !got[0].Conditions[0].LastTransitionTime.Equal(&now) || !got[1].Conditions[0].LastTransitionTime.Equal(&then) {
		t.Errorf("got %v", got)
	}
	if !wanted.Targets[0].Conditions[0].LastTransitionTime.IsZero() {
		t.Error("the report was written to")
	}
}

func TestSame(t *testing.T) {
	ours := []metav1.Condition{status.Accepted(1), status.Programmed(1)}
	foreign := metav1.Condition{Type: "example.com/Audited", Status: metav1.ConditionTrue}
	target := func(conditions ...metav1.Condition) []v1alpha1.PolicyTargetStatus {
		return []v1alpha1.PolicyTargetStatus{{TargetRef: v1alpha1.TargetRef{Name: "users"}, Conditions: conditions}}
	}
	policies := []v1alpha1.AttachedPolicy{{Kind: v1alpha1.KindRateLimitPolicy, Name: "limits"}}
	cases := []struct {
		name         string
		wanted, have body
		want         bool
	}{
		{"equal", body{Conditions: ours}, body{Conditions: ours}, true},
		{"in another order", body{Conditions: ours}, body{Conditions: []metav1.Condition{status.Programmed(1), status.Accepted(1)}}, true},
		{"with others' conditions", body{Conditions: ours}, body{Conditions: append(slices.Clone(ours), foreign)}, true},
		{"at other times", body{Conditions: ours}, body{Conditions: []metav1.Condition{at(status.Accepted(1), then), at(status.Programmed(1), now)}}, true},
		{"one missing", body{Conditions: ours}, body{Conditions: ours[:1]}, false},
		{"of another generation", body{Conditions: ours}, body{Conditions: []metav1.Condition{status.Accepted(1), status.Programmed(2)}}, false},
		{"another message", body{Conditions: []metav1.Condition{status.NotProgrammed(1, "a")}}, body{Conditions: []metav1.Condition{status.NotProgrammed(1, "b")}}, false},
		{"a target missing", body{Conditions: ours, Targets: target(status.Accepted(1))}, body{Conditions: ours}, false},
		{"a target too many", body{Conditions: ours}, body{Conditions: ours, Targets: target(status.Accepted(1))}, false},
		{"a target's condition too many", body{Conditions: ours, Targets: target(status.Accepted(1))}, body{Conditions: ours, Targets: target(ours...)}, false},
		{"a policy missing", body{Conditions: ours, Policies: policies}, body{Conditions: ours}, false},
		{"a policy too many", body{Conditions: ours}, body{Conditions: ours, Policies: policies}, false},
		{"the same policies", body{Conditions: ours, Policies: policies}, body{Conditions: ours, Policies: slices.Clone(policies)}, true},
		{"nothing wanted, nothing there", body{}, body{}, true},
		{"nothing wanted, something there", body{}, body{Conditions: ours}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.wanted.same(c.have); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestProgrammedIsWhatCameOfApplying(t *testing.T) {
	cases := []struct {
		name   string
		report metav1.Condition
		fault  string
		want   metav1.Condition
	}{
		{"left open, and applied", status.ProgrammingPending(3), "", status.Programmed(3)},
		{"left open, and not applied", status.ProgrammingPending(3), "Route a answers 500.", status.NotProgrammed(3, "Route a answers 500.")},
		{"decided by the translation", status.NotProgrammed(3, "No."), "", status.NotProgrammed(3, "No.")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &status.Report{Conditions: []metav1.Condition{status.Accepted(3), c.report}}
			if got := bodyWithout(r, c.fault).Conditions; got[0] != status.Accepted(3) || got[1] != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if r.Conditions[1] != c.report {
				t.Error("the report was written to")
			}
		})
	}
}

func TestTruncate(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"a short text stays", "short", "short"},
		{"a text of just the limit stays", strings.Repeat("a", 10), strings.Repeat("a", 10)},
		{"a long text is cut", strings.Repeat("a", 11), "aaaaaaa..."},
		{"no character is cut in two", "aaaaaäää", "aaaaaä..."},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := truncate(c.in, 10); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
