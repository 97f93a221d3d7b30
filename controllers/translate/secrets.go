package translate

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// secret is what a Secret holds. All who use it as a certificate share the outcome of one look at it.
type secret struct {
	data        map[string][]byte
	certificate func() (*x509.Certificate, error)
}

func newSecret(s *corev1.Secret) *secret {
	return &secret{
		data:        s.Data,
		certificate: sync.OnceValues(func() (*x509.Certificate, error) { return parseCertificate(s.Data) }),
	}
}

// secretSet knows what Secrets hold, who looked at which, and the values that the snapshot needs: those that a policy or
// a filter refers to, and no others.
type secretSet struct {
	objects tracker[*corev1.Secret]
	byName  map[types.NamespacedName]*secret
	// unreadable is Input.Unreadable.
	unreadable map[types.NamespacedName]struct{}
	// users are the routes that looked at a Secret, there or not; looked has the names, and that of the default certificate.
	users  dependents[types.NamespacedName, *route]
	looked radix.Builder[types.NamespacedName]
	fixed  types.NamespacedName

	uses map[snapshot.Ref]int
	// refs are the keys of uses by their Secret.
	refs dependents[types.NamespacedName, snapshot.Ref]
	list radix.Builder[snapshot.Secret]
	// touched may have another value than what is listed.
	touched map[snapshot.Ref]struct{}
}

// newSecretSet returns a set in which nobody has looked at any Secret but, for good, the default certificate, if there is one.
func newSecretSet(defaultCertificate types.NamespacedName) *secretSet {
	s := &secretSet{
		objects:    tracker[*corev1.Secret]{},
		byName:     map[types.NamespacedName]*secret{},
		unreadable: map[types.NamespacedName]struct{}{},
		users:      dependents[types.NamespacedName, *route]{},
		fixed:      defaultCertificate,
		uses:       map[snapshot.Ref]int{},
		refs:       dependents[types.NamespacedName, snapshot.Ref]{},
		touched:    map[snapshot.Ref]struct{}{},
	}
	if s.fixed != (types.NamespacedName{}) {
		s.looked.Put(s.fixed.String(), &s.fixed)
	}
	return s
}

