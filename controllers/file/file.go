// Package file reads Penstock's objects from manifests in a directory, as standalone mode, "penstock translate" and
// "penstock validate" do. GatewayRoutes and RateLimitPolicies pass the generated CRD's schema, defaults and CEL rules, so
// that what is refused here is refused by the API server, and the other way round.
package file

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/translate"
)

// Objects are valid objects with their defaults, each kind ordered by namespace and name. They are not to be
// modified.
type Objects struct {
	Routes         []*v1alpha1.GatewayRoute
	Ingresses      []*networkingv1.Ingress
	IngressClasses []*networkingv1.IngressClass
	Policies       []*v1alpha1.RateLimitPolicy
	Services       []*corev1.Service
	Slices         []*discoveryv1.EndpointSlice
	Grants         []*gatewayv1beta1.ReferenceGrant
	Secrets        []*corev1.Secret
	ConfigMaps     []*corev1.ConfigMap
	Namespaces     []*corev1.Namespace
}

// Changes are the objects that are not those of the reading before, by name; nil for one that is gone. They must not be
// modified.
type Changes struct {
	Routes    map[types.NamespacedName]*v1alpha1.GatewayRoute
	Ingresses map[types.NamespacedName]*networkingv1.Ingress
	Policies  map[types.NamespacedName]*v1alpha1.RateLimitPolicy
	Services  map[types.NamespacedName]*corev1.Service
	Slices    map[types.NamespacedName]*discoveryv1.EndpointSlice
	Grants    map[types.NamespacedName]*gatewayv1beta1.ReferenceGrant
	Secrets   map[types.NamespacedName]*corev1.Secret
	// ConfigMaps are those of manifests that hold some, and have nothing to do with the one that the manifests may be mounted from.
	ConfigMaps map[types.NamespacedName]*corev1.ConfigMap
	// IngressClasses and Namespaces have a name and no namespace.
	IngressClasses map[types.NamespacedName]*networkingv1.IngressClass
	Namespaces     map[types.NamespacedName]*corev1.Namespace
}

// Problem is one reason why a manifest, or part of it, is not used.
type Problem struct {
	File    string // as reached from the directory that was read
	Line    int    // where the document starts, from 1; 0 if the whole file or directory is meant
	Object  string // "Kind namespace/name", or "Kind name"; empty if the document could not be understood so far
	Field   string // path such as spec.rules[0].name; empty if no single field is to blame
	Message string
}

// String says it in one line: "routes.yaml:12: GatewayRoute shop/users: spec.rules: Required value".
func (p Problem) String() string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	parts := slices.DeleteFunc([]string{place, p.Object, p.Field, p.Message}, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
}

// Load reads every manifest in dir and below: files named *.yaml, *.yml and *.json, with any number of documents each.
// Names that start with a dot are passed over; symbolic links are followed. dir may be a single file.
//
// What is wrong with a document is a Problem and takes no other document down. Of two documents for the same object the
// first is used, in the order of paths and lines. An object without namespace is in "default", unless its kind has none. Generations are 1, and
// one more with each change that a Watcher sees.
func Load(dir string) (Objects, []Problem) {
	var r reader
	k := newKeeper()
	_, problems := k.merge(r.read(dir, time.Now()))
	return k.objects(), problems
}

// ref names an object.
type ref struct{ kind, namespace, name string }

func (r ref) String() string {
	switch {
	case r == (ref{}):
		return ""
	case r.namespace == "":
		return r.kind + " " + r.name
	}
	return r.kind + " " + r.namespace + "/" + r.name
}

func compareRefs(a, b ref) int {
	return cmp.Or(
		cmp.Compare(a.kind, b.kind),
		cmp.Compare(a.namespace, b.namespace),
		cmp.Compare(a.name, b.name),
	)
}

func (o *Objects) add(object metav1.Object) {
	switch object := object.(type) {
	case *v1alpha1.GatewayRoute:
		o.Routes = append(o.Routes, object)
	case *networkingv1.Ingress:
		o.Ingresses = append(o.Ingresses, object)
	case *networkingv1.IngressClass:
		o.IngressClasses = append(o.IngressClasses, object)
	case *v1alpha1.RateLimitPolicy:
		o.Policies = append(o.Policies, object)
	case *corev1.Service:
		o.Services = append(o.Services, object)
	case *discoveryv1.EndpointSlice:
		o.Slices = append(o.Slices, object)
	case *gatewayv1beta1.ReferenceGrant:
		o.Grants = append(o.Grants, object)
	case *corev1.Secret:
		o.Secrets = append(o.Secrets, object)
	case *corev1.ConfigMap:
		o.ConfigMaps = append(o.ConfigMaps, object)
	case *corev1.Namespace:
		o.Namespaces = append(o.Namespaces, object)
	}
}

// put notes what became of an object; nil if it is gone.
func (c *Changes) put(r ref, object metav1.Object) {
	name := types.NamespacedName{Namespace: r.namespace, Name: r.name}
	switch r.kind {
	case v1alpha1.KindGatewayRoute:
		put(&c.Routes, name, object)
	case translate.KindIngress:
		put(&c.Ingresses, name, object)
	case ingressClasses.Kind:
		put(&c.IngressClasses, name, object)
	case v1alpha1.KindRateLimitPolicy:
		put(&c.Policies, name, object)
	case "Service":
		put(&c.Services, name, object)
	case "EndpointSlice":
		put(&c.Slices, name, object)
	case "ReferenceGrant":
		put(&c.Grants, name, object)
	case "Secret":
		put(&c.Secrets, name, object)
	case "ConfigMap":
		put(&c.ConfigMaps, name, object)
	case namespaces.Kind:
		put(&c.Namespaces, name, object)
	}
}

func put[O metav1.Object](to *map[types.NamespacedName]O, name types.NamespacedName, object metav1.Object) {
	if *to == nil {
		*to = map[types.NamespacedName]O{}
	}
	(*to)[name], _ = object.(O)
}
