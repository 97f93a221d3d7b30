package translate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/filter/jwt/jwks"
	"github.com/penstock/penstock/test/testcert"
)

// world is a small set of objects that is edited at random. Objects are replaced and never written, as caches do it.
type world struct {
	*rand.Rand
	filters filter.Registry
	options Options
	// fromFiles is a world whose objects have no UID, age and generation.
	fromFiles bool
	made      int64
	routes    map[types.NamespacedName]*v1alpha1.GatewayRoute
	ingresses map[types.NamespacedName]*networkingv1.Ingress
	// classes have a name and no namespace.
	classes  map[types.NamespacedName]*networkingv1.IngressClass
	policies map[types.NamespacedName]*v1alpha1.RateLimitPolicy
	services map[types.NamespacedName]*corev1.Service
	grants   map[types.NamespacedName]*gatewayv1beta1.ReferenceGrant
	secrets  map[types.NamespacedName]*corev1.Secret
	configs  map[types.NamespacedName]*corev1.ConfigMap
	// namespaces have a name and no namespace.
	namespaces map[types.NamespacedName]*corev1.Namespace
	// unreadable is Input.Unreadable, and Input.UnreadableConfigMaps too.
	unreadable []types.NamespacedName
	// failing is Input.Failing. It is replaced and never written.
	failing map[string]string
	// edited are the names of the objects that were edited since changes was called, and what else was or is unreadable.
	edited map[types.NamespacedName]bool
}

func newWorld(seed uint64) *world {
	w := &world{
		Rand:       rand.New(rand.NewPCG(seed, 0)),
		filters:    append(filter.Registry{secretive}, builtin.Registry(builtin.Deps{})...),
		options:    DefaultOptions(),
		fromFiles:  seed%3 == 0,
		routes:     map[types.NamespacedName]*v1alpha1.GatewayRoute{},
		ingresses:  map[types.NamespacedName]*networkingv1.Ingress{},
		classes:    map[types.NamespacedName]*networkingv1.IngressClass{},
		policies:   map[types.NamespacedName]*v1alpha1.RateLimitPolicy{},
		services:   map[types.NamespacedName]*corev1.Service{},
		grants:     map[types.NamespacedName]*gatewayv1beta1.ReferenceGrant{},
		secrets:    map[types.NamespacedName]*corev1.Secret{},
		configs:    map[types.NamespacedName]*corev1.ConfigMap{},
		namespaces: map[types.NamespacedName]*corev1.Namespace{},
		edited:     map[types.NamespacedName]bool{},
	}
	if seed%2 == 0 {
		w.options.HostPermissions = append(some(w, 2, w.permission), w.permission())
	}
	return w
}

// input lists the objects in an order of its own each time.
func (w *world) input() Input {
	in := Input{
		Routes:    slices.Collect(maps.Values(w.routes)),
		Ingresses: slices.Collect(maps.Values(w.ingresses)), IngressClasses: slices.Collect(maps.Values(w.classes)),
		Policies:   slices.Collect(maps.Values(w.policies)),
		Services:   slices.Collect(maps.Values(w.services)),
		Grants:     slices.Collect(maps.Values(w.grants)),
		Secrets:    slices.Collect(maps.Values(w.secrets)),
		ConfigMaps: slices.Collect(maps.Values(w.configs)),
		Failing:    w.failing,
		Namespaces: slices.Collect(maps.Values(w.namespaces)),
		Options:    w.options,
	}
	in.Unreadable, in.UnreadableConfigMaps = slices.Clone(w.unreadable), slices.Clone(w.unreadable)
	shuffle(w.Rand, in.Routes)
	return in
}

// changes returns the objects that were edited since it was called last, and others that have their names.
func (w *world) changes() Changes {
	out := Changes{
		Routes: pickNamed(w.routes, w.edited), Ingresses: pickNamed(w.ingresses, w.edited),
		IngressClasses: pickNamed(w.classes, w.edited), Policies: pickNamed(w.policies, w.edited),
		Services: pickNamed(w.services, w.edited), Grants: pickNamed(w.grants, w.edited),
		Secrets: pickNamed(w.secrets, w.edited), ConfigMaps: pickNamed(w.configs, w.edited), Namespaces: pickNamed(w.namespaces, w.edited),
		Unreadable: map[types.NamespacedName]bool{}, Failing: w.failing,
	}
	for name := range w.edited {
		out.Unreadable[name] = slices.Contains(w.unreadable, name)
	}
	out.UnreadableConfigMaps = out.Unreadable
	clear(w.edited)
	return out
}

