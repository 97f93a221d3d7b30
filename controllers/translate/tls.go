package translate

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/filter/redirecthttp"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// A policy of TLS belongs to a host. Routes claim it for their hosts, and contests say who decides; whoever asks for the
// same as the one who decides agrees, and the others conflict.

// security is what a route asks for the connections to its hosts.
type security struct {
	secret     types.NamespacedName
	minVersion snapshot.TLSVersion
}

// tlsClaim is a wish of one object for some of its hosts.
type tlsClaim struct {
	hosts []string
	security
}

func (c tlsClaim) equal(o tlsClaim) bool {
	return c.security == o.security && slices.Equal(c.hosts, o.hosts)
}

// secure translates spec.tls, and says what is wrong with the certificate.
func (j *job) secure(hosts []string) {
	want := j.route.Spec.TLS
	if want == nil || len(hosts) == 0 {
		return
	}
	name := types.NamespacedName{Namespace: j.self.Namespace, Name: want.SecretName}
	j.claimTLS(tlsClaim{hosts: hosts, security: security{secret: name, minVersion: j.minVersion(want.MinVersion)}})
}

// claimTLS adds a claim, and says what is wrong with the certificate.
func (j *job) claimTLS(c tlsClaim) {
	j.tls = append(j.tls, c)
	name := c.secret
	found, why := j.secret(name)
	if found == nil {
		j.notResolved(invalidCertificate(why))
		return
	}
	leaf, err := found.certificate()
	if err != nil {
		j.notResolved(unusableCertificate(name, err))
		return
	}
	mismatched := slices.DeleteFunc(slices.Clone(c.hosts), func(h string) bool { return leaf.VerifyHostname(h) == nil })
	if len(mismatched) > 0 {
		j.remarks = append(j.remarks, nameMismatch(name, mismatched))
	}
}

// minVersion is the oldest version that is spoken. Of a version that this program does not know, its newest is the
// closest to what was asked for.
func (j *job) minVersion(v v1alpha1.TLSVersion) snapshot.TLSVersion {
	switch v {
	case "", v1alpha1.TLSVersion12:
		return snapshot.TLS12
	case v1alpha1.TLSVersion13:
		return snapshot.TLS13
	}
	j.notAccepted(unsupportedTLSVersion(v))
	return snapshot.TLS13
}

// redirectHTTP returns the filters that spec.tls asks for.
func (j *job) redirectHTTP() []snapshot.Filter {
	if j.route.Spec.TLS == nil || !j.route.Spec.TLS.RedirectHTTP {
		return nil
	}
	return []snapshot.Filter{{
		Name:   redirecthttp.Name,
		Config: mustMarshal(redirecthttp.Config{Port: int(j.options.HTTPSRedirectPort)}),
		Origin: j.origin(field.NewPath("spec", "tls", "redirectHTTP")),
	}}
}

// parseCertificate returns the certificate itself of what a Secret holds, once all of its chain is read and the key is
// found to be its own. When it is valid is for clients to judge: there is no clock here.
func parseCertificate(data map[string][]byte) (*x509.Certificate, error) {
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if len(data[key]) == 0 {
			return nil, fmt.Errorf("it has no %s", key)
		}
	}
	pair, err := tls.X509KeyPair(data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	for i, der := range pair.Certificate[1:] {
		if _, err := x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("certificate %d of %d: %w", i+2, len(pair.Certificate), err)
		}
	}
	return pair.Leaf, nil
}

// tlsSet is the policies of TLS, one a host.
type tlsSet struct {
	claims *contests[string, tlsWish]
	values *valueSet
	list   radix.Builder[snapshot.TLSPolicy]
	// touched may have another policy than what is listed.
	touched map[string]struct{}
}

// tlsWish is one of the claims of a route.
type tlsWish struct {
	route *route
	index int
}

func compareTLSWishes(a, b tlsWish) int {
	return cmp.Or(strings.Compare(a.route.place, b.route.place), cmp.Compare(a.index, b.index))
}

