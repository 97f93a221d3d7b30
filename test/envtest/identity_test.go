package envtest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/proxy/snapshot"
)

// publicKeys is a JWK Set with a key that nobody signs with.
const publicKeys = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// symmetricKey is one that must not be in a ConfigMap.
const symmetricKey = `{"kty": "oct", "k": "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnRlcjI"}`

// serving starts a replica with the data plane that users get, and returns its address.
func serving(t *testing.T, class string) (address string) {
	t.Helper()
	var plane dataPlane
	start(t, class, func(o *controllers.Options) {
		o.Translate.AllowExternalBackends = true
		o.Translate.Listeners = []*snapshot.Listener{{Name: snapshot.ListenerHTTP, Protocol: snapshot.HTTP}} // any free port
		plane = newDataPlane(t, o)
		o.Gateway = plane
	})
	return "http://" + plane.Addr(snapshot.ListenerHTTP).String()
}

// ask returns the status that a request for a route gets; 0 for none.
func ask(ctx context.Context, address string, route *v1alpha1.GatewayRoute, name, value string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0
	}
	r.Host = string(route.Spec.Hostnames[0])
	r.Header.Set(name, value)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func awaitStatus(t *testing.T, address string, route *v1alpha1.GatewayRoute, key string, want int) {
	t.Helper()
	await(t, "the key "+key+" is answered with "+http.StatusText(want), func(ctx context.Context) (bool, error) {
		return ask(ctx, address, route, "X-API-Key", key) == want, nil
	})
}

func TestAnAPIKeyRotates(t *testing.T) {
	const class, old, fresh = "rotation", "6c1f7f3e0d6b4f0a", "9a70cd5e2b1c4d33"
	ns := newNamespace(t)
	permit(t, ns)
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer backend.Close()
	keys := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "partners"}, StringData: map[string]string{"acme": old}}
	route := newExternalRoute(t, class, ns, "users", backend.URL)
	route.Spec.Filters = &v1alpha1.RouteFilters{APIKey: &v1alpha1.APIKeyFilter{SecretName: "partners"}}
	create(t, keys, route)
	address := serving(t, class)
	awaitStatus(t, address, route, old, http.StatusOK)
	awaitStatus(t, address, route, fresh, http.StatusUnauthorized)

	// Both for a time, so that the client can change over.
	update(t, keys, func(s *corev1.Secret) { s.Data["acme"] = []byte(old + "\n" + fresh) })
	awaitStatus(t, address, route, fresh, http.StatusOK)
	awaitStatus(t, address, route, old, http.StatusOK)

	update(t, keys, func(s *corev1.Secret) { s.Data["acme"] = []byte(fresh) })
	awaitStatus(t, address, route, old, http.StatusUnauthorized)
	awaitStatus(t, address, route, fresh, http.StatusOK)

	// A Secret that can't be used lets nobody in, not even whom it let in before.
	update(t, keys, func(s *corev1.Secret) { s.Data["globex"] = []byte("short") })
	awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonInvalidSecret)
	awaitStatus(t, address, route, fresh, http.StatusInternalServerError)

	remove(t, keys)
	awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	awaitStatus(t, address, route, fresh, http.StatusInternalServerError)
}

// newTokenRoute returns a route with a provider of tokens.
func newTokenRoute(class, namespace, name string, p v1alpha1.JWTProvider) *v1alpha1.GatewayRoute {
	p.Name, p.Issuer = "login", "https://login.example.com/"
	r := newRoute(class, namespace, name, "users")
	r.Spec.Filters = &v1alpha1.RouteFilters{JWT: &v1alpha1.JWTFilter{Providers: []v1alpha1.JWTProvider{p}}}
	return r
}

func keysIn(configMap string) v1alpha1.JWTProvider {
	return v1alpha1.JWTProvider{ConfigMap: &v1alpha1.JWTConfigMap{Name: configMap, Key: "keys", Format: v1alpha1.KeyFormatJWKS}}
}

func newKeys(namespace, name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string]string{"keys": value}}
}

// awaitKeys waits until the snapshot has exactly this value of a ConfigMap; "": none.
func (g *gateway) awaitKeys(t *testing.T, namespace, name, want string) {
	t.Helper()
	ref := snapshot.Ref{Kind: snapshot.InConfigMap, Namespace: namespace, Name: name, Key: "keys"}
	g.await(t, "the keys in "+ref.Object()+" are the wanted ones", func() bool {
		if g.served == nil {
			return false
		}
		found := g.served.Secrets.Get(ref.String())
		return want == "" && found == nil || found != nil && string(found.Value) == want
	})
}