func pickNamed[O any](objects map[types.NamespacedName]*O, names map[types.NamespacedName]bool) map[types.NamespacedName]*O {
	out := map[types.NamespacedName]*O{}
	for name := range names {
		out[name] = objects[name]
	}
	return out
}

// edit adds, changes, touches, replaces or removes one object, or changes a setting.
func (w *world) edit() {
	name := w.name()
	w.edited[name] = true
	switch w.IntN(51) {
	case 45, 46, 47:
		editIn(w, w.configs, name, w.config)
	case 48, 49, 50:
		w.failing = map[string]string{}
		for _, url := range some(w, 2, w.jwksURL) {
			w.failing[jwks.Options{URL: url, MaxAge: 10 * time.Minute}.ID()] = pick(w, "it is away", "it is odd")
		}
	case 0:
		w.configure(name)
	case 20:
		before := w.unreadable
		w.unreadable = some(w, 1, func() types.NamespacedName { return pick(w, name, types.NamespacedName{Namespace: name.Namespace}) })
		for _, scope := range slices.Concat(before, w.unreadable) {
			w.edited[scope] = true
		}
	case 21, 22, 23, 24:
		editIn(w, w.secrets, name, w.secret)
	case 25, 26, 27:
		w.secure(name)
	case 28, 29, 30, 31:
		name = types.NamespacedName{Name: name.Namespace}
		w.edited[name] = true
		editIn(w, w.namespaces, name, w.namespace)
	case 32, 33:
		name = types.NamespacedName{Name: pick(w, "penstock", "public")}
		w.edited[name] = true
		editIn(w, w.classes, name, w.class)
	case 34, 35, 36, 37, 38, 39, 40, 41:
		editIn(w, w.ingresses, name, w.ingress)
	case 42, 43:
		w.annotate(name)
	case 1, 2, 3:
		editIn(w, w.services, name, w.service)
	case 4, 5:
		editIn(w, w.grants, name, w.grant)
	case 6, 7, 8, 9:
		editIn(w, w.policies, name, w.policy)
	default:
		editIn(w, w.routes, name, w.route)
	}
}

// configure changes a setting.
func (w *world) configure(name types.NamespacedName) {
	switch w.IntN(3) {
	case 0:
		w.options.AllowExternalName = !w.options.AllowExternalName
	case 1:
		w.options.DefaultCertificate = pick(w, types.NamespacedName{}, name)
	default:
		w.options.HostPermissions = some(w, 3, w.permission)
	}
}

func (w *world) permission() HostPermission {
	return HostPermission{
		Hostnames: append(some(w, 1, w.permittedHost), w.permittedHost()),
		Namespaces: pick(w,
			Namespaces{Names: []string{"a"}}, Namespaces{Names: []string{"a", "b"}}, Namespaces{Selector: &metav1.LabelSelector{}},
			Namespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "x"}}},
			Namespaces{Names: []string{"b"}, Selector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: metav1.LabelSelectorOpDoesNotExist}},
			}},
		),
	}
}

func (w *world) permittedHost() string { return pick(w, "a.example.com", "*.example.com", "*") }

func (w *world) namespace(meta metav1.ObjectMeta) *corev1.Namespace {
	meta.Generation = 0 // Namespaces have none
	meta.Labels = pick(w, nil, map[string]string{"team": "x"}, map[string]string{"team": "y"})
	return &corev1.Namespace{ObjectMeta: meta}
}

func (w *world) name() types.NamespacedName {
	return types.NamespacedName{Namespace: pick(w, "a", "b"), Name: fmt.Sprintf("o%d", w.IntN(6))}
}

// editIn does one thing to the object of that name. build makes a new one with the metadata that it gets.
func editIn[T any, P interface {
	*T
	DeepCopy() *T
	metav1.Object
}](w *world, objects map[types.NamespacedName]*T, name types.NamespacedName, build func(metav1.ObjectMeta) *T) {
	old := P(objects[name])
	switch act := w.IntN(10); {
	case old == nil || act == 0 && !w.fromFiles:
		objects[name] = build(w.meta(name))
	case act <= 2:
		delete(objects, name)
	case act <= 4: // a new form with the same spec, as after a write of status
		touched := P(old.DeepCopy())
		touched.SetResourceVersion(fmt.Sprint(w.next()))
		objects[name] = touched
	default:
		meta := w.meta(name)
		meta.UID, meta.CreationTimestamp = old.GetUID(), old.GetCreationTimestamp()
		objects[name] = build(meta)
	}
}

