package translate

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

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
	objects *tracker[*corev1.Secret]
	byName  map[types.NamespacedName]*secret
	// unreadable is Input.Unreadable.
	unreadable map[types.NamespacedName]struct{}
	// users are the routes that looked at a Secret, there or not.
	users dependents[types.NamespacedName, *route]

	uses map[snapshot.Ref]*secretUse
	// refs are the keys of uses by their Secret.
	refs dependents[types.NamespacedName, snapshot.Ref]
	// listed is never written: snapshots hold it.
	listed []*snapshot.Secret
	// touched may have another value than what is listed.
	touched map[snapshot.Ref]struct{}
}

type secretUse struct {
	count int
	// listed is nil while there is no such value.
	listed *snapshot.Secret
}

func newSecretSet() *secretSet {
	return &secretSet{
		objects: newTracker[*corev1.Secret](),
		byName:  map[types.NamespacedName]*secret{},
		users:   dependents[types.NamespacedName, *route]{},
		uses:    map[snapshot.Ref]*secretUse{},
		refs:    dependents[types.NamespacedName, snapshot.Ref]{},
		touched: map[snapshot.Ref]struct{}{},
	}
}

// update takes the present Secrets, and returns those of which there is something new to say.
func (s *secretSet) update(objects []*corev1.Secret, unreadable []types.NamespacedName) (changed []types.NamespacedName) {
	for _, c := range s.objects.update(objects) {
		if s.put(c.name, c.new) {
			changed = append(changed, c.name)
		}
	}
	now := make(map[types.NamespacedName]struct{}, len(unreadable))
	for _, u := range unreadable {
		now[u] = struct{}{}
	}
	if !maps.Equal(now, s.unreadable) {
		s.unreadable = now
		changed = slices.AppendSeq(changed, maps.Keys(s.users))
	}
	return changed
}

// put takes a Secret that was added, replaced or removed (nil). It reports whether its values are others.
func (s *secretSet) put(name types.NamespacedName, object *corev1.Secret) bool {
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

// looked returns the names of the Secrets that routes looked at.
func (s *secretSet) looked() []types.NamespacedName {
	return slices.SortedFunc(maps.Keys(s.users), compareNames)
}

func (s *secretSet) link(r *route) {
	for _, name := range r.secrets {
		s.users.add(name, r)
	}
}

func (s *secretSet) unlink(r *route) {
	for _, name := range r.secrets {
		s.users.remove(name, r)
	}
}

// retain counts a reference to each of the values.
func (s *secretSet) retain(refs []snapshot.Ref) {
	for _, ref := range refs {
		u := s.uses[ref]
		if u == nil {
			u = &secretUse{}
			s.uses[ref] = u
			s.refs.add(secretOf(ref), ref)
			s.touched[ref] = struct{}{}
		}
		u.count++
	}
}

// release takes back what retain counted.
func (s *secretSet) release(refs []snapshot.Ref) {
	for _, ref := range refs {
		u := s.uses[ref]
		if u.count--; u.count == 0 {
			s.touched[ref] = struct{}{}
		}
	}
}

// list returns the values that something refers to, by their references, and whether they differ from the last time.
func (s *secretSet) list() ([]*snapshot.Secret, bool) {
	var added, removed []*snapshot.Secret
	for ref := range s.touched {
		u := s.uses[ref]
		fresh := s.value(ref, u)
		if !sameSecret(u.listed, fresh) {
			added, removed = appendPresent(added, fresh), appendPresent(removed, u.listed)
			u.listed = fresh
		}
		if u.count == 0 {
			delete(s.uses, ref)
			s.refs.remove(secretOf(ref), ref)
		}
	}
	clear(s.touched)
	if len(added)+len(removed) == 0 {
		return s.listed, false
	}
	s.listed = splice(s.listed, removed, added, compareSecrets)
	return s.listed, true
}

// value is what the snapshot should have; nil if nothing.
func (s *secretSet) value(ref snapshot.Ref, u *secretUse) *snapshot.Secret {
	found := s.byName[secretOf(ref)]
	if u.count == 0 || found == nil {
		return nil
	}
	value, ok := found.data[ref.Key]
	if !ok {
		return nil
	}
	return (&snapshot.Secret{Ref: ref, Value: value}).Seal()
}

func sameSecret(a, b *snapshot.Secret) bool {
	return a == b || a != nil && b != nil && a.Digest() == b.Digest()
}

// appendPresent appends p unless it is nil.
func appendPresent[P any](to []*P, p *P) []*P {
	if p == nil {
		return to
	}
	return append(to, p)
}

func secretOf(ref snapshot.Ref) types.NamespacedName {
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
}

func compareSecrets(a, b *snapshot.Secret) int {
	return cmp.Or(
		compareNames(secretOf(a.Ref), secretOf(b.Ref)),
		strings.Compare(a.Ref.Key, b.Ref.Key),
	)
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
		switch {
		case found == nil:
			j.notResolved(secretNotFound(subject, at, why))
			usable = false
		case found.data[ref.Key] == nil:
			j.notResolved(secretNotFound(subject, at, "Secret "+secretOf(ref).String()+" has no "+ref.Key+"."))
			usable = false
		default:
			j.refs = append(j.refs, ref)
		}
	}
	return usable
}
