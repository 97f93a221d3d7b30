package envtest

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers"
)

func TestEndpointsArriveWithoutTranslation(t *testing.T) {
	const class = "endpoints"
	ns := newNamespace(t)
	one, two := newSlice(ns, "users", "users-1", "10.0.0.1"), newSlice(ns, "users", "users-2", "10.0.0.2")
	create(t, newService(ns, "users"), one, newRoute(class, ns, "users", "users"))
	r := start(t, class)
	cluster := ns + "/users:80"
	r.gateway.awaitAddresses(t, cluster, "10.0.0.1")
	r.gateway.awaitRoutes(t, ns+"/users/0")
	var translations float64
	await(t, "the translation is counted, which it is once it serves", func(context.Context) (bool, error) {
		translations = r.value(t, "gateway_translation_duration_seconds")
		return translations > 0, nil
	})
	applies := r.gateway.count()

	create(t, two)
	r.gateway.awaitAddresses(t, cluster, "10.0.0.1", "10.0.0.2")
	update(t, one, func(s *discoveryv1.EndpointSlice) { *s.Endpoints[0].Conditions.Ready = false })
	r.gateway.awaitAddresses(t, cluster, "10.0.0.2")
	update(t, two, func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelServiceName] = "others" })
	r.gateway.awaitAddresses(t, cluster)

	if got := r.value(t, "gateway_translation_duration_seconds"); got != translations {
		t.Errorf("%v translations for changes of endpoints", got-translations)
	}
	if got := r.gateway.count(); got != applies {
		t.Errorf("%d applies for changes of endpoints", got-applies)
	}
}

func TestAServicesPortNameDecidesItsEndpoints(t *testing.T) {
	const class = "ports"
	ns := newNamespace(t)
	service := newService(ns, "users")
	create(t, service, newSlice(ns, "users", "users-1", "10.0.0.1"), newRoute(class, ns, "users", "users"))
	r := start(t, class)
	r.gateway.awaitAddresses(t, ns+"/users:80", "10.0.0.1")
	update(t, service, func(s *corev1.Service) { s.Spec.Ports[0].Name = "web" })
	r.gateway.awaitAddresses(t, ns+"/users:80")
	update(t, service, func(s *corev1.Service) { s.Spec.Ports[0].Name = "http" })
	r.gateway.awaitAddresses(t, ns+"/users:80", "10.0.0.1")
}

func TestTheFirstRequestOfANewRouteFindsEndpoints(t *testing.T) {
	const class = "first"
	ns := newNamespace(t)
	create(t, newService(ns, "users"), newSlice(ns, "users", "users-1", "10.0.0.1"))
	r := start(t, class)
	r.awaitReady(t)
	for _, name := range []string{"a", "b", "c"} {
		service := newService(ns, name)
		create(t, service, newSlice(ns, name, name, "10.0.0.9"), newRoute(class, ns, name, name))
	}
	r.gateway.awaitRoutes(t, ns+"/a/0", ns+"/b/0", ns+"/c/0")
	if r.gateway.early != nil {
		t.Errorf("clusters were applied before their endpoints: %v", r.gateway.early)
	}
}

func TestOnlyTheNamespacesGivenAreServed(t *testing.T) {
	const class = "namespaces"
	mine, also, others := newNamespace(t), newNamespace(t), newNamespace(t)
	for _, ns := range []string{mine, also, others} {
		create(t, newService(ns, "users"), newSlice(ns, "users", "users-1", "10.0.0.1"), newRoute(class, ns, "users", "users"))
	}
	r := start(t, class, func(o *controllers.Options) { o.Translate.Namespaces = []string{mine, also} })
	r.gateway.awaitRoutes(t, mine+"/users/0", also+"/users/0")
	r.gateway.awaitAddresses(t, also+"/users:80", "10.0.0.1")

	// What is not watched is not looked into, whatever is there.
	reaching := newRoute(class, mine, "reaching", "users")
	reaching.Spec.Rules[0].Backends[0].Namespace = others
	create(t, reaching)
	c := awaitCondition(t, reaching, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonRefNotPermitted)
	if want := "Service " + others + "/users is in a namespace that this installation does not watch."; c.Message != want {
		t.Errorf("the message is %q, want %q", c.Message, want)
	}
	ignored := &v1alpha1.GatewayRoute{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: others, Name: "users"}, ignored); err != nil {
		t.Fatal(err)
	}
	if len(ignored.Status.Conditions) > 0 {
		t.Errorf("a route outside of what is watched got a status: %v", ignored.Status.Conditions)
	}
	if got := r.value(t, "gateway_controller_restarts_total"); got != 0 {
		t.Errorf("the controller was started again %v times", got)
	}
}
