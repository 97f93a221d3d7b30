package envtest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/test/testcert"
)

// The tests of this file go all the way: from an Ingress in the API server, by Services and EndpointSlices, to answers of real
// backends, by cleartext and TLS.

// frontAddress is where the installation can be reached, as its Service says.
const frontAddress = "203.0.113.7"

// site is an installation whose Ingresses can be asked for.
type site struct {
	namespace string
	plane     dataPlane
	*replica
}

// local is a data plane for EndpointSlices with addresses that stand for those of this machine, since the API server has none
// of 127.0.0.0/8.
type local struct{ dataPlane }

func (l local) SetEndpoints(cluster string, endpoints []snapshot.Endpoint) {
	out := make([]snapshot.Endpoint, len(endpoints))
	for i, e := range endpoints {
		e.Address = "127.0.0.1"
		out[i] = e
	}
	l.dataPlane.SetEndpoints(cluster, out)
}

// startSite starts an installation of a class with an IngressClass, both ports, and a Service in front.
func startSite(t *testing.T, class string) *site {
	t.Helper()
	front := newService(leaseNamespace, class)
	front.Spec.Type = corev1.ServiceTypeLoadBalancer
	const replicaAddress = "10.20.30.40"
	create(t, front, newSlice(leaseNamespace, class, class, replicaAddress), &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: class},
		Spec:       networkingv1.IngressClassSpec{Controller: translate.IngressController(class)},
	})
	front.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: frontAddress}}
	if err := admin.Status().Update(t.Context(), front); err != nil {
		t.Fatal(err)
	}
	s := &site{namespace: newNamespace(t)}
	s.replica = start(t, class, func(o *controllers.Options) {
		o.Ingress, o.Secrets = true, controllers.SecretsReferenced
		o.Service, o.Replica.Addresses = class, []string{replicaAddress}
		o.Translate.Listeners = []*snapshot.Listener{ // any free ports
			{Name: snapshot.ListenerHTTP, Protocol: snapshot.HTTP}, {Name: snapshot.ListenerHTTPS, Protocol: snapshot.HTTPS},
		}
		s.plane = newDataPlane(t, o)
		o.Gateway = local{s.plane}
	})
	s.awaitReady(t)
	return s
}

// echoed is what a backend says of a request.
type echoed struct {
	Service, Pod, Method, Host, Path, Proto, UserAgent string
}

// serve makes a Service of that name with a port 8080 named http and some backends, each with an EndpointSlice.
func (s *site) serve(t *testing.T, service string, backends int) {
	t.Helper()
	o := newService(s.namespace, service)
	o.Spec.Ports[0].Port = 8080
	create(t, o)
	for i := range backends {
		pod := fmt.Sprintf("%s-%d", service, i)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(echoed{service, pod, r.Method, r.Host, r.URL.EscapedPath(), r.Proto, r.UserAgent()})
		}))
		t.Cleanup(server.Close)
		slice := newSlice(s.namespace, service, pod, fmt.Sprintf("10.9.8.%d", i+1))
		slice.Ports[0].Port = portOf(t, server.Listener.Addr())
		create(t, slice)
	}
}

func portOf(t *testing.T, a net.Addr) *int32 {
	t.Helper()
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	port := int32(at.Port())
	return &port
}

// apply creates an Ingress of the class from the YAML of its spec.
func (s *site) apply(t *testing.T, class, name, spec string) *networkingv1.Ingress {
	t.Helper()
	o := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
	if err := yaml.UnmarshalStrict([]byte(spec), &o.Spec); err != nil {
		t.Fatal(err)
	}
	if class != "" {
		o.Spec.IngressClassName = &class
	}
	create(t, o)
	return o
}

// awaitAddress waits until an Ingress says that it is served.
func awaitAddress(t *testing.T, o *networkingv1.Ingress, want ...string) {
	t.Helper()
	await(t, fmt.Sprintf("the addresses of Ingress %s are %v", o.Name, want), func(ctx context.Context) (bool, error) {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return false, err
		}
		var have []string
		for _, at := range o.Status.LoadBalancer.Ingress {
			have = append(have, at.IP+at.Hostname)
		}
		return fmt.Sprint(have) == fmt.Sprint(want), nil
	})
}

// answer is what a client gets.
type answer struct {
	status int
	proto  string
	header http.Header
	by     echoed
	// verified is the host of the certificate.
	verified bool
}