// meta is the metadata of an object that was made just now. Some are of the same age.
func (w *world) meta(name types.NamespacedName) metav1.ObjectMeta {
	out := metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}
	if !w.fromFiles {
		out.UID = types.UID(fmt.Sprint(w.next()))
		out.Generation = w.next()
		out.CreationTimestamp = metav1.NewTime(time.Date(2026, 1, 1, w.IntN(8), 0, 0, 0, time.UTC))
	}
	return out
}

func (w *world) next() int64 { w.made++; return w.made }

func pick[E any](w *world, of ...E) E { return of[w.IntN(len(of))] }

// some returns up to n things.
func some[E any](w *world, n int, one func() E) []E {
	var out []E
	for range w.IntN(n + 1) {
		out = append(out, one())
	}
	return out
}

func (w *world) route(meta metav1.ObjectMeta) *v1alpha1.GatewayRoute {
	out := &v1alpha1.GatewayRoute{ObjectMeta: meta}
	out.Spec.ClassName = pick(w, "penstock", "penstock", "penstock", "other")
	hosts := []v1alpha1.Hostname{"a.example.com", "b.example.com", "*.example.com"}
	shuffle(w.Rand, hosts)
	out.Spec.Hostnames = hosts[:w.IntN(len(hosts))]
	out.Spec.Rules = append(some(w, 2, w.rule), w.rule())
	if w.IntN(2) == 0 {
		out.Spec.Rules[0].Name = "x"
	}
	out.Spec.TLS = pick(w, nil, w.tls())
	if w.IntN(4) == 0 {
		out.Spec.Filters = &v1alpha1.RouteFilters{JWT: w.jwt()}
	}
	return out
}

// secure changes nothing of a route but its TLS.
func (w *world) secure(name types.NamespacedName) {
	if old := w.routes[name]; old != nil {
		route := old.DeepCopy()
		route.Spec.TLS = pick(w, nil, w.tls(), w.tls())
		if !w.fromFiles {
			route.Generation = w.next()
		}
		w.routes[name] = route
	}
}

func (w *world) tls() *v1alpha1.TLS {
	return &v1alpha1.TLS{
		SecretName: fmt.Sprintf("o%d", w.IntN(3)), RedirectHTTP: w.IntN(4) == 0,
		MinVersion: pick[v1alpha1.TLSVersion](w, "", "", "", "1.2", "1.3", "1.4"),
	}
}

func (w *world) rule() v1alpha1.Rule {
	out := v1alpha1.Rule{
		Matches:  some(w, 3, w.match),
		Backends: append(some(w, 1, w.backend), w.backend()),
	}
	if w.IntN(4) == 0 {
		out.Filters = &v1alpha1.Filters{Rewrite: &v1alpha1.RewriteFilter{Hostname: pick[v1alpha1.PreciseHostname](w, "", "c.example.com")}}
	}
	if w.IntN(4) == 0 {
		value := pick(w, "o1/tls.crt", "o2/tls.key", "o2/other", "a/o1/tls.crt")
		out.Filters = &v1alpha1.Filters{RequestHeaders: &v1alpha1.HeaderFilter{Add: []v1alpha1.Header{{Name: "x", Value: value}}}}
	}
	if w.IntN(4) == 0 {
		out.Filters = &v1alpha1.Filters{RouteFilters: v1alpha1.RouteFilters{JWT: w.jwt()}}
	}
	if w.IntN(4) == 0 {
		out.Limits = &v1alpha1.Limits{RequestBody: pick(w, nil, new(resource.MustParse("1Ki")), new(resource.MustParse("0")))}
	}
	if w.IntN(4) == 0 {
		out.Timeouts = &v1alpha1.Timeouts{Request: pick(w, nil, new(v1alpha1.Duration("1s")), new(v1alpha1.Duration("soon")))}
	}
	return out
}

func (w *world) jwksURL() string {
	return pick(w, "https://a.example.com/keys", "https://b.example.com/keys")
}

