package envtest

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/test/testcert"
)

// permit lets Penstock read Secrets: those of a namespace, or all.
func permit(t *testing.T, namespace string) *unstructured.Unstructured {
	t.Helper()
	return bind(t, "secrets", namespace)
}

// bind lets Penstock read secrets or configmaps: those of a namespace, or all.
func bind(t *testing.T, resource, namespace string) *unstructured.Unstructured {
	t.Helper()
	path := "../../config/rbac/" + resource + "/cluster.yaml"
	if namespace != "" {
		path = "../../config/rbac/" + resource + "/namespace.yaml"
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	binding := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &binding.Object); err != nil {
		t.Fatal(err)
	}
	binding.SetNamespace(namespace)
	create(t, binding)
	return binding
}

func newSecuredRoute(class, namespace, name string) *v1alpha1.GatewayRoute {
	r := newRoute(class, namespace, name, "users")
	r.Spec.TLS = &v1alpha1.TLS{SecretName: name}
	return r
}

// newCertificate returns a Secret with a certificate for the host of the route of that name.
func newCertificate(namespace, name string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Type:       corev1.SecretTypeTLS,
		Data:       testcert.Data(name, name+"."+namespace+".example.com"),
	}
}

// awaitCertificate waits until the snapshot has exactly this certificate for the Secret's name; nil: none.
func (g *gateway) awaitCertificate(t *testing.T, namespace, name string, want []byte) {
	t.Helper()
	g.await(t, "the certificate of "+namespace+"/"+name+" is the wanted one", func() bool {
		return g.served != nil && bytes.Equal(certificateIn(g.served, namespace, name), want)
	})
}

func certificateIn(s *snapshot.Snapshot, namespace, name string) []byte {
	ref := snapshot.Ref{Namespace: namespace, Name: name, Key: corev1.TLSCertKey}
	if found := s.Secrets.Get(ref.String()); found != nil {
		return found.Value
	}
	return nil
}

// awaitRefused waits until a route's certificate is refused for a cause.
func awaitRefused(t *testing.T, r *v1alpha1.GatewayRoute, cause string) {
	t.Helper()
	await(t, "the certificate of "+r.Name+" is refused: "+cause, func(context.Context) (bool, error) {
		c := awaitCondition(t, r, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonInvalidCertificateRef)
		return strings.Contains(c.Message, "Secret "+r.Namespace+"/"+r.Name+" "+cause), nil
	})
}

func awaitResolved(t *testing.T, r *v1alpha1.GatewayRoute) {
	t.Helper()
	awaitCondition(t, r, v1alpha1.ConditionResolvedRefs, metav1.ConditionTrue, v1alpha1.ReasonResolvedRefs)
}

func TestACertificateIsFollowedWhateverBecomesOfIt(t *testing.T) {
	for _, tt := range []struct {
		name      string
		namespace func(own string) string // where Secrets may be read
		change    func(own string, o *controllers.Options)
	}{
		{"referenced, in one namespace", own, func(string, *controllers.Options) {}},
		{"referenced, in the namespaces watched", own, func(own string, o *controllers.Options) { o.Translate.Namespaces = []string{own} }},
		{"referenced, with permission for all", all, func(string, *controllers.Options) {}},
		{"all of the namespaces watched", own, func(own string, o *controllers.Options) {
			o.Secrets, o.Translate.Namespaces = controllers.SecretsAll, []string{own}
		}},
		{"all of the cluster", all, func(_ string, o *controllers.Options) { o.Secrets = controllers.SecretsAll }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const class = "certificate"
			ns := newNamespace(t)
			permit(t, tt.namespace(ns))
			route := newSecuredRoute(class, ns, "users")
			create(t, newService(ns, "users"), route)
			r := start(t, class, func(o *controllers.Options) { tt.change(ns, o) })
			awaitRefused(t, route, "not found")

			secret := newCertificate(ns, "users")
			sound := secret.Data
			create(t, secret)
			r.gateway.awaitCertificate(t, ns, "users", sound[corev1.TLSCertKey])
			awaitResolved(t, route)

			// Another key and certificate, as after a renewal.
			renewed := testcert.Data("renewed", "users."+ns+".example.com")
			update(t, secret, func(s *corev1.Secret) { s.Data = renewed })
			r.gateway.awaitCertificate(t, ns, "users", renewed[corev1.TLSCertKey])
			awaitResolved(t, route)

			// A certificate that does not fit its key: the data plane gets it and keeps what it has.
			update(t, secret, func(s *corev1.Secret) { s.Data[corev1.TLSCertKey] = sound[corev1.TLSCertKey] })
			awaitRefused(t, route, "holds no usable certificate")
			update(t, secret, func(s *corev1.Secret) { s.Data = sound })
			awaitResolved(t, route)
			r.gateway.awaitCertificate(t, ns, "users", sound[corev1.TLSCertKey])

			remove(t, secret)
			awaitRefused(t, route, "not found")
			r.gateway.awaitCertificate(t, ns, "users", nil)
			r.gateway.awaitRoutes(t, ns+"/users/0")
		})
	}
}

