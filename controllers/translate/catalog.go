package translate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
)

// catalog is what routes may refer to, and the labels of the namespaces that they are in.
type catalog struct {
	services map[types.NamespacedName]*service
	// grants are those of one namespace.
	grants     map[string]map[types.NamespacedName]*gatewayv1beta1.ReferenceGrant
	namespaces map[string]labels.Set
}

func newCatalog() *catalog {
	return &catalog{
		services:   map[types.NamespacedName]*service{},
		grants:     map[string]map[types.NamespacedName]*gatewayv1beta1.ReferenceGrant{},
		namespaces: map[string]labels.Set{},
	}
}

// service is what matters of a Service to the routes that refer to it. Services change more often than this does.
type service struct {
	// external is the host that a Service of type ExternalName stands for.
	external string
	ports    []servicePort
}

// servicePort is a TCP port of a Service.
type servicePort struct {
	name   string
	number int32
}

func newService(s *corev1.Service) *service {
	out := &service{}
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		out.external = strings.ToLower(strings.TrimSuffix(s.Spec.ExternalName, "."))
	}
	for _, p := range s.Spec.Ports {
		if isTCP(p) {
			out.ports = append(out.ports, servicePort{name: p.Name, number: p.Port})
		}
	}
	return out
}

func isTCP(p corev1.ServicePort) bool {
	return cmp.Or(p.Protocol, corev1.ProtocolTCP) == corev1.ProtocolTCP
}

func (s *service) equal(o *service) bool {
	return s.external == o.external && slices.Equal(s.ports, o.ports)
}

// dependency names what a translation looked at: a Service, there or not; or, without a name, the grants of a namespace; or,
// without a namespace, the labels of the one of that name.
type dependency types.NamespacedName

// putService takes a Service that was added, replaced or removed (nil). It reports whether that matters to routes.
func (c *catalog) putService(name types.NamespacedName, s *corev1.Service) bool {
	if s == nil {
		delete(c.services, name)
		return true
	}
	fresh := newService(s)
	if old, ok := c.services[name]; ok && old.equal(fresh) {
		return false
	}
	c.services[name] = fresh
	return true
}

// putGrant takes a grant that was added, replaced or removed (nil).
func (c *catalog) putGrant(name types.NamespacedName, g *gatewayv1beta1.ReferenceGrant) {
	if g == nil {
		delete(c.grants[name.Namespace], name)
		return
	}
	if c.grants[name.Namespace] == nil {
		c.grants[name.Namespace] = map[types.NamespacedName]*gatewayv1beta1.ReferenceGrant{}
	}
	c.grants[name.Namespace][name] = g
}

// putNamespace takes a Namespace that was added, replaced or removed (nil). It reports whether its labels are others.
func (c *catalog) putNamespace(name string, n *corev1.Namespace) bool {
	old, known := c.namespaces[name]
	if n == nil {
		delete(c.namespaces, name)
		return known
	}
	c.namespaces[name] = n.Labels
	return !known || !maps.Equal(old, n.Labels)
}

// permits reports whether a grant lets GatewayRoutes of namespace from refer to a Service of another one.
func (c *catalog) permits(from string, to types.NamespacedName) bool {
	for _, g := range c.grants[to.Namespace] {
		if slices.ContainsFunc(g.Spec.From, fromRoutesOf(from)) && slices.ContainsFunc(g.Spec.To, toService(to.Name)) {
			return true
		}
	}
	return false
}

func fromRoutesOf(namespace string) func(gatewayv1beta1.ReferenceGrantFrom) bool {
	return func(f gatewayv1beta1.ReferenceGrantFrom) bool {
		return string(f.Group) == v1alpha1.GroupVersion.Group && f.Kind == v1alpha1.KindGatewayRoute &&
			string(f.Namespace) == namespace
	}
}

func toService(name string) func(gatewayv1beta1.ReferenceGrantTo) bool {
	return func(t gatewayv1beta1.ReferenceGrantTo) bool {
		return t.Group == corev1.GroupName && t.Kind == "Service" && (t.Name == nil || string(*t.Name) == name)
	}
}
