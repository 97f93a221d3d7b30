package translate

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestTrackerTellsChanges(t *testing.T) {
	a, b, c := named("a"), named("b"), named("c")
	a2, c2 := named("a"), named("c")
	steps := []struct {
		name    string
		objects []*corev1.Service
		want    []string
	}{
		{"nothing", nil, nil},
		{"all are new", list(a, b), []string{"+a", "+b"}},
		{"the same in another order", list(b, a), nil},
		{"one replaced", list(a2, b), []string{"~a"}},
		{"one removed", list(b), []string{"-a"}},
		{"one comes, one goes", list(c), []string{"+c", "-b"}},
		{"the first form of one that was removed", list(a, c), []string{"+a"}},
		{"one replaced, one removed, one added", list(c2, b), []string{"+b", "-a", "~c"}},
		{"all are gone", nil, []string{"-b", "-c"}},
	}
	tracker := tracker[*corev1.Service]{}
	for _, step := range steps {
		var got []string
		for name, o := range tracker.changed(step.objects) {
			got = append(got, describe(name, tracker[name], o))
			if !tracker.put(name, o) {
				t.Errorf("%s: %s was said to change and does not", step.name, name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
		for _, o := range step.objects {
			if tracker.put(nameOf(o), o) {
				t.Errorf("%s: %s changes again", step.name, o.Name)
			}
		}
		if len(tracker) != len(step.objects) {
			t.Errorf("%s: %d objects are kept of %d", step.name, len(tracker), len(step.objects))
		}
	}
}

func named(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func list(objects ...*corev1.Service) []*corev1.Service { return objects }

func describe(name types.NamespacedName, old, now *corev1.Service) string {
	switch {
	case old == nil:
		return "+" + name.Name
	case now == nil:
		return "-" + name.Name
	}
	return "~" + name.Name
}

func TestPlacesAreOrderedByAgeThenNames(t *testing.T) {
	object := func(hours int, namespace, name string) *corev1.Service {
		o := named(name)
		o.Namespace = namespace
		if hours > 0 {
			o.CreationTimestamp = metav1.NewTime(time.Date(2026, 1, 1, hours, 0, 0, 0, time.FixedZone("", 3600)))
		}
		return o
	}
	ordered := []*corev1.Service{
		object(0, "b", "b"), // without an age
		object(1, "b", "b"), object(2, "a", "b"), object(10, "a", "a"), object(10, "a", "a-b"), object(10, "a", "a.b"),
		object(10, "a", "ab"), object(10, "b", "a"),
	}
	for i := range ordered[1:] {
		if a, b := placeOf(ordered[i]), placeOf(ordered[i+1]); a >= b || strings.HasPrefix(b, a) {
			t.Errorf("%q does not come before %q", a, b)
		}
	}
}