func own(namespace string) string { return namespace }
func all(string) string           { return "" }

func TestWithoutPermissionForSecretsAllElseServes(t *testing.T) {
	for _, access := range []controllers.SecretAccess{controllers.SecretsReferenced, controllers.SecretsAll} {
		t.Run(string(access), func(t *testing.T) {
			const class = "unpermitted"
			ns := newNamespace(t)
			secret, secured, plain := newCertificate(ns, "users"), newSecuredRoute(class, ns, "users"), newRoute(class, ns, "plain", "users")
			create(t, newService(ns, "users"), secret, secured, plain)
			r := start(t, class, func(o *controllers.Options) { o.Secrets = access })
			r.awaitReady(t)
			awaitRefused(t, secured, "can't be read by this installation")
			awaitResolved(t, plain)
			r.gateway.awaitRoutes(t, ns+"/users/0", ns+"/plain/0")

			// And it recovers when permission comes.
			permit(t, map[controllers.SecretAccess]string{controllers.SecretsReferenced: ns}[access])
			awaitResolved(t, secured)
			r.gateway.awaitCertificate(t, ns, "users", secret.Data[corev1.TLSCertKey])
		})
	}
}

func TestSecretsAreNotReadWhereThatIsWanted(t *testing.T) {
	const class = "none"
	ns := newNamespace(t)
	permit(t, "")
	route := newSecuredRoute(class, ns, "users")
	create(t, newService(ns, "users"), newCertificate(ns, "users"), route)
	asked := &valueRequests{resource: "/secrets"}
	start(t, class, asked.record, func(o *controllers.Options) { o.Secrets = controllers.SecretsNone })
	awaitRefused(t, route, "can't be read by this installation")
	if values, metadata := asked.made(); len(values)+len(metadata) > 0 {
		t.Errorf("values %v and metadata %v were asked for", values, metadata)
	}
}

func TestPermissionForOneNamespaceIsEnoughForItsRoutes(t *testing.T) {
	const class = "narrow"
	here, there := newNamespace(t), newNamespace(t)
	permit(t, here)
	permitted, refused := newSecuredRoute(class, here, "users"), newSecuredRoute(class, there, "users")
	create(t, newService(here, "users"), newService(there, "users"), newCertificate(here, "users"), newCertificate(there, "users"), permitted, refused)
	r := start(t, class)
	awaitResolved(t, permitted)
	awaitRefused(t, refused, "can't be read by this installation")
	r.gateway.awaitCertificate(t, there, "users", nil)
}

