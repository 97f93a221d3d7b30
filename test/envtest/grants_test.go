package envtest

import (
	"context"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/test/testgrants"
)

func TestGrantsCountWhileTheirKindIsThere(t *testing.T) {
	const class = "grants"
	ns, backend := newNamespace(t), newNamespace(t)
	route := newRoute(class, ns, "users", "users")
	route.Spec.Rules[0].Backends[0].Namespace = backend
	create(t, newService(backend, "users"), route)

	// The kind is not there: nothing waits for it, and what needs it is refused.
	r := start(t, class)
	r.awaitReady(t)
	awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonRefNotPermitted)

	for range 2 {
		definition := installGrants(t)
		create(t, newGrant(backend, ns))
		awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionTrue, v1alpha1.ReasonResolvedRefs)

		// A replica that starts now never serves a snapshot without the grant.
		late := start(t, class)
		late.gateway.awaitRoutes(t, ns+"/users/0")
		late.stop()
		for r := range late.gateway.first.Routes.Values() {
			if r.Reject != 0 {
				t.Error("a new replica refused what a grant permits")
			}
		}

		remove(t, definition)
		awaitCondition(t, route, v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v1alpha1.ReasonRefNotPermitted)
	}
}

// A replica that starts when the kind is gone has seen the last of the grants, too.
func TestGrantsWhoseKindIsGoneHoldNobodyBack(t *testing.T) {
	const class = "no-more-grants"
	ns := newNamespace(t)
	definition := installGrants(t)
	create(t, newGrant(ns, ns), newService(ns, "users"), newService(ns, "others"))
	first := start(t, class)
	first.awaitReady(t)
	first.awaitValue(t, "gateway_leader", 1)
	route := newRoute(class, ns, "users", "users")
	create(t, route)
	requireReady(t, route)
	remove(t, definition)

	second := start(t, class)
	second.awaitReady(t)
	update(t, route, pointTo("others"))
	if got, want := requireReady(t, route), "2 of 2 replicas serve generation 2."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if strings.Contains(second.log.String(), "ready although") {
		t.Error("the second replica was ready only when it had waited in vain")
	}
}

// newGrant permits the routes of a namespace to name the Services of another one.
func newGrant(backend, routes string) *gatewayv1beta1.ReferenceGrant {
	return &gatewayv1beta1.ReferenceGrant{
		ObjectMeta: metav1.ObjectMeta{Namespace: backend, Name: "routes"},
		Spec: gatewayv1beta1.ReferenceGrantSpec{
			From: []gatewayv1beta1.ReferenceGrantFrom{{
				Group: gatewayv1beta1.Group(v1alpha1.GroupVersion.Group), Kind: v1alpha1.KindGatewayRoute,
				Namespace: gatewayv1beta1.Namespace(routes),
			}},
			To: []gatewayv1beta1.ReferenceGrantTo{{Kind: "Service"}},
		},
	}
}

// installGrants installs the kind ReferenceGrant.
func installGrants(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	definition := testgrants.Definition()
	create(t, definition)
	await(t, "ReferenceGrants can be listed", func(ctx context.Context) (bool, error) {
		return admin.List(ctx, &gatewayv1beta1.ReferenceGrantList{}) == nil, nil
	})
	return definition
}

// remove deletes an object and waits until it is gone.
func remove(t *testing.T, o client.Object) {
	t.Helper()
	if err := admin.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	await(t, o.GetName()+" is gone", func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(o), o)), nil
	})
}