func (w *world) jwt() *v1alpha1.JWTFilter {
	p := v1alpha1.JWTProvider{Name: "p", Issuer: "p"}
	if w.IntN(2) == 0 {
		p.RemoteJWKS = &v1alpha1.RemoteJWKS{URL: w.jwksURL()}
	} else {
		p.ConfigMap = &v1alpha1.JWTConfigMap{Name: fmt.Sprintf("o%d", w.IntN(3)), Key: pick(w, "keys", "other"), Format: v1alpha1.KeyFormatPEM}
	}
	return &v1alpha1.JWTFilter{Providers: []v1alpha1.JWTProvider{p}}
}

func (w *world) match() v1alpha1.Match {
	var out v1alpha1.Match
	out.Path = pick(w, nil,
		&v1alpha1.PathMatch{Type: v1alpha1.PathMatchPrefix, Value: "/a"},
		&v1alpha1.PathMatch{Type: v1alpha1.PathMatchPrefix, Value: "/a/"},
		&v1alpha1.PathMatch{Type: v1alpha1.PathMatchExact, Value: "/a"},
		&v1alpha1.PathMatch{Type: v1alpha1.PathMatchRegularExpression, Value: "/a/("},
	)
	out.Methods = pick(w, nil, nil, []v1alpha1.Method{"GET", "PUT"}, []v1alpha1.Method{"PUT", "GET"})
	return out
}

func (w *world) backend() v1alpha1.Backend {
	out := v1alpha1.Backend{
		Service:   fmt.Sprintf("o%d", w.IntN(6)),
		Namespace: pick(w, "", "", "a", "b"),
		Port:      pick(w, intstr.FromInt32(80), intstr.FromString("http")),
		Weight:    pick(w, nil, new(int32(1)), new(int32(0))),
	}
	if w.IntN(10) == 0 {
		out.Service, out.Namespace, out.Host, out.Port = "", "", "c.example.com", intstr.FromInt32(80)
	}
	return out
}

// class is an IngressClass. Its changes don't show in a generation.
func (w *world) class(meta metav1.ObjectMeta) *networkingv1.IngressClass {
	meta.Annotations = pick(w, nil, map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"})
	return &networkingv1.IngressClass{ObjectMeta: meta, Spec: networkingv1.IngressClassSpec{
		Controller: pick(w, IngressController("penstock"), IngressController("penstock"), "example.com/other"),
	}}
}

func (w *world) ingress(meta metav1.ObjectMeta) *networkingv1.Ingress {
	out := &networkingv1.Ingress{ObjectMeta: meta}
	out.Spec.IngressClassName = pick(w, nil, new("penstock"), new("penstock"), new("public"))
	out.Annotations = w.annotations()
	out.Spec.Rules = some(w, 3, w.ingressRule)
	out.Spec.TLS = some(w, 2, w.ingressTLS)
	if w.IntN(3) == 0 || len(out.Spec.Rules) == 0 {
		out.Spec.DefaultBackend = new(w.ingressBackend())
	}
	return out
}

// annotate changes nothing of an Ingress but its annotations, which has no generation.
func (w *world) annotate(name types.NamespacedName) {
	if old := w.ingresses[name]; old != nil {
		next := old.DeepCopy()
		next.Annotations = w.annotations()
		w.ingresses[name] = next
	}
}

func (w *world) annotations() map[string]string {
	return pick(w, nil, nil, map[string]string{annotationClass: "penstock"}, map[string]string{annotationClass: "other"},
		map[string]string{guardPrefix + "auth-url": "http://auth.example.com"})
}

func (w *world) ingressRule() networkingv1.IngressRule {
	out := networkingv1.IngressRule{Host: pick(w, "", "a.example.com", "b.example.com", "*.example.com")}
	if paths := some(w, 3, w.ingressPath); len(paths) > 0 {
		out.HTTP = &networkingv1.HTTPIngressRuleValue{Paths: paths}
	}
	return out
}

func (w *world) ingressPath() networkingv1.HTTPIngressPath {
	return networkingv1.HTTPIngressPath{
		Path: pick(w, "", "/a", "/a/", "/%2f"), Backend: w.ingressBackend(),
		PathType: pick(w, new(networkingv1.PathTypeExact), new(networkingv1.PathTypePrefix), new(networkingv1.PathTypePrefix),
			new(networkingv1.PathTypeImplementationSpecific), new(networkingv1.PathType("Regex"))),
	}
}

func (w *world) ingressBackend() networkingv1.IngressBackend {
	if w.IntN(10) == 0 {
		return networkingv1.IngressBackend{Resource: &corev1.TypedLocalObjectReference{Kind: "Bucket", Name: "b"}}
	}
	return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: fmt.Sprintf("o%d", w.IntN(6)),
		Port: pick(w, networkingv1.ServiceBackendPort{Number: 80}, networkingv1.ServiceBackendPort{Name: "http"}),
	}}
}