func TestValuesOfOtherSecretsAreNeverAskedFor(t *testing.T) {
	const class = "frugal"
	ns := newNamespace(t)
	permit(t, "")
	route := newSecuredRoute(class, ns, "users")
	other := newCertificate(ns, "other")
	create(t, newService(ns, "users"), newCertificate(ns, "users"), other, newCertificate(newNamespace(t), "users"), route)
	asked := &valueRequests{resource: "/secrets"}
	r := start(t, class, asked.record)
	awaitResolved(t, route)
	update(t, other, func(s *corev1.Secret) { s.Data = testcert.Data("renewed") })
	late := newSecuredRoute(class, ns, "late")
	create(t, newCertificate(ns, "late"), late) // an event after that of the other
	awaitResolved(t, late)
	r.gateway.awaitCertificate(t, ns, "other", nil)

	values, metadata := asked.made()
	root := "/api/v1/namespaces/" + ns + "/secrets"
	if want := []string{root + "/late", root + "/users"}; !slices.Equal(slices.Compact(values), want) {
		t.Errorf("values were asked for at %v, want %v", values, want)
	}
	if want := []string{root}; !slices.Equal(slices.Compact(metadata), want) {
		t.Errorf("metadata was asked for at %v, want %v", metadata, want)
	}
}

// valueRequests are the requests for a kind of objects that a replica makes.
type valueRequests struct {
	resource         string
	mu               sync.Mutex
	values, metadata []string
}

func (s *valueRequests) record(o *controllers.Options) {
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			s.note(r)
			return next.RoundTrip(r)
		})
	})
}

func (s *valueRequests) note(r *http.Request) {
	if !strings.Contains(r.URL.Path, s.resource) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata") {
		s.metadata = append(s.metadata, r.URL.Path)
	} else {
		s.values = append(s.values, r.URL.Path)
	}
}

// made returns the paths, sorted.
func (s *valueRequests) made() (values, metadata []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.values)), slices.Sorted(slices.Values(s.metadata))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheFirstSnapshotHasTheCertificates(t *testing.T) {
	const class = "first"
	ns := newNamespace(t)
	permit(t, ns)
	create(t, newService(ns, "users"))
	for _, name := range []string{"a", "b", "c"} {
		create(t, newCertificate(ns, name), newSecuredRoute(class, ns, name))
	}
	for _, access := range []controllers.SecretAccess{controllers.SecretsReferenced, controllers.SecretsAll} {
		r := start(t, class, func(o *controllers.Options) { o.Secrets, o.Translate.Namespaces = access, []string{ns} })
		r.awaitReady(t)
		if first := r.gateway.first; first.TLS.Len() != 3 || first.Secrets.Len() != 6 {
			t.Errorf("%s: %d policies with %d values, want 3 with 6", access, first.TLS.Len(), first.Secrets.Len())
		}
		r.stop()
	}
}

func TestTheDefaultCertificateNeedsNoRoute(t *testing.T) {
	const class = "default"
	ns := newNamespace(t)
	permit(t, ns)
	r := start(t, class, func(o *controllers.Options) {
		o.Translate.Namespaces = []string{newNamespace(t)} // where it is not
		o.Translate.DefaultCertificate = types.NamespacedName{Namespace: ns, Name: "users"}
	})
	await(t, "the log says that it is missing", func(context.Context) (bool, error) {
		return strings.Contains(r.log.String(), "Secret "+ns+"/users not found."), nil
	})
	secret := newCertificate(ns, "users")
	create(t, secret)
	r.gateway.awaitCertificate(t, ns, "users", secret.Data[corev1.TLSCertKey])
}

func TestAPermissionThatIsWithdrawnTakesNoCertificateAway(t *testing.T) {
	const class = "withdrawn"
	ns := newNamespace(t)
	binding := permit(t, ns)
	secret, route := newCertificate(ns, "users"), newSecuredRoute(class, ns, "users")
	create(t, newService(ns, "users"), secret, route)
	r := start(t, class)
	awaitResolved(t, route)
	r.gateway.awaitCertificate(t, ns, "users", secret.Data[corev1.TLSCertKey])

	// A watch goes on without permission; one that is begun anew is refused.
	remove(t, binding)
	outage(t)()
	await(t, "the refusal is logged", func(context.Context) (bool, error) {
		return strings.Contains(r.log.String(), "not permitted to watch\" kind=Secret"), nil
	})
	late := newSecuredRoute(class, ns, "late")
	create(t, newCertificate(ns, "late"), late)
	awaitRefused(t, late, "can't be read by this installation")
	awaitResolved(t, route)
	r.gateway.awaitCertificate(t, ns, "users", secret.Data[corev1.TLSCertKey])

	permit(t, ns)
	awaitResolved(t, late)
}
