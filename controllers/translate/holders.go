package translate

import (
	"bytes"
	"crypto/x509"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// The kinds of objects that hold values, as messages call them.
const (
	kindSecret    = "Secret"
	kindConfigMap = "ConfigMap"
)

// holder is what a Secret or ConfigMap holds. All who use it as a certificate share the outcome of one look at it.
type holder struct {
	data        map[string][]byte
	certificate func() (*x509.Certificate, error)
}

func newHolder(data map[string][]byte) *holder {
	return &holder{data: data, certificate: sync.OnceValues(func() (*x509.Certificate, error) { return parseCertificate(data) })}
}

func dataOfSecret(s *corev1.Secret) map[string][]byte { return s.Data }

func dataOfConfigMap(c *corev1.ConfigMap) map[string][]byte {
	data := make(map[string][]byte, len(c.Data)+len(c.BinaryData))
	for key, value := range c.Data {
		data[key] = []byte(value)
	}
	maps.Copy(data, c.BinaryData)
	return data
}

// holderSet knows what the objects of one kind hold, and which route looked at which.
type holderSet[O object] struct {
	kind    string
	dataOf  func(O) map[string][]byte
	objects tracker[O]
	byName  map[types.NamespacedName]*holder
	// unreadable is that of the Input.
	unreadable map[types.NamespacedName]struct{}
	// users are the routes that looked at an object, there or not; looked has the names, and those that are looked at for good.
	users  dependents[types.NamespacedName, *route]
	looked radix.Builder[types.NamespacedName]
	fixed  types.NamespacedName
	values *valueSet
}

// newHolderSet returns a set in which nobody has looked at any object but, for good, fixed, unless that is zero.
func newHolderSet[O object](kind string, dataOf func(O) map[string][]byte, values *valueSet, fixed types.NamespacedName) *holderSet[O] {
	h := &holderSet[O]{
		kind: kind, dataOf: dataOf, values: values, fixed: fixed,
		objects:    tracker[O]{},
		byName:     map[types.NamespacedName]*holder{},
		unreadable: map[types.NamespacedName]struct{}{},
		users:      dependents[types.NamespacedName, *route]{},
	}
	if h.fixed != (types.NamespacedName{}) {
		h.looked.Put(h.fixed.String(), &h.fixed)
	}
	return h
}

// update takes the present forms of some objects, nil for those that are gone, and of some names or scopes whether they are
// unreadable. It calls touch for each route for which that says something new.
func (h *holderSet[O]) update(objects map[types.NamespacedName]O, unreadable map[types.NamespacedName]bool, touch func(*route)) {
	touchUsers := func(name types.NamespacedName) {
		for r := range h.users[name] {
			touch(r)
		}
	}
	for name, object := range objects {
		if h.put(name, object) {
			touchUsers(name)
		}
	}
	for scope, is := range unreadable {
		for _, name := range h.setUnreadable(scope, is) {
			touchUsers(name)
		}
	}
}

// changedReadability returns the names, or scopes, of which one of two holds: they were unreadable, they are.
func (h *holderSet[O]) changedReadability(now []types.NamespacedName) map[types.NamespacedName]bool {
	out := map[types.NamespacedName]bool{}
	for scope := range h.unreadable {
		out[scope] = false
	}
	for _, scope := range now {
		if _, before := out[scope]; before {
			delete(out, scope)
		} else {
			out[scope] = true
		}
	}
	return out
}

// setUnreadable says whether a scope can be read, and returns the objects of which that says something new.
func (h *holderSet[O]) setUnreadable(scope types.NamespacedName, unreadable bool) (changed []types.NamespacedName) {
	if _, before := h.unreadable[scope]; before == unreadable {
		return nil
	}
	if unreadable {
		h.unreadable[scope] = struct{}{}
	} else {
		delete(h.unreadable, scope)
	}
	if scope.Name != "" {
		return []types.NamespacedName{scope}
	}
	for name := range h.users {
		if scope.Namespace == "" || scope.Namespace == name.Namespace {
			changed = append(changed, name)
		}
	}
	return changed
}

// put takes the present form of an object, nil for none. It reports whether its values are others.
func (h *holderSet[O]) put(name types.NamespacedName, object O) bool {
	if !h.objects.put(name, object) {
		return false
	}
	var none O
	if object == none {
		delete(h.byName, name)
	} else {
		data := h.dataOf(object)
		if old := h.byName[name]; old != nil && maps.EqualFunc(old.data, data, bytes.Equal) {
			return false
		}
		h.byName[name] = newHolder(data)
	}
	h.values.touch(h.kind, name)
	return true
}

// find returns what an object holds, or a sentence that says why there is nothing.
func (h *holderSet[O]) find(name types.NamespacedName) (*holder, string) {
	if found := h.byName[name]; found != nil {
		return found, ""
	}
	for _, scope := range []types.NamespacedName{name, {Namespace: name.Namespace}, {}} {
		if _, ok := h.unreadable[scope]; ok {
			return nil, h.kind + " " + name.String() + " can't be read by this installation."
		}
	}
	return nil, h.kind + " " + name.String() + " not found."
}

// link notes that a route looked at objects.
func (h *holderSet[O]) link(r *route, names []types.NamespacedName) {
	for _, name := range names {
		h.users.add(name, r)
		if key := name.String(); h.looked.Get(key) == nil {
			h.looked.Put(key, &name)
		}
	}
}

// unlink takes back what link noted.
func (h *holderSet[O]) unlink(r *route, names []types.NamespacedName) {
	for _, name := range names {
		h.users.remove(name, r)
		if len(h.users[name]) == 0 && name != h.fixed {
			h.looked.Put(name.String(), nil)
		}
	}
}

// value returns one value, or all of them if ref has no key, or else a sentence that says why there is none.
func (h *holder) value(ref snapshot.Ref) (value []byte, why string) {
	if ref.Key == "" {
		return snapshot.MarshalEntries(h.data), ""
	}
	value, ok := h.data[ref.Key]
	if !ok {
		return nil, kindOf(ref) + " " + nameIn(ref).String() + " has no " + ref.Key + "."
	}
	return value, ""
}

// kindOf is the kind of the object that a Ref is to.
func kindOf(ref snapshot.Ref) string {
	if ref.Kind == snapshot.InConfigMap {
		return kindConfigMap
	}
	return kindSecret
}

// nameIn is the name of that object.
func nameIn(ref snapshot.Ref) types.NamespacedName {
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
}
