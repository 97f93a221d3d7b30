package translate

import (
	"reflect"
	"time"

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

// placeOf returns the place of an object in the order of precedence, as a text to compare: the older first, then by
// "namespace/name", as Gateway API has it. Places of different objects differ, and none is the beginning of another.
func placeOf(o metav1.Object) string {
	return o.GetCreationTimestamp().UTC().Format(time.RFC3339) + " " + nameOf(o).String() + " "
}

// tracker has the present objects of a kind. Objects are told apart by pointer, as caches replace them.
type tracker[O object] map[types.NamespacedName]O

// changed returns the objects of a list that are not the present ones, by name, and nil for each that is not in the list.
func (t tracker[O]) changed(objects []O) map[types.NamespacedName]O {
	out := map[types.NamespacedName]O{}
	known := 0
	for _, o := range objects {
		name := nameOf(o)
		old, ok := t[name]
		if ok {
			known++
		}
		if old != o {
			out[name] = o
		}
	}
	if known < len(t) {
		t.addMissing(out, objects)
	}
	return out
}

// addMissing adds nil for each present object that is not in the list.
func (t tracker[O]) addMissing(to map[types.NamespacedName]O, objects []O) {
	listed := make(map[types.NamespacedName]struct{}, len(objects))
	for _, o := range objects {
		listed[nameOf(o)] = struct{}{}
	}
	for name := range t {
		if _, ok := listed[name]; !ok {
			var none O
			to[name] = none
		}
	}
}

// put makes o, which may be nil, the present object of that name. It reports whether that is another one than before.
func (t tracker[O]) put(name types.NamespacedName, o O) bool {
	var none O
	switch {
	case t[name] == o:
		return false
	case o == none:
		delete(t, name)
	default:
		t[name] = o
	}
	return true
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

// taken returns a map and leaves an empty one in its place. A map that was large once is slow to walk and to clear for ever.
func taken[K comparable, V any](m *map[K]V) map[K]V {
	out := *m
	*m = map[K]V{}
	return out
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