func TestKeysInAConfigMapAreFollowedWhateverBecomesOfIt(t *testing.T) {
	for name, watch := range map[string]func(own string, o *controllers.Options){
		"in one namespace":          func(string, *controllers.Options) {},
		"in the namespaces watched": func(own string, o *controllers.Options) { o.Translate.Namespaces = []string{own} },
		"without access to Secrets": func(_ string, o *controllers.Options) { o.Secrets = controllers.SecretsNone },
		"where all Secrets are there": func(own string, o *controllers.Options) {
			o.Secrets, o.Translate.Namespaces = controllers.SecretsAll, []string{own}
		},
	} {
		t.Run(name, func(t *testing.T) {
			const class = "keys"
			ns := newNamespace(t)
			bind(t, "configmaps", ns)
			route := newTokenRoute(class, ns, "users", keysIn("login-keys"))
			create(t, newService(ns, "users"), route)
			r := start(t, class, func(o *controllers.Options) { watch(ns, o) })
			awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonConfigMapNotFound)

			keys := newKeys(ns, "login-keys", publicKeys)
			create(t, keys)
			awaitResolved(t, route)
			r.gateway.awaitKeys(t, ns, "login-keys", publicKeys)

			const renewed = publicKeys + "\n"
			update(t, keys, func(c *corev1.ConfigMap) { c.Data["keys"] = renewed })
			r.gateway.awaitKeys(t, ns, "login-keys", renewed)

			update(t, keys, func(c *corev1.ConfigMap) { c.Data["keys"] = symmetricKey })
			awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonInvalidConfigMap)
			r.gateway.await(t, "the rule rejects", func() bool {
				for rule := range r.gateway.served.Routes.Values() {
					return rule.Reject == http.StatusInternalServerError
				}
				return false
			})

			update(t, keys, func(c *corev1.ConfigMap) { c.Data["keys"] = publicKeys })
			awaitResolved(t, route)
			remove(t, keys)
			awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonConfigMapNotFound)
			r.gateway.awaitKeys(t, ns, "login-keys", "")
		})
	}
}

func TestConfigMapsAreReadWhereThatIsPermittedAndNoOthers(t *testing.T) {
	const class = "open"
	here, there := newNamespace(t), newNamespace(t)
	bind(t, "configmaps", here)
	permitted, refused := newTokenRoute(class, here, "users", keysIn("login-keys")), newTokenRoute(class, there, "users", keysIn("login-keys"))
	create(t, newService(here, "users"), newService(there, "users"), newKeys(here, "login-keys", publicKeys), newKeys(there, "login-keys", publicKeys),
		newKeys(here, "other", publicKeys), permitted, refused)
	asked := &valueRequests{resource: "/configmaps"}
	r := start(t, class, asked.record)
	awaitResolved(t, permitted)
	c := awaitCondition(t, refused, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonConfigMapNotFound)
	if want := "ConfigMap " + there + "/login-keys can't be read by this installation."; !strings.Contains(c.Message, want) {
		t.Errorf("message %q, want %q", c.Message, want)
	}
	r.gateway.awaitKeys(t, there, "login-keys", "")
	values, metadata := asked.made()
	if want := []string{"/api/v1/namespaces/" + here + "/configmaps/login-keys"}; !slices.Equal(slices.Compact(values), want) {
		t.Errorf("values were asked for at %v, want %v", values, want)
	}
	roots := []string{"/api/v1/namespaces/" + here + "/configmaps", "/api/v1/namespaces/" + there + "/configmaps"}
	if slices.Sort(roots); !slices.Equal(slices.Compact(metadata), roots) {
		t.Errorf("metadata was asked for at %v, want %v", metadata, roots)
	}

	bind(t, "configmaps", there)
	awaitResolved(t, refused)
}

func TestNoConfigMapIsWatchedWhereNoRouteNamesOne(t *testing.T) {
	const class = "unasked"
	ns := newNamespace(t)
	bind(t, "configmaps", "")
	route := newRoute(class, ns, "users", "users")
	create(t, newService(ns, "users"), newKeys(ns, "login-keys", publicKeys), route)
	asked := &valueRequests{resource: "/configmaps"}
	start(t, class, asked.record)
	awaitResolved(t, route)
	if values, metadata := asked.made(); len(values)+len(metadata) > 0 {
		t.Errorf("values %v and metadata %v were asked for", values, metadata)
	}
}

func TestAProviderThatFailsHasACondition(t *testing.T) {
	const class = "failing"
	ns := newNamespace(t)
	var away atomic.Bool
	away.Store(true)
	publish := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, publicKeys)
	})
	failing, sound := httptest.NewServer(publish), httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, publicKeys) }))
	defer failing.Close()
	defer sound.Close()
	remote := func(url string) v1alpha1.JWTProvider {
		return v1alpha1.JWTProvider{RemoteJWKS: &v1alpha1.RemoteJWKS{URL: url}}
	}
	affected, other := newTokenRoute(class, ns, "affected", remote(failing.URL)), newTokenRoute(class, ns, "other", remote(sound.URL))
	create(t, newService(ns, "users"), affected, other)
	address := serving(t, class)
	awaitResolved(t, other)

	c := awaitCondition(t, affected, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonKeysNotFetched)
	want := "Each rule without jwt of its own: spec.filters.jwt: the keys of provider login can't be fetched from " + failing.URL +
		": the answer has status 503, want 200; tokens are answered with 503 until they can."
	if c.Message != want {
		t.Errorf("message %q, want %q", c.Message, want)
	}
	awaitCondition(t, affected, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	if status := ask(t.Context(), address, affected, "Accept", "*/*"); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d, want 401", status)
	}
	awaitResolved(t, other)

	away.Store(false)
	awaitResolved(t, affected)
	// Nobody else's status was touched: it is as old as it was.
	before := meta.FindStatusCondition(other.Status.Conditions, v1alpha1.ConditionResolvedRefs).LastTransitionTime
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(other), other); err != nil {
		t.Fatal(err)
	}
	if after := meta.FindStatusCondition(other.Status.Conditions, v1alpha1.ConditionResolvedRefs); after.Status != metav1.ConditionTrue || !after.LastTransitionTime.Equal(&before) {
		t.Errorf("the other route's condition is %+v", after)
	}
}