// ask sends one request to a URL of the installation.
func (s *site) ask(t *testing.T, method, url string) (a answer) {
	t.Helper()
	scheme, rest, _ := strings.Cut(url, "://")
	host, path, _ := strings.Cut(rest, "/")
	listener := map[string]string{"http": snapshot.ListenerHTTP, "https": snapshot.ListenerHTTPS}[scheme]
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		ServerName: host, InsecureSkipVerify: true, //nolint:gosec // the certificate is self-signed; its name is checked
		VerifyConnection: func(c tls.ConnectionState) error {
			a.verified = true
			return c.PeerCertificates[0].VerifyHostname(host)
		},
	}}
	r, err := http.NewRequestWithContext(t.Context(), method, scheme+"://"+s.plane.Addr(listener).String()+"/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	got, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.status, a.proto, a.header = got.StatusCode, got.Proto, got.Header
	if a.status == http.StatusOK {
		if err := json.Unmarshal(body, &a.by); err != nil {
			t.Fatalf("%s %s: %v in %q", method, url, err, body)
		}
	}
	return a
}

// expectation is a request and who answers it; nobody: 404.
type expectation struct{ name, url, service string }

func (s *site) expect(t *testing.T, all []expectation) {
	t.Helper()
	for _, e := range all {
		t.Run(e.name, func(t *testing.T) {
			a := s.ask(t, http.MethodGet, e.url)
			if e.service == "" {
				if a.status != http.StatusNotFound {
					t.Errorf("%s: %d by %q, want 404", e.url, a.status, a.by.Service)
				}
				return
			}
			_, rest, _ := strings.Cut(e.url, "://")
			host, path, _ := strings.Cut(rest, "/")
			want := echoed{Service: e.service, Host: host, Path: "/" + path}
			if got := (echoed{Service: a.by.Service, Host: a.by.Host, Path: a.by.Path}); a.status != http.StatusOK || got != want {
				t.Errorf("%s: %d, %+v, want 200, %+v", e.url, a.status, got, want)
			}
			if strings.HasPrefix(e.url, "https:") && !a.verified {
				t.Error("the certificate was not shown")
			}
		})
	}
}

// TestIngressConformance has the scenarios of kubernetes-sigs/ingress-controller-conformance, in words of our own: the 23 plain
// ones (6 of hosts, 16 of paths, 1 of classes) and its 2 outlines (the default backend in 6 examples, load balancing).
func TestIngressConformance(t *testing.T) {
	const class = "conformance"
	s := startSite(t, class)
	t.Run("default backend", func(t *testing.T) { testDefaultBackend(t, s, class) })
	t.Run("hosts", func(t *testing.T) { testHosts(t, s, class) })
	t.Run("paths", func(t *testing.T) { testPaths(t, s, class) })
	t.Run("classes", func(t *testing.T) { testForeignClass(t, s, class) })
	t.Run("load balancing", func(t *testing.T) { testLoadBalancing(t, s, class) })
}

func testDefaultBackend(t *testing.T, s *site, class string) {
	t.Helper()
	s.serve(t, "echo-service", 1)
	awaitAddress(t, s.apply(t, class, "default-backend", `defaultBackend: {service: {name: echo-service, port: {number: 8080}}}`), frontAddress)
	for _, example := range []struct{ method, host, path string }{
		{"GET", "my-host", ""},
		{"GET", "my-host", "sub-path"},
		{"POST", "some-host", ""},
		{"PUT", "", "resource"},
		{"DELETE", "some-host", "resource"},
		{"PATCH", "my-host", "resource"},
	} {
		t.Run(example.method+" "+example.host+"/"+example.path, func(t *testing.T) {
			host := example.host
			if host == "" { // then clients name the address that they connect to
				host = s.plane.Addr(snapshot.ListenerHTTP).String()
			}
			a := s.ask(t, example.method, "http://"+host+"/"+example.path)
			want := echoed{"echo-service", "echo-service-0", example.method, host, "/" + example.path, "HTTP/1.1", "Go-http-client/1.1"}
			if a.status != http.StatusOK || a.by != want || a.proto != "HTTP/1.1" {
				t.Errorf("%d %s, %+v, want 200 HTTP/1.1, %+v", a.status, a.proto, a.by, want)
			}
			for _, name := range []string{"Content-Length", "Content-Type", "Date"} {
				if a.header.Get(name) == "" {
					t.Errorf("the answer has no %s", name)
				}
			}
		})
	}
}

