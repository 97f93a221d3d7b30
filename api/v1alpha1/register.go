package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kinds of the group.
const (
	KindGatewayRoute    = "GatewayRoute"
	KindRateLimitPolicy = "RateLimitPolicy"
)

// GroupVersion is the group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "gateway.penstock.io", Version: "v1alpha1"}

// AddToScheme adds the types of this package to a scheme.
var AddToScheme = (&runtime.SchemeBuilder{addKnownTypes}).AddToScheme

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&GatewayRoute{}, &GatewayRouteList{},
		&RateLimitPolicy{}, &RateLimitPolicyList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
