// Package status says in conditions what became of the users' objects.
package status

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/api/v1alpha1"
)

// MaxProblems is how many problems a condition's message spells out; it counts the rest. It keeps the message of the
// worst object far below the API server's bound of 32768 bytes.
const MaxProblems = 8

// Ref names one object at one generation.
type Ref struct {
	Kind       string    `json:"kind"`
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	UID        types.UID `json:"uid,omitempty"`
	Generation int64     `json:"generation,omitempty"`
}

// Object tells one object from all others that have a status.
type Object struct {
	Kind string
	types.NamespacedName
}

// Object is the object that r refers to.
func (r Ref) Object() Object {
	return Object{r.Kind, types.NamespacedName{Namespace: r.Namespace, Name: r.Name}}
}

// Report is what there is to say about one object. It is never written once it is made, and has no transition times:
// whoever writes a status knows what it replaces.
type Report struct {
	Ref
	Conditions []metav1.Condition `json:"conditions"`
	// Targets are the parts of a policy's report, in the order of its targetRefs.
	Targets []v1alpha1.PolicyTargetStatus `json:"targets,omitempty"`
	// Policies are what holds for a route, oldest first.
	Policies []v1alpha1.AttachedPolicy `json:"policies,omitempty"`
}

// Problem is one thing that keeps a condition from being plainly true.
type Problem struct {
	// Reason is one of the API's constants.
	Reason string
	// Message is a sentence that names the object.
	Message string
}

// Accepted says whether an object takes part. The first problem gives the reason, all together the message. A route
// that only shares some of its matches with others is accepted all the same.
func Accepted(generation int64, problems ...Problem) metav1.Condition {
	c := judge(v1alpha1.ConditionAccepted, generation, problems)
	switch c.Reason {
	case "":
		c.Reason, c.Message = v1alpha1.ReasonAccepted, "The object is valid and takes part."
	case v1alpha1.ReasonPartiallyShadowed:
		c.Status = metav1.ConditionTrue
	}
	return c
}

// ResolvedRefs says whether all that an object refers to can be used. The first problem gives the reason, all together
// the message. A certificate for other hosts can be used all the same.
func ResolvedRefs(generation int64, problems ...Problem) metav1.Condition {
	c := judge(v1alpha1.ConditionResolvedRefs, generation, problems)
	switch c.Reason {
	case "":
		c.Reason, c.Message = v1alpha1.ReasonResolvedRefs, "Every reference is resolved."
	case v1alpha1.ReasonCertificateNameMismatch:
		c.Status = metav1.ConditionTrue
	}
	return c
}

// Programmed says that this replica serves the object at this generation.
func Programmed(generation int64) metav1.Condition {
	return condition(v1alpha1.ConditionProgrammed, metav1.ConditionTrue, generation,
		v1alpha1.ReasonProgrammed, "This generation of the object is served.")
}

// NotProgrammed says that this replica does not serve the object at this generation, or only with refusals. The message
// is a sentence that says why.
func NotProgrammed(generation int64, message string) metav1.Condition {
	return condition(v1alpha1.ConditionProgrammed, metav1.ConditionFalse, generation,
		v1alpha1.ReasonNotProgrammed, message)
}

// ProgrammingPending says that nothing was tried yet with the object at this generation.
func ProgrammingPending(generation int64) metav1.Condition {
	return condition(v1alpha1.ConditionProgrammed, metav1.ConditionUnknown, generation,
		v1alpha1.ReasonPending, "This generation of the object has not been applied yet.")
}

// Ready says that every replica that gets requests serves the object at this generation.
func Ready(generation int64, replicas int) metav1.Condition {
	return condition(v1alpha1.ConditionReady, metav1.ConditionTrue, generation, v1alpha1.ReasonServing,
		fmt.Sprintf("%d of %d replicas serve generation %d.", replicas, replicas, generation))
}

// Lag is a replica that does not serve what it should.
type Lag struct {
	Replica string
	// Since is when the others began to; for a replica of which nothing is heard, when it was last.
	Since time.Time
}

// maxLags is how many lagging replicas a message names; it counts the rest.
const maxLags = 3

// ReplicasLag says which of all replicas that get requests do not serve the object at this generation.
func ReplicasLag(generation int64, replicas int, lags []Lag) metav1.Condition {
	names := make([]string, 0, maxLags+1)
	for _, l := range lags[:min(len(lags), maxLags)] {
		names = append(names, l.Replica+" (since "+l.Since.UTC().Format(time.RFC3339)+")")
	}
	if more := len(lags) - maxLags; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, generation, v1alpha1.ReasonReplicasLag,
		fmt.Sprintf("%d of %d replicas serve generation %d. Not yet: %s.", replicas-len(lags), replicas, generation, strings.Join(names, ", ")))
}

// NotReady says that no replica serves the object as it is meant, for the reason that Programmed gives.
func NotReady(generation int64) metav1.Condition {
	return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, generation,
		v1alpha1.ReasonNotProgrammed, "This generation is not programmed: see the condition Programmed.")
}

// NotReported says that it is not known which replicas serve the object at this generation.
func NotReported(generation int64) metav1.Condition {
	return condition(v1alpha1.ConditionReady, metav1.ConditionUnknown, generation,
		v1alpha1.ReasonNotReported, "The replicas have not reported what they serve.")
}

// judge makes a condition that is false for the reason of the first problem; true, and yet without reason and message,
// if there is none.
func judge(kind string, generation int64, problems []Problem) metav1.Condition {
	if len(problems) == 0 {
		return condition(kind, metav1.ConditionTrue, generation, "", "")
	}
	return condition(kind, metav1.ConditionFalse, generation, problems[0].Reason, summary(problems))
}

// summary joins the messages of the first problems, each said once.
func summary(problems []Problem) string {
	var said []string
	seen := make(map[string]bool, len(problems))
	for _, p := range problems {
		if !seen[p.Message] {
			seen[p.Message] = true
			said = append(said, p.Message)
		}
	}
	if more := len(said) - MaxProblems; more > 0 {
		said = append(said[:MaxProblems], fmt.Sprintf("And %d more.", more))
	}
	return strings.Join(said, " ")
}

func condition(kind string, value metav1.ConditionStatus, generation int64, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: value, ObservedGeneration: generation, Reason: reason, Message: message}
}
