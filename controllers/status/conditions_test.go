package status

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/api/v1alpha1"
)

func TestConditionsTellProblems(t *testing.T) {
	missing := Problem{v1alpha1.ReasonBackendNotFound, "Service a/b not found."}
	refused := Problem{v1alpha1.ReasonRefNotPermitted, "Service c/d is in another namespace."}
	mismatch := Problem{v1alpha1.ReasonCertificateNameMismatch, "The certificate is not valid for a."}
	shadowed := Problem{v1alpha1.ReasonPartiallyShadowed, "Rule 0 gets no request."}
	tests := []struct {
		name            string
		got             metav1.Condition
		status          metav1.ConditionStatus
		reason, message string
	}{
		{"no problem is true", Accepted(1), "True", "Accepted", "The object is valid and takes part."},
		{"no problem is resolved", ResolvedRefs(1), "True", "ResolvedRefs", "Every reference is resolved."},
		{"one problem", ResolvedRefs(1, missing), "False", "BackendNotFound", "Service a/b not found."},
		{
			"the first gives the reason", ResolvedRefs(1, refused, missing), "False", "RefNotPermitted",
			"Service c/d is in another namespace. Service a/b not found.",
		},
		{"what is said twice is said once", ResolvedRefs(1, missing, missing), "False", "BackendNotFound", "Service a/b not found."},
		{"a partly shadowed route is accepted", Accepted(1, shadowed), "True", "PartiallyShadowed", "Rule 0 gets no request."},
		{
			"a certificate for another host is resolved", ResolvedRefs(1, mismatch), "True", "CertificateNameMismatch",
			"The certificate is not valid for a.",
		},
		{
			"a certificate for another host is said after what is wrong", ResolvedRefs(1, missing, mismatch), "False", "BackendNotFound",
			"Service a/b not found. The certificate is not valid for a.",
		},
		{
			"unless something else is wrong", Accepted(1, missing, shadowed), "False", "BackendNotFound",
			"Service a/b not found. Rule 0 gets no request.",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got.Status != tt.status || tt.got.Reason != tt.reason || tt.got.Message != tt.message {
				t.Errorf("got %s %s %q", tt.got.Status, tt.got.Reason, tt.got.Message)
			}
		})
	}
}

func TestConditionsBoundTheirMessage(t *testing.T) {
	var problems []Problem
	for i := range MaxProblems + 3 {
		problems = append(problems, Problem{v1alpha1.ReasonBackendNotFound, fmt.Sprintf("Service a/%d not found.", i)})
	}
	got := ResolvedRefs(1, problems...).Message
	if n := strings.Count(got, "not found."); n != MaxProblems || !strings.HasSuffix(got, " And 3 more.") {
		t.Errorf("%d problems in %q", n, got)
	}
	if got := ResolvedRefs(1, problems[:MaxProblems]...).Message; strings.Contains(got, "more") {
		t.Errorf("a message that fits is cut: %q", got)
	}
}

// TestConditionsAreComplete holds what the API server asks of conditions, before it does.
func TestConditionsAreComplete(t *testing.T) {
	for _, c := range []metav1.Condition{
		Accepted(7), ResolvedRefs(7), Programmed(7), NotProgrammed(7, "Route a/b/0 can't be built."), ProgrammingPending(7),
		NotReported(7),
	} {
		if c.Type == "" || c.Status == "" || c.Reason == "" || c.Message == "" || c.ObservedGeneration != 7 {
			t.Errorf("incomplete: %+v", c)
		}
		if !c.LastTransitionTime.IsZero() {
			t.Errorf("%s has a transition time, which is for the writer to know", c.Type)
		}
	}
}
