package envtest

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers"
)

// TestOneWriteForEachChange guards against write storms: what is said already is not said again, and what does not
// change what there is to say is not answered with a write.
func TestOneWriteForEachChange(t *testing.T) {
	const class, count = "storm", 30
	ns := newNamespace(t)
	service, slice := newService(ns, "users"), newSlice(ns, "users", "users-1", "10.0.0.1")
	create(t, service, slice)
	r := start(t, class)
	routes := make([]*v1alpha1.GatewayRoute, count)
	for i := range routes {
		routes[i] = newRoute(class, ns, fmt.Sprintf("route-%d", i), "users")
		create(t, routes[i])
	}
	for _, route := range routes {
		awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	}

	// None of this changes what there is to say.
	update(t, slice, func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = []string{"10.0.0.2"} })
	r.gateway.awaitAddresses(t, ns+"/users:80", "10.0.0.2")
	update(t, routes[0], func(r *v1alpha1.GatewayRoute) { r.Labels = map[string]string{"touched": "true"} })
	update(t, service, func(s *corev1.Service) { s.Labels = map[string]string{"touched": "true"} })

	// This does, and is the proof that all before has been seen.
	update(t, routes[1], func(r *v1alpha1.GatewayRoute) { r.Spec.Rules[0].Backends[0].Service = "nobody" })
	awaitCondition(t, routes[1], v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonBackendNotFound)
	if got := r.writes.Load(); got != count+1 {
		t.Errorf("%d status writes for %d changes", got, count+1)
	}
	r.awaitValue(t, "gateway_status_writes_total", count+1)
}

func TestAStatusWriteAsksForNoTranslation(t *testing.T) {
	const class = "echo"
	ns := newNamespace(t)
	first, second := newRoute(class, ns, "first", "users"), newRoute(class, ns, "second", "users")
	create(t, newService(ns, "users"))
	r := start(t, class)
	r.awaitReady(t)
	before := r.value(t, "gateway_translation_duration_seconds")
	create(t, first)
	awaitCondition(t, first, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	create(t, second)
	awaitCondition(t, second, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	if got := r.value(t, "gateway_translation_duration_seconds") - before; got != 2 {
		t.Errorf("%v translations for 2 changes", got)
	}
}

func TestOneLeaderWritesAndAnotherTakesOver(t *testing.T) {
	const class = "leaders"
	ns := newNamespace(t)
	create(t, newService(ns, "users"))
	one := start(t, class)
	one.awaitValue(t, "gateway_leader", 1)
	two := start(t, class)
	two.awaitReady(t)

	old := newRoute(class, ns, "old", "users")
	create(t, old)
	said := awaitCondition(t, old, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	two.gateway.awaitRoutes(t, ns+"/old/0")
	if got := [2]int32{one.writes.Load(), two.writes.Load()}; got != [2]int32{1, 0} {
		t.Errorf("leader and follower wrote %v statuses", got)
	}

	one.stop()
	two.awaitValue(t, "gateway_leader", 1)
	young := newRoute(class, ns, "young", "users")
	create(t, young)
	awaitCondition(t, young, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	still := awaitCondition(t, old, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	if !said.LastTransitionTime.Equal(&still.LastTransitionTime) {
		t.Error("a new leader moved lastTransitionTime")
	}
	if got := two.writes.Load(); got != 1 {
		t.Errorf("the new leader wrote %d statuses for one change", got)
	}
}

func TestANewLeaderSaysWhatTheOldOneLeftUnsaid(t *testing.T) {
	const class = "takeover"
	ns := newNamespace(t)
	create(t, newService(ns, "users"))
	steal(t, "a replica that never writes", 3600)
	r := start(t, class)
	route := newRoute(class, ns, "users", "users")
	create(t, route)
	r.gateway.awaitRoutes(t, ns+"/users/0")
	if got := r.writes.Load(); got != 0 {
		t.Errorf("a follower wrote %d statuses", got)
	}
	steal(t, "", 1) // released
	awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
}

func TestALostLeaseEndsNothingButTheWriting(t *testing.T) {
	const class = "lost"
	ns := newNamespace(t)
	create(t, newService(ns, "users"))
	r := start(t, class)
	r.awaitValue(t, "gateway_leader", 1)
	steal(t, "a thief", 3600)
	r.awaitValue(t, "gateway_leader", 0)

	route := newRoute(class, ns, "users", "users")
	create(t, route)
	r.gateway.awaitRoutes(t, ns+"/users/0")
	if ok, why := r.Ready(); !ok {
		t.Errorf("not ready: %s", why)
	}
	steal(t, "", 1)
	r.awaitValue(t, "gateway_leader", 1)
	awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	if got := r.value(t, "gateway_controller_restarts_total"); got != 0 {
		t.Errorf("the controller was started again %v times", got)
	}
}

func TestAnElectionThatFailsCostsNoRoutes(t *testing.T) {
	const class = "unelectable"
	ns := newNamespace(t)
	create(t, newService(ns, "users"), newRoute(class, ns, "users", "users"))
	r := start(t, class, func(o *controllers.Options) { o.Election.Identity = "" })
	await(t, "the failure is counted", func(context.Context) (bool, error) {
		return r.value(t, "gateway_controller_restarts_total") > 1, nil
	})
	r.gateway.awaitRoutes(t, ns+"/users/0")
}

// steal gives the lease to somebody for some seconds.
func steal(t *testing.T, holder string, seconds int32) {
	t.Helper()
	await(t, "the lease changes hands", func(ctx context.Context) (bool, error) {
		return writeLease(ctx, holder, seconds) == nil, nil
	})
}