func (w tlsWish) security() security { return w.route.tls[w.index].security }

func newTLSSet(o Options, values *valueSet) *tlsSet {
	s := &tlsSet{
		claims:  newContests[string](compareTLSWishes),
		values:  values,
		touched: map[string]struct{}{},
	}
	if o.DefaultCertificate != (types.NamespacedName{}) {
		s.put("", security{secret: o.DefaultCertificate, minVersion: snapshot.TLS12}.policy("", snapshot.Origin{}))
	}
	return s
}

func (s security) policy(host string, origin snapshot.Origin) *snapshot.TLSPolicy {
	ref := func(key string) snapshot.Ref {
		return snapshot.Ref{Namespace: s.secret.Namespace, Name: s.secret.Name, Key: key}
	}
	return (&snapshot.TLSPolicy{
		Host: host, Origin: origin, MinVersion: s.minVersion,
		Certificate: ref(corev1.TLSCertKey), Key: ref(corev1.TLSPrivateKeyKey),
	}).Seal()
}

// renew puts what a route claims now in the place of what it claimed before.
func (s *tlsSet) renew(r *route, before []tlsClaim) {
	s.touch(r.tls) // their policies name the route's generation
	if slices.EqualFunc(r.tls, before, tlsClaim.equal) {
		return
	}
	s.withdraw(r, before)
	for i, c := range r.tls {
		for _, host := range c.hosts {
			s.claims.enter(host, tlsWish{r, i})
		}
	}
}

// withdraw takes back what a route claimed.
func (s *tlsSet) withdraw(r *route, claims []tlsClaim) {
	s.touch(claims)
	for i, c := range claims {
		for _, host := range c.hosts {
			s.claims.withdraw(host, tlsWish{r, i})
		}
	}
}

func (s *tlsSet) touch(claims []tlsClaim) {
	for _, c := range claims {
		for _, host := range c.hosts {
			s.touched[host] = struct{}{}
		}
	}
}

// conflicts returns a problem for each object that decides otherwise about a host of r, which may be r itself.
func (s *tlsSet) conflicts(r *route) (out []status.Problem) {
	lost := map[*route][]string{}
	var winners []*route
	for _, c := range r.tls {
		for _, host := range c.hosts {
			by := s.claims.holder(host)
			if by.security() == c.security {
				continue
			}
			if lost[by.route] == nil {
				winners = append(winners, by.route)
			}
			lost[by.route] = append(lost[by.route], host)
		}
	}
	for _, by := range winners {
		out = append(out, tlsConflicted(by.object, lost[by]))
	}
	return out
}

// settle decides who holds which host, tells those who take part, and brings the list up to date.
func (s *tlsSet) settle(tell func(*route)) {
	s.claims.settle(func(w tlsWish) { tell(w.route) })
	for host := range taken(&s.touched) {
		s.put(host, s.policy(host))
	}
}

// put makes fresh, which may be nil, the policy of a host, unless the present one says the same.
func (s *tlsSet) put(host string, fresh *snapshot.TLSPolicy) {
	old := s.list.Get(host)
	if old == fresh || old != nil && fresh != nil && old.Digest() == fresh.Digest() {
		return
	}
	s.values.retain(refsOf(fresh))
	s.values.release(refsOf(old))
	s.list.Put(host, fresh)
}

// policy is what the snapshot should have for a host; nil if nothing.
func (s *tlsSet) policy(host string) *snapshot.TLSPolicy {
	w := s.claims.holder(host)
	if w.route == nil {
		return nil
	}
	o := w.route.object
	return w.security().policy(host, snapshot.Origin{
		Kind: o.kind(), Namespace: o.GetNamespace(), Name: o.GetName(), Generation: o.GetGeneration(), Field: o.tlsField(w.index),
	})
}

func refsOf(p *snapshot.TLSPolicy) []snapshot.Ref {
	if p == nil {
		return nil
	}
	return []snapshot.Ref{p.Certificate, p.Key}
}
