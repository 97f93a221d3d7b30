package translate

import (
	"cmp"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// annotationClass names the class of an Ingress without spec.ingressClassName, as was done before IngressClass existed.
const annotationClass = "kubernetes.io/ingress.class"

// IngressController returns the spec.controller of the IngressClasses whose Ingresses an installation of a class serves. Each
// class has its own, so that two installations never serve the same Ingress.
func IngressController(class string) string {
	const controller = "gateway.penstock.io/ingress-controller"
	if class == DefaultOptions().ClassName {
		return controller
	}
	return controller + "-" + class
}

// ingresses are those of every class, and the IngressClasses, which say which of them are served.
type ingresses struct {
	routes  *routeSet
	objects tracker[*networkingv1.Ingress]
	classes tracker[*networkingv1.IngressClass]
	served  roster
	// controller is that of the classes that are served; byDefault is the class of an Ingress that names none, nil for no one.
	controller string
	byDefault  *networkingv1.IngressClass
}

func newIngresses(routes *routeSet) *ingresses {
	return &ingresses{
		routes: routes, objects: tracker[*networkingv1.Ingress]{}, classes: tracker[*networkingv1.IngressClass]{}, served: roster{},
		controller: IngressController(routes.options.ClassName),
	}
}

// update takes the present forms of some objects, nil for those that are gone. A change of a class looks at every Ingress.
func (s *ingresses) update(objects map[types.NamespacedName]*networkingv1.Ingress, classes map[types.NamespacedName]*networkingv1.IngressClass) {
	for name, object := range objects {
		if s.objects.put(name, object) {
			s.place(name, object)
		}
	}
	reclassified := false
	for name, class := range classes {
		reclassified = s.classes.put(name, class) || reclassified
	}
	if !reclassified {
		return
	}
	s.byDefault = s.findDefault()
	for name, object := range s.objects {
		s.place(name, object)
	}
}

// place has an Ingress served if it is to be.
func (s *ingresses) place(name types.NamespacedName, object *networkingv1.Ingress) {
	if object != nil && s.serves(object) {
		s.routes.put(s.served, name, ingress{object})
	} else {
		s.routes.put(s.served, name, nil)
	}
}

// serves reports whether an Ingress is of a class of this installation.
func (s *ingresses) serves(i *networkingv1.Ingress) bool {
	if i.Spec.IngressClassName != nil {
		return s.isOwn(*i.Spec.IngressClassName)
	}
	if name, ok := i.Annotations[annotationClass]; ok {
		return s.isOwn(name)
	}
	return s.byDefault != nil && s.byDefault.Spec.Controller == s.controller
}

// isOwn reports whether a class is one of this installation. An IngressClass need not exist if it has the installation's
// name, so that manifests without a cluster, and Ingresses that name it by annotation, need none.
func (s *ingresses) isOwn(class string) bool {
	if found := s.classes[types.NamespacedName{Name: class}]; found != nil {
		return found.Spec.Controller == s.controller
	}
	return class == s.routes.options.ClassName
}

// findDefault returns the class of Ingresses that name none, as the API server chooses it for those that are created: of
// several the youngest, then the first by name.
func (s *ingresses) findDefault() (found *networkingv1.IngressClass) {
	for _, c := range s.classes {
		isDefault := c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true"
		if isDefault && (found == nil || compareDefaults(c, found) < 0) {
			found = c
		}
	}
	return found
}

func compareDefaults(a, b *networkingv1.IngressClass) int {
	return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
}