// changedReadability returns the names, or scopes, of which one of two holds: they were unreadable, they are.
func (s *secretSet) changedReadability(now []types.NamespacedName) map[types.NamespacedName]bool {
	out := map[types.NamespacedName]bool{}
	for scope := range s.unreadable {
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

// setUnreadable says whether a scope can be read, and returns the Secrets of which that says something new.
func (s *secretSet) setUnreadable(scope types.NamespacedName, unreadable bool) (changed []types.NamespacedName) {
	if _, before := s.unreadable[scope]; before == unreadable {
		return nil
	}
	if unreadable {
		s.unreadable[scope] = struct{}{}
	} else {
		delete(s.unreadable, scope)
	}
	if scope.Name != "" {
		return []types.NamespacedName{scope}
	}
	for name := range s.users {
		if scope.Namespace == "" || scope.Namespace == name.Namespace {
			changed = append(changed, name)
		}
	}
	return changed
}

// put takes the present form of a Secret, nil for none. It reports whether its values are others.
func (s *secretSet) put(name types.NamespacedName, object *corev1.Secret) bool {
	if !s.objects.put(name, object) {
		return false
	}
	old := s.byName[name]
	if object != nil && old != nil && maps.EqualFunc(old.data, object.Data, bytes.Equal) {
		return false
	}
	if object == nil {
		delete(s.byName, name)
	} else {
		s.byName[name] = newSecret(object)
	}
	for ref := range s.refs[name] {
		s.touched[ref] = struct{}{}
	}
	return true
}

// find returns a Secret, or a sentence that says why there is none.
func (s *secretSet) find(name types.NamespacedName) (*secret, string) {
	if found := s.byName[name]; found != nil {
		return found, ""
	}
	for _, scope := range []types.NamespacedName{name, {Namespace: name.Namespace}, {}} {
		if _, ok := s.unreadable[scope]; ok {
			return nil, "Secret " + name.String() + " can't be read by this installation."
		}
	}
	return nil, "Secret " + name.String() + " not found."
}

func (s *secretSet) link(r *route) {
	for _, name := range r.secrets {
		s.users.add(name, r)
		if key := name.String(); s.looked.Get(key) == nil {
			s.looked.Put(key, &name)
		}
	}
}

func (s *secretSet) unlink(r *route) {
	for _, name := range r.secrets {
		s.users.remove(name, r)
		if len(s.users[name]) == 0 && name != s.fixed {
			s.looked.Put(name.String(), nil)
		}
	}
}

// retain counts a reference to each of the values.
func (s *secretSet) retain(refs []snapshot.Ref) {
	for _, ref := range refs {
		if s.uses[ref] == 0 {
			s.refs.add(secretOf(ref), ref)
			s.touched[ref] = struct{}{}
		}
		s.uses[ref]++
	}
}

// release takes back what retain counted.
func (s *secretSet) release(refs []snapshot.Ref) {
	for _, ref := range refs {
		s.uses[ref]--
		if s.uses[ref] == 0 {
			s.touched[ref] = struct{}{}
		}
	}
}

// settle brings the list up to date.
func (s *secretSet) settle() {
	for ref := range taken(&s.touched) {
		key := ref.String()
		if fresh := s.value(ref); !sameSecret(s.list.Get(key), fresh) {
			s.list.Put(key, fresh)
		}
		if s.uses[ref] == 0 {
			delete(s.uses, ref)
			s.refs.remove(secretOf(ref), ref)
		}
	}
}

// value is what the snapshot should have; nil if nothing.
func (s *secretSet) value(ref snapshot.Ref) *snapshot.Secret {
	found := s.byName[secretOf(ref)]
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

func secretOf(ref snapshot.Ref) types.NamespacedName {
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
}

// secret looks a Secret up, and says what keeps it from being used.
func (j *job) secret(name types.NamespacedName) (*secret, string) {
	if !slices.Contains(j.translation.secrets, name) {
		j.translation.secrets = append(j.translation.secrets, name)
	}
	return j.environment.secrets.find(name)
}

// resolve finds the values that a filter of subject names; where it names no namespace, in that of the route. It reports
// whether all are there.
func (j *job) resolve(subject string, refs []snapshot.Ref, at *field.Path) bool {
	usable := true
	for _, ref := range refs {
		ref.Namespace = cmp.Or(ref.Namespace, j.route.Namespace)
		// No grant permits it: whoever may write a route could read the Secrets of others.
		if ref.Namespace != j.route.Namespace {
			j.notResolved(secretNotPermitted(subject, at, secretOf(ref)))
			usable = false
			continue
		}
		found, why := j.secret(secretOf(ref))
		if found != nil {
			_, why = found.value(ref)
		}
		if why != "" {
			j.notResolved(secretNotFound(subject, at, why))
			usable = false
			continue
		}
		j.refs = append(j.refs, ref)
	}
	return usable
}

// value is the value of a Ref that was resolved.
func (j *job) value(ref snapshot.Ref) ([]byte, error) {
	ref.Namespace = cmp.Or(ref.Namespace, j.route.Namespace)
	found, why := j.environment.secrets.find(secretOf(ref))
	if found == nil {
		return nil, errors.New(why)
	}
	value, why := found.value(ref)
	if why != "" {
		return nil, errors.New(why)
	}
	return value, nil
}

// value returns one value of a secret, or all of them if ref has no key, or else a sentence that says why there is none.
func (s *secret) value(ref snapshot.Ref) (value []byte, why string) {
	if ref.Key == "" {
		return snapshot.MarshalEntries(s.data), ""
	}
	value, ok := s.data[ref.Key]
	if !ok {
		return nil, "Secret " + secretOf(ref).String() + " has no " + ref.Key + "."
	}
	return value, ""
}