func testHosts(t *testing.T, s *site, class string) {
	t.Helper()
	s.serve(t, "wildcard-foo-com", 1)
	s.serve(t, "foo-bar-com", 1)
	permit(t, s.namespace)
	create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "conformance-tls"}, Type: corev1.SecretTypeTLS, Data: testcert.Data("foo", "foo.bar.com"),
	})
	o := s.apply(t, class, "host-rules", `
tls: [{hosts: [foo.bar.com], secretName: conformance-tls}]
rules:
- {host: "*.foo.com", http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: wildcard-foo-com, port: {number: 8080}}}}]}}
- {host: foo.bar.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: foo-bar-com, port: {name: http}}}}]}}`)
	awaitAddress(t, o, frontAddress)
	await(t, "there is a certificate", func(context.Context) (bool, error) {
		c, err := tls.Dial("tcp", s.plane.Addr(snapshot.ListenerHTTPS).String(), &tls.Config{ServerName: "foo.bar.com", InsecureSkipVerify: true}) //nolint:gosec // self-signed
		if err != nil {
			return false, nil //nolint:nilerr // not yet
		}
		return true, c.Close()
	})
	s.expect(t, []expectation{
		{"a host is served by TLS, with its certificate", "https://foo.bar.com/", "foo-bar-com"},
		{"a host is served", "http://foo.bar.com/", "foo-bar-com"},
		{"another host is not", "http://subdomain.bar.com/", ""},
		{"a wildcard is served", "http://bar.foo.com/", "wildcard-foo-com"},
		{"a wildcard is one label, not two", "http://baz.bar.foo.com/", ""},
		{"a wildcard is one label, not none", "http://foo.com/", ""},
	})
}

func testPaths(t *testing.T, s *site, class string) {
	t.Helper()
	for _, name := range []string{"foo-exact", "foo-prefix", "aaa-slash-bbb-prefix", "aaa-prefix", "aaa-slash-bbb-slash-prefix", "foo-slash-exact"} {
		s.serve(t, name, 1)
	}
	path := func(path, kind, service string) string {
		return fmt.Sprintf("{path: %s, pathType: %s, backend: {service: {name: %s, port: {number: 8080}}}}", path, kind, service)
	}
	rule := func(host string, paths ...string) string {
		return fmt.Sprintf("- {host: %s, http: {paths: [%s]}}\n", host, strings.Join(paths, ", "))
	}
	awaitAddress(t, s.apply(t, class, "path-rules", "rules:\n"+
		rule("exact-path-rules", path("/foo", "Exact", "foo-exact"))+
		rule("prefix-path-rules", path("/foo", "Prefix", "foo-prefix"), path("/aaa/bbb", "Prefix", "aaa-slash-bbb-prefix"), path("/aaa", "Prefix", "aaa-prefix"))+
		rule("mixed-path-rules", path("/foo", "Prefix", "foo-prefix"), path("/foo", "Exact", "foo-exact"))+
		rule("trailing-slash-path-rules", path("/aaa/bbb/", "Prefix", "aaa-slash-bbb-slash-prefix"), path("/foo/", "Exact", "foo-slash-exact")),
	), frontAddress)
	s.expect(t, []expectation{
		{"an exact path is served", "http://exact-path-rules/foo", "foo-exact"},
		{"an exact path has no trailing slash", "http://exact-path-rules/foo/", ""},
		{"an exact path is case-sensitive", "http://exact-path-rules/FOO", ""},
		{"an exact path is no other", "http://exact-path-rules/bar", ""},
		{"a prefix is served", "http://prefix-path-rules/foo", "foo-prefix"},
		{"a prefix is served with a trailing slash", "http://prefix-path-rules/foo/", "foo-prefix"},
		{"a prefix is case-sensitive", "http://prefix-path-rules/FOO", ""},
		{"the longest prefix is served", "http://prefix-path-rules/aaa/bbb", "aaa-slash-bbb-prefix"},
		{"the longest prefix is served below", "http://prefix-path-rules/aaa/bbb/ccc", "aaa-slash-bbb-prefix"},
		{"the shorter prefix is served beside it", "http://prefix-path-rules/aaa/ccc", "aaa-prefix"},
		{"a prefix ends with an element", "http://prefix-path-rules/aaaccc", ""},
		{"a trailing slash of the request is ignored", "http://prefix-path-rules/foo/", "foo-prefix"},
		{"an exact path goes before a prefix", "http://mixed-path-rules/foo", "foo-exact"},
		{"a trailing slash of a prefix is ignored", "http://trailing-slash-path-rules/aaa/bbb", "aaa-slash-bbb-slash-prefix"},
		{"a trailing slash of a prefix and of the request are ignored", "http://trailing-slash-path-rules/aaa/bbb/", "aaa-slash-bbb-slash-prefix"},
		{"a trailing slash of an exact path is not", "http://trailing-slash-path-rules/foo", ""},
	})
}

