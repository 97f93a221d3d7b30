package envtest

import (
	"context"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
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
		grant := &gatewayv1beta1.ReferenceGrant{
			ObjectMeta: metav1.ObjectMeta{Namespace: backend, Name: "routes"},
			Spec: gatewayv1beta1.ReferenceGrantSpec{
				From: []gatewayv1beta1.ReferenceGrantFrom{{
					Group: gatewayv1beta1.Group(v1alpha1.GroupVersion.Group), Kind: v1alpha1.KindGatewayRoute,
					Namespace: gatewayv1beta1.Namespace(ns),
				}},
				To: []gatewayv1beta1.ReferenceGrantTo{{Kind: "Service"}},
			},
		}
		create(t, grant)
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

// installGrants installs the kind ReferenceGrant of the pinned Gateway API, as far as its schema matters here.
func installGrants(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	keep := true
	definition := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "referencegrants.gateway.networking.k8s.io",
			Annotations: map[string]string{"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api"},
		},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: gatewayv1beta1.GroupName,
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{
				Kind: "ReferenceGrant", ListKind: "ReferenceGrantList", Plural: "referencegrants", Singular: "referencegrant",
			},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1beta1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{
					OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &keep},
				},
			}},
		},
	}
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
