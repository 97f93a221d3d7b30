package translate

import (
	"cmp"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// valueSet has the values that the snapshot needs: those that a policy or a filter refers to, and no others.
type valueSet struct {
	// find returns what the object of a Ref holds; nil if it is not there.
	find func(snapshot.Ref) *holder
	uses map[snapshot.Ref]int
	// refs are the keys of uses by their object.
	refs dependents[holderKey, snapshot.Ref]
	list radix.Builder[snapshot.Secret]
	// touched may have another value than what is listed.
	touched map[snapshot.Ref]struct{}
}

// holderKey names an object that holds values.
type holderKey struct {
	kind string
	types.NamespacedName
}

func keyOf(ref snapshot.Ref) holderKey { return holderKey{kindOf(ref), nameIn(ref)} }

func newValueSet() *valueSet {
	return &valueSet{
		uses: map[snapshot.Ref]int{}, refs: dependents[holderKey, snapshot.Ref]{}, touched: map[snapshot.Ref]struct{}{},
	}
}

// touch says that an object may hold something else.
func (s *valueSet) touch(kind string, name types.NamespacedName) {
	for ref := range s.refs[holderKey{kind, name}] {
		s.touched[ref] = struct{}{}
	}
}

// retain counts a reference to each of the values.
func (s *valueSet) retain(refs []snapshot.Ref) {
	for _, ref := range refs {
		if s.uses[ref] == 0 {
			s.refs.add(keyOf(ref), ref)
			s.touched[ref] = struct{}{}
		}
		s.uses[ref]++
	}
}

// release takes back what retain counted.
func (s *valueSet) release(refs []snapshot.Ref) {
	for _, ref := range refs {
		s.uses[ref]--
		if s.uses[ref] == 0 {
			s.touched[ref] = struct{}{}
		}
	}
}

// settle brings the list up to date.
func (s *valueSet) settle() {
	for ref := range taken(&s.touched) {
		key := ref.String()
		if fresh := s.value(ref); !sameSecret(s.list.Get(key), fresh) {
			s.list.Put(key, fresh)
		}
		if s.uses[ref] == 0 {
			delete(s.uses, ref)
			s.refs.remove(keyOf(ref), ref)
		}
	}
}

// value is what the snapshot should have; nil if nothing.
func (s *valueSet) value(ref snapshot.Ref) *snapshot.Secret {
	found := s.find(ref)
	if s.uses[ref] == 0 || found == nil {
		return nil
	}
	value, why := found.value(ref)
	if why != "" {
		return nil
	}
	return (&snapshot.Secret{Ref: ref, Value: value}).Seal()
}

func sameSecret(a, b *snapshot.Secret) bool {
	return a == b || a != nil && b != nil && a.Digest() == b.Digest()
}

// find returns what the object of a Ref holds, or a sentence that says why there is nothing.
func (e *environment) find(ref snapshot.Ref) (*holder, string) {
	if ref.Kind == snapshot.InConfigMap {
		return e.configMaps.find(nameIn(ref))
	}
	return e.secrets.find(nameIn(ref))
}

// secret looks a Secret up, and says what keeps it from being used.
func (j *job) secret(name types.NamespacedName) (*holder, string) {
	return j.holder(snapshot.Ref{Namespace: name.Namespace, Name: name.Name})
}

// holder looks the object of a Ref up, and says what keeps it from being used.
func (j *job) holder(ref snapshot.Ref) (*holder, string) {
	looked := &j.translation.secrets
	if ref.Kind == snapshot.InConfigMap {
		looked = &j.translation.configMaps
	}
	if name := nameIn(ref); !slices.Contains(*looked, name) {
		*looked = append(*looked, name)
	}
	return j.find(ref)
}

// resolve finds the values that a filter of subject names; where it names no namespace, in that of the object. It reports
// whether all are there.
func (j *job) resolve(subject string, refs []snapshot.Ref, at *field.Path) bool {
	usable := true
	for _, ref := range refs {
		ref.Namespace = cmp.Or(ref.Namespace, j.self.Namespace)
		// No grant permits it: whoever may write a route could read the Secrets of others.
		if ref.Namespace != j.self.Namespace {
			j.notResolved(valueNotPermitted(subject, at, ref))
			usable = false
			continue
		}
		found, why := j.holder(ref)
		if found != nil {
			_, why = found.value(ref)
		}
		if why != "" {
			j.notResolved(valueNotFound(subject, at, ref, why))
			usable = false
			continue
		}
		j.refs = append(j.refs, ref)
	}
	return usable
}

// value is the value of a Ref that was resolved.
func (j *job) value(ref snapshot.Ref) ([]byte, error) {
	ref.Namespace = cmp.Or(ref.Namespace, j.self.Namespace)
	found, why := j.find(ref)
	if found == nil {
		return nil, errors.New(why)
	}
	value, why := found.value(ref)
	if why != "" {
		return nil, errors.New(why)
	}
	return value, nil
}