// testForeignClass asks for an Ingress behind the foreign one: when that is served, the other has been seen.
func testForeignClass(t *testing.T, s *site, class string) {
	t.Helper()
	s.serve(t, "ingress-class-prefix", 1)
	const rules = `rules: [{host: %s, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: ingress-class-prefix, port: {number: 8080}}}}]}}]`
	foreign := s.apply(t, "some-invalid-class-name", "test-ingress-class", fmt.Sprintf(rules, "ingress-class"))
	awaitAddress(t, s.apply(t, class, "behind", fmt.Sprintf(rules, "behind")), frontAddress)
	awaitAddress(t, foreign)
	if a := s.ask(t, http.MethodGet, "http://ingress-class/"); a.by.Service == "ingress-class-prefix" {
		t.Error("the Ingress of another class is served")
	}
}

func testLoadBalancing(t *testing.T, s *site, class string) {
	t.Helper()
	const backends = 10
	s.serve(t, "scaled", backends)
	awaitAddress(t, s.apply(t, class, "load-balancing", `defaultBackend: {service: {name: scaled, port: {number: 8080}}}`), frontAddress)
	pods := map[string]bool{}
	for range 100 {
		a := s.ask(t, http.MethodGet, "http://load-balancing/")
		if a.status != http.StatusOK {
			t.Fatalf("status %d", a.status)
		}
		pods[a.by.Pod] = true
	}
	if len(pods) != backends {
		t.Errorf("%d backends of %d answered: %v", len(pods), backends, pods)
	}
}

// TestAnIngressFollowsItsClass moves an Ingress from one class to another and back.
func TestAnIngressFollowsItsClass(t *testing.T) {
	const class = "follows-class"
	s := startSite(t, class)
	s.serve(t, "users", 1)
	o := s.apply(t, class, "site", `rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: users, port: {name: http}}}}]}}]`)
	awaitAddress(t, o, frontAddress)
	update(t, o, func(o *networkingv1.Ingress) { other := "other"; o.Spec.IngressClassName = &other })
	awaitAddress(t, o)
	if a := s.ask(t, http.MethodGet, "http://a.example.com/"); a.status != http.StatusNotFound {
		t.Errorf("status %d, want 404", a.status)
	}
	// The annotation has no generation.
	update(t, o, func(o *networkingv1.Ingress) {
		o.Spec.IngressClassName, o.Annotations = nil, map[string]string{"kubernetes.io/ingress.class": class}
	})
	awaitAddress(t, o, frontAddress)
	update(t, o, func(o *networkingv1.Ingress) { o.Annotations["kubernetes.io/ingress.class"] = "other" })
	awaitAddress(t, o)
	update(t, o, func(o *networkingv1.Ingress) { o.Annotations = nil })
	update(t, &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: class}}, func(c *networkingv1.IngressClass) {
		c.Annotations = map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}
	})
	awaitAddress(t, o, frontAddress)
	if got := s.value(t, "gateway_translation_corrections_total"); got != 0 {
		t.Errorf("%v changes were found of which no event has told", got)
	}
}

// TestWhatIsRefusedOfAnIngressIsAnEvent has an Ingress whose parts serve on, and one of which nothing does.
func TestWhatIsRefusedOfAnIngressIsAnEvent(t *testing.T) {
	const class = "refused"
	s := startSite(t, class)
	s.serve(t, "users", 1)
	half := s.apply(t, class, "half", `
rules:
- host: a.example.com
  http:
    paths:
    - {path: /, pathType: Prefix, backend: {service: {name: users, port: {name: http}}}}
    - {path: /static, pathType: Prefix, backend: {resource: {apiGroup: example.com, kind: Bucket, name: static}}}
    - {path: /orders, pathType: Prefix, backend: {service: {name: absent, port: {number: 80}}}}`)
	awaitAddress(t, half, frontAddress)
	awaitEvent(t, s.namespace, "half", "UnsupportedValue",
		"Rule 0/1 answers 500: spec.rules[0].http.paths[1].backend.resource: backends have to be Services.")
	awaitEvent(t, s.namespace, "half", "BackendNotFound", "Service "+s.namespace+"/absent not found.")
	for path, want := range map[string]int{"": http.StatusOK, "static/a": http.StatusInternalServerError, "orders": http.StatusInternalServerError} {
		if a := s.ask(t, http.MethodGet, "http://a.example.com/"+path); a.status != want {
			t.Errorf("/%s: %d, want %d", path, a.status, want)
		}
	}
	await(t, "the Ingress has the address that changed", func(ctx context.Context) (bool, error) {
		front := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: leaseNamespace, Name: class}}
		if err := admin.Get(ctx, client.ObjectKeyFromObject(front), front); err != nil {
			return false, err
		}
		front.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{Hostname: "lb.example.com"}}
		return admin.Status().Update(ctx, front) == nil, nil
	})
	awaitAddress(t, half, "lb.example.com")
}
