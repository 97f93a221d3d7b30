package translate

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/api/v1alpha1"
)

// gatewayRoute is a GatewayRoute as a subject. Package v1alpha1 documents what it means; job translates it.
type gatewayRoute struct{ *v1alpha1.GatewayRoute }

var _ subject = gatewayRoute{}

func (gatewayRoute) kind() string { return v1alpha1.KindGatewayRoute }

func (r gatewayRoute) place() string { return placeOf(r) }

func (r gatewayRoute) idPrefix() string { return r.Namespace + "/" + r.Name + "/" }

func (r gatewayRoute) meansWhat(earlier subject) bool {
	before := earlier.(gatewayRoute)
	return sameSpec(before, r, &before.Spec, &r.Spec)
}

func (r gatewayRoute) translate(e *environment) translation {
	policies := e.policies(nameOf(r))
	j := job{environment: e, self: refOf(r.kind(), r), route: r.GatewayRoute, policies: policies}
	j.attached = attached(r.GatewayRoute, policies)
	j.run()
	return j.translation
}

func (r gatewayRoute) matchField(rule, match int) string {
	if len(r.Spec.Rules[rule].Matches) == 0 {
		return ""
	}
	return fmt.Sprintf(".matches[%d]", match)
}

func (gatewayRoute) tlsField(int) string { return "spec.tls" }

func (gatewayRoute) oneLabel() bool { return false }

// gatewayRoutes are those of every class.
type gatewayRoutes struct {
	routes  *routeSet
	objects tracker[*v1alpha1.GatewayRoute]
	served  roster
}

func newGatewayRoutes(routes *routeSet) *gatewayRoutes {
	return &gatewayRoutes{routes: routes, objects: tracker[*v1alpha1.GatewayRoute]{}, served: roster{}}
}

// put takes the present form of a GatewayRoute, nil for none. It reports whether that is another one than before.
func (s *gatewayRoutes) put(name types.NamespacedName, object *v1alpha1.GatewayRoute) bool {
	if !s.objects.put(name, object) {
		return false
	}
	if object != nil && object.Spec.ClassName == s.routes.options.ClassName {
		s.routes.put(s.served, name, gatewayRoute{object})
	} else {
		s.routes.put(s.served, name, nil)
	}
	return true
}

// outdate has a GatewayRoute translated again.
func (s *gatewayRoutes) outdate(name types.NamespacedName) {
	if r, ok := s.served[name]; ok {
		s.routes.outdated[r] = struct{}{}
	}
}

// ruleName is how a rule is known within its route. Names start with a letter, so that no index is one.
func ruleName(rule *v1alpha1.Rule, index int) string {
	if rule.Name != "" {
		return string(rule.Name)
	}
	return strconv.Itoa(index)
}
