package envtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/snapshot"
)

func TestStatusFollowsTheObject(t *testing.T) {
	const class = "follows"
	ns := newNamespace(t)
	r := start(t, class)
	route := newRoute(class, ns, "users", "users")
	create(t, newService(ns, "users"), route)

	accepted := awaitCondition(t, route, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	resolved := awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionTrue, v1alpha1.ReasonResolvedRefs)
	awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	awaitCondition(t, route, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonServing)
	r.gateway.awaitRoutes(t, ns+"/users/0")

	// A second must pass before a new transition time can be told from the old one.
	await(t, "the clock has moved on", func(context.Context) (bool, error) {
		return metav1.Now().Unix() > accepted.LastTransitionTime.Unix(), nil
	})
	update(t, route, func(r *v1alpha1.GatewayRoute) { r.Spec.Rules[0].Backends[0].Service = "nobody" })
	refused := awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonBackendNotFound)
	if !resolved.LastTransitionTime.Before(&refused.LastTransitionTime) {
		t.Error("lastTransitionTime stayed while the status changed")
	}
	still := awaitCondition(t, route, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	if !accepted.LastTransitionTime.Equal(&still.LastTransitionTime) {
		t.Error("lastTransitionTime moved without the status")
	}
	awaitEvent(t, ns, "users", v1alpha1.ReasonBackendNotFound, refused.Message)

	if err := admin.Delete(t.Context(), route); err != nil {
		t.Fatal(err)
	}
	r.gateway.awaitRoutes(t)
}

// Each Event is an object that the API server keeps for an hour, and that whoever sends it remembers for minutes.
func TestWhatIsRefusedAgainAndAgainIsOneEvent(t *testing.T) {
	const class = "again"
	ns := newNamespace(t)
	start(t, class)
	route := newRoute(class, ns, "users", "users")
	create(t, newService(ns, "users"), route)
	for range 3 {
		update(t, route, func(r *v1alpha1.GatewayRoute) { r.Spec.Rules[0].Backends[0].Service = "nobody" })
		awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonBackendNotFound)
		update(t, route, func(r *v1alpha1.GatewayRoute) { r.Spec.Rules[0].Backends[0].Service = "users" })
		awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionTrue, v1alpha1.ReasonResolvedRefs)
	}
	await(t, "the event is counted", func(ctx context.Context) (bool, error) {
		told, err := warnings(ctx, ns, "users")
		return len(told) > 0 && told[0].Series != nil, err
	})
	told, err := warnings(t.Context(), ns, "users")
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 {
		t.Errorf("there are %d warnings about the same, want 1 that counts", len(told))
	}
}

// awaitEvent waits for a warning about an object.
func awaitEvent(t *testing.T, namespace, name, reason, note string) {
	t.Helper()
	await(t, "there is a warning with reason "+reason, func(ctx context.Context) (bool, error) {
		told, err := warnings(ctx, namespace, name)
		return slices.ContainsFunc(told, func(e eventsv1.Event) bool { return e.Reason == reason && e.Note == note }), err
	})
}

// warnings are the events that warn of an object.
func warnings(ctx context.Context, namespace, name string) ([]eventsv1.Event, error) {
	var events eventsv1.EventList
	if err := admin.List(ctx, &events, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(events.Items, func(e eventsv1.Event) bool { return e.Type != "Warning" || e.Regarding.Name != name }), nil
}

func TestARouteThatTheGatewayCantBuildIsNotProgrammed(t *testing.T) {
	const class = "refuses"
	ns := newNamespace(t)
	good, bad := newRoute(class, ns, "good", "users"), newRoute(class, ns, "bad", "users")
	create(t, newService(ns, "users"), good, bad)
	r := start(t, class)
	r.gateway.change(func() {
		r.gateway.refuse = func(r *snapshot.Route) error {
			if r.Origin.Name == "bad" {
				return errors.New("no such thing")
			}
			return nil
		}
	})

	c := awaitCondition(t, bad, v1alpha1.ConditionProgrammed, metav1.ConditionFalse, v1alpha1.ReasonNotProgrammed)
	if !strings.Contains(c.Message, "no such thing") {
		t.Errorf("the message %q does not say why", c.Message)
	}
	awaitCondition(t, good, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
}

func TestOthersConditionsAreKept(t *testing.T) {
	const class, foreign = "keeps", "example.com/Audited"
	ns := newNamespace(t)
	route := newRoute(class, ns, "users", "users")
	create(t, newService(ns, "users"), route)
	start(t, class)
	awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)

	// Somebody writes to the status, with updates, while our own writes go on because the route changes.
	for i := range 10 {
		service := []string{"users", "nobody"}[i%2]
		update(t, route, func(r *v1alpha1.GatewayRoute) { r.Spec.Rules[0].Backends[0].Service = service })
		await(t, "the other's status is written", func(ctx context.Context) (bool, error) {
			if err := admin.Get(ctx, client.ObjectKeyFromObject(route), route); err != nil {
				return false, err
			}
			kept := route.Status.Conditions[:0]
			for _, c := range route.Status.Conditions {
				if c.Type != foreign {
					kept = append(kept, c)
				}
			}
			route.Status.Conditions = append(kept, metav1.Condition{
				Type: foreign, Status: metav1.ConditionTrue, Reason: "Audited", LastTransitionTime: metav1.Now(),
				ObservedGeneration: route.Generation,
			})
			return admin.Status().Update(ctx, route) == nil, nil
		})
	}
	awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonBackendNotFound)
	awaitCondition(t, route, foreign, metav1.ConditionTrue, "Audited")
}

