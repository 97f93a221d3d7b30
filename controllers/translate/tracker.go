package translate

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// object is a pointer to a Kubernetes object.
type object interface {
	comparable
	metav1.Object
}

func nameOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// compareObjects orders objects by precedence: the older first, then by namespace and name.
func compareObjects(a, b metav1.Object) int {
	if c := a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time); c != 0 {
		return c
	}
	return compareNames(nameOf(a), nameOf(b))
}

// tracker tells what has changed in a list of objects since the last time. Objects are told apart by pointer, as
// caches replace them: an object that has not changed costs one look-up in a map of pointers.
type tracker[O object] struct {
	byName map[types.NamespacedName]O
	// present has the objects of byName, with the last round in which they were counted.
	present map[O]uint64
	round   uint64
}

// change is one object that was added (no old one), removed (no new one) or replaced.
type change[O object] struct {
	name     types.NamespacedName
	old, new O
}

func newTracker[O object]() *tracker[O] {
	return &tracker[O]{byName: map[types.NamespacedName]O{}, present: map[O]uint64{}}
}

// update makes objects the present ones and returns what has changed, in no particular order.
func (t *tracker[O]) update(objects []O) []change[O] {
	var changes []change[O]
	for _, o := range objects {
		if _, ok := t.present[o]; ok {
			continue
		}
		name := nameOf(o)
		old := t.byName[name]
		delete(t.present, old)
		t.byName[name], t.present[o] = o, t.round
		changes = append(changes, change[O]{name: name, old: old, new: o})
	}
	if len(t.present) > len(objects) {
		changes = append(changes, t.sweep(objects)...)
	}
	return changes
}

// sweep forgets the objects that are not among those given.
func (t *tracker[O]) sweep(objects []O) []change[O] {
	t.round++
	for _, o := range objects {
		t.present[o] = t.round
	}
	var gone []change[O]
	for o, round := range t.present {
		if round != t.round {
			name := nameOf(o)
			delete(t.present, o)
			delete(t.byName, name)
			gone = append(gone, change[O]{name: name, old: o})
		}
	}
	return gone
}

// sameObject reports whether two objects of the same name are forms of one, and not one that took the place of another.
func sameObject(a, b metav1.Object) bool {
	return a.GetUID() == b.GetUID() && a.GetCreationTimestamp().Time.Equal(b.GetCreationTimestamp().Time)
}

// sameSpec reports whether two forms of one object have the same spec. It compares the specs only of objects that have
// no generation.
func sameSpec(a, b metav1.Object, specA, specB any) bool {
	return a.GetGeneration() == b.GetGeneration() && (a.GetGeneration() != 0 || reflect.DeepEqual(specA, specB))
}

// dependents knows who has to be looked at again when a K changes.
type dependents[K, V comparable] map[K]map[V]struct{}

func (d dependents[K, V]) add(k K, v V) {
	if d[k] == nil {
		d[k] = map[V]struct{}{}
	}
	d[k][v] = struct{}{}
}

func (d dependents[K, V]) remove(k K, v V) {
	delete(d[k], v)
	if len(d[k]) == 0 {
		delete(d, k)
	}
}

// splice returns a new slice: sorted, which is in the order of compare, without removed and with added. For few changes
// to many elements it costs little more than a copy.
func splice[E any](sorted, removed, added []E, compare func(a, b E) int) []E {
	slices.SortFunc(removed, compare)
	slices.SortFunc(added, compare)
	out := slices.Grow[[]E](nil, len(sorted)-len(removed)+len(added))
	for len(removed)+len(added) > 0 {
		if len(added) == 0 || len(removed) > 0 && compare(removed[0], added[0]) <= 0 {
			i, _ := slices.BinarySearchFunc(sorted, removed[0], compare)
			out, sorted, removed = append(out, sorted[:i]...), sorted[i+1:], removed[1:]
			continue
		}
		i, _ := slices.BinarySearchFunc(sorted, added[0], compare)
		out, sorted, added = append(append(out, sorted[:i]...), added[0]), sorted[i:], added[1:]
	}
	return append(out, sorted...)
}

func compareNames(a, b types.NamespacedName) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