func (w *world) ingressTLS() networkingv1.IngressTLS {
	return networkingv1.IngressTLS{
		Hosts:      some(w, 2, func() string { return pick(w, "a.example.com", "b.example.com", "*.example.com") }),
		SecretName: pick(w, "", "o0", "o1", "o2"),
	}
}

func (w *world) service(meta metav1.ObjectMeta) *corev1.Service {
	out := &corev1.Service{ObjectMeta: meta}
	out.Spec.Ports = some(w, 2, func() corev1.ServicePort {
		return corev1.ServicePort{Name: pick(w, "http", "grpc"), Port: pick[int32](w, 80, 81), Protocol: corev1.ProtocolTCP}
	})
	if w.IntN(5) == 0 {
		out.Spec.Type, out.Spec.ExternalName = corev1.ServiceTypeExternalName, pick(w, "c.example.com", "d.example.com")
	}
	return out
}

// certificates are what Secrets hold: two that serve, and one whose key is another's.
var certificates = sync.OnceValue(func() []map[string][]byte {
	one, two := testcert.Data("one", "a.example.com"), testcert.Data("two", "*.example.com")
	return []map[string][]byte{one, two, {corev1.TLSCertKey: one[corev1.TLSCertKey], corev1.TLSPrivateKeyKey: two[corev1.TLSPrivateKeyKey]}}
})

func (w *world) secret(meta metav1.ObjectMeta) *corev1.Secret {
	meta.Generation = 0 // Secrets have none
	return &corev1.Secret{ObjectMeta: meta, Data: pick(w, append(certificates(), nil)...)}
}

// config is a ConfigMap with keys, or with what are none.
func (w *world) config(meta metav1.ObjectMeta) *corev1.ConfigMap {
	meta.Generation = 0 // ConfigMaps have none
	key := string(pick(w, certificates()...)[corev1.TLSCertKey])
	return &corev1.ConfigMap{ObjectMeta: meta, Data: pick(w, nil, map[string]string{"keys": key}, map[string]string{"keys": key, "x": "y"}, map[string]string{"keys": "none"})}
}

func (w *world) grant(meta metav1.ObjectMeta) *gatewayv1beta1.ReferenceGrant {
	out := &gatewayv1beta1.ReferenceGrant{ObjectMeta: meta}
	out.Spec.From = []gatewayv1beta1.ReferenceGrantFrom{{
		Group: "gateway.penstock.io", Kind: "GatewayRoute", Namespace: pick[gatewayv1beta1.Namespace](w, "a", "b"),
	}}
	out.Spec.To = []gatewayv1beta1.ReferenceGrantTo{{
		Kind: "Service", Name: pick(w, nil, new(gatewayv1beta1.ObjectName("o1"))),
	}}
	return out
}

func (w *world) policy(meta metav1.ObjectMeta) *v1alpha1.RateLimitPolicy {
	out := &v1alpha1.RateLimitPolicy{ObjectMeta: meta}
	out.Spec.TargetRefs = append(some(w, 2, w.targetRef), w.targetRef())
	out.Spec.Limits = append(some(w, 1, w.limit), w.limit())
	return out
}

func (w *world) limit() v1alpha1.RateLimit {
	return v1alpha1.RateLimit{
		Name: "l", Requests: 1 + w.Int32N(2), Period: pick(w, new(v1alpha1.Duration("1s")), new(v1alpha1.Duration("1s")), new(v1alpha1.Duration("soon"))),
		Key: some(w, 1, func() v1alpha1.KeySource {
			return pick(w, v1alpha1.KeySource{Type: "Path"}, v1alpha1.KeySource{Type: "APIKey"})
		}),
		Match: pick(w, nil, new(w.match())),
	}
}

func (w *world) targetRef() v1alpha1.TargetRef {
	return v1alpha1.TargetRef{
		Group: "gateway.penstock.io", Kind: pick(w, "GatewayRoute", "GatewayRoute", "GatewayRoute", "Gateway"),
		Name: fmt.Sprintf("o%d", w.IntN(6)), SectionName: pick[v1alpha1.RuleName](w, "", "x"),
	}
}