func TestOurConditionsAreRestored(t *testing.T) {
	const class = "restores"
	ns := newNamespace(t)
	route := newRoute(class, ns, "users", "users")
	create(t, newService(ns, "users"), route)
	start(t, class)
	awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)

	await(t, "the status is overwritten", func(ctx context.Context) (bool, error) {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(route), route); err != nil {
			return false, err
		}
		route.Status.Conditions = nil
		return admin.Status().Update(ctx, route) == nil, nil
	})
	awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
}

func TestARouteOfAnotherClassHasNoStatusOfOurs(t *testing.T) {
	const class = "leaves"
	ns := newNamespace(t)
	route := newRoute(class, ns, "users", "users")
	create(t, newService(ns, "users"), route)
	r := start(t, class)
	awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)

	update(t, route, func(r *v1alpha1.GatewayRoute) { r.Spec.ClassName = "another" })
	r.gateway.awaitRoutes(t)
	await(t, "the status is empty", func(ctx context.Context) (bool, error) {
		err := admin.Get(ctx, client.ObjectKeyFromObject(route), route)
		return len(route.Status.Conditions) == 0, err
	})
}

func TestAPolicySaysWhatBecomesOfItAndOfEachTarget(t *testing.T) {
	const class = "policies"
	ns := newNamespace(t)
	target := v1alpha1.TargetRef{Group: v1alpha1.GroupVersion.Group, Kind: v1alpha1.KindGatewayRoute, Name: "users"}
	policy := &v1alpha1.RateLimitPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "limits"},
		Spec: v1alpha1.RateLimitPolicySpec{
			TargetRefs: []v1alpha1.TargetRef{target},
			Limits:     []v1alpha1.RateLimit{{Name: "all", Requests: 1, Period: new(v1alpha1.Duration("1s"))}},
		},
	}
	route := newRoute(class, ns, "users", "users")
	create(t, newService(ns, "users"), route, policy)
	r := start(t, class)
	await(t, "the policy has its status", func(ctx context.Context) (bool, error) {
		err := admin.Get(ctx, client.ObjectKeyFromObject(policy), policy)
		programmed := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.ConditionProgrammed)
		return programmed != nil && programmed.Status == metav1.ConditionTrue, err
	})
	if len(policy.Status.Targets) != 1 || policy.Status.Targets[0].TargetRef != target ||
		!meta.IsStatusConditionTrue(policy.Status.Targets[0].Conditions, v1alpha1.ConditionAccepted) {
		t.Errorf("the targets are %v", policy.Status.Targets)
	}

	// What the API server gave back is what was wanted: nothing is written again when all is compared once more.
	awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	if want := (v1alpha1.AttachedPolicy{Kind: v1alpha1.KindRateLimitPolicy, Name: "limits"}); len(route.Status.Policies) != 1 || route.Status.Policies[0] != want {
		t.Errorf("the route says that these policies hold: %v", route.Status.Policies)
	}
	written := r.writes.Load()
	r.stop()
	again := start(t, class)
	again.awaitValue(t, "gateway_leader", 1)
	late := newRoute(class, ns, "late", "users")
	create(t, late)
	awaitCondition(t, late, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	if written != 2 || again.writes.Load() != 1 {
		t.Errorf("%d writes for 2 objects, and %d for one more", written, again.writes.Load())
	}
}

func TestARouteMadeAnewHasAStatusOfItsOwn(t *testing.T) {
	const class = "anew"
	ns := newNamespace(t)
	create(t, newService(ns, "users"))
	r := start(t, class)
	for i, service := range []string{"users", "nobody", "users", "nobody"} {
		route := newRoute(class, ns, "users", service)
		if err := admin.Create(t.Context(), route); err != nil {
			t.Fatal(err)
		}
		status, reason := metav1.ConditionTrue, v1alpha1.ReasonResolvedRefs
		if service == "nobody" {
			status, reason = metav1.ConditionFalse, v1alpha1.ReasonBackendNotFound
		}
		if i%2 == 1 { // every other one goes before anybody has said anything about it
			awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, status, reason)
		}
		if err := admin.Delete(t.Context(), route); err != nil {
			t.Fatal(err)
		}
	}
	r.gateway.awaitRoutes(t)
}
