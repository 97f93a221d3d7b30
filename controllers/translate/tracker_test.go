package translate

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	tracker := newTracker[*corev1.Service]()
	for _, step := range steps {
		var got []string
		for _, c := range tracker.update(step.objects) {
			got = append(got, describe(c))
		}
		slices.Sort(got)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
		if len(tracker.byName) != len(step.objects) || len(tracker.present) != len(step.objects) {
			t.Errorf("%s: %d names and %d objects are kept of %d", step.name, len(tracker.byName), len(tracker.present), len(step.objects))
		}
	}
}

func named(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func list(objects ...*corev1.Service) []*corev1.Service { return objects }

func describe(c change[*corev1.Service]) string {
	switch {
	case c.old == nil:
		return "+" + c.name.Name
	case c.new == nil:
		return "-" + c.name.Name
	}
	return "~" + c.name.Name
}

func TestSpliceKeepsOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	for range 500 {
		var sorted, removed, added, want []int
		for e := range 20 {
			switch r.IntN(4) {
			case 0:
				sorted, removed = append(sorted, e), append(removed, e)
			case 1:
				added, want = append(added, e), append(want, e)
			case 2:
				sorted, want = append(sorted, e), append(want, e)
			}
		}
		shuffle(r, removed)
		shuffle(r, added)
		about := fmt.Sprint(sorted, " - ", removed, " + ", added)
		before := slices.Clone(sorted)
		if got := splice(sorted, removed, added, cmp.Compare[int]); !slices.Equal(got, want) {
			t.Fatalf("%s = %v, want %v", about, got, want)
		}
		if !slices.Equal(sorted, before) {
			t.Fatalf("%s: sorted was written", about)
		}
	}
}
