package controllers

import (
	"errors"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
)

// newScheme knows the kinds that are read or written.
func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	return s, errors.Join(
		v1alpha1.AddToScheme(s), corev1.AddToScheme(s), discoveryv1.AddToScheme(s),
		networkingv1.AddToScheme(s), gatewayv1beta1.Install(s), coordinationv1.AddToScheme(s), apiextensionsv1.AddToScheme(s),
	)
}

// newMapper says where the kinds are found. It is written down, not discovered: discovery fails while the API server is
// away and costs a start some 50 requests.
func newMapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	add := func(gv schema.GroupVersion, kind, plural string, scope meta.RESTScope) {
		resource := gv.WithResource(plural)
		m.AddSpecific(gv.WithKind(kind), resource, resource, scope)
	}
	add(v1alpha1.GroupVersion, v1alpha1.KindGatewayRoute, "gatewayroutes", meta.RESTScopeNamespace)
	add(v1alpha1.GroupVersion, v1alpha1.KindRateLimitPolicy, "ratelimitpolicies", meta.RESTScopeNamespace)
	add(corev1.SchemeGroupVersion, "Service", "services", meta.RESTScopeNamespace)
	add(corev1.SchemeGroupVersion, "Secret", "secrets", meta.RESTScopeNamespace)
	add(corev1.SchemeGroupVersion, "ConfigMap", "configmaps", meta.RESTScopeNamespace)
	add(coordinationv1.SchemeGroupVersion, "Lease", "leases", meta.RESTScopeNamespace)
	add(corev1.SchemeGroupVersion, "Namespace", "namespaces", meta.RESTScopeRoot)
	add(discoveryv1.SchemeGroupVersion, "EndpointSlice", "endpointslices", meta.RESTScopeNamespace)
	add(networkingv1.SchemeGroupVersion, "Ingress", "ingresses", meta.RESTScopeNamespace)
	add(networkingv1.SchemeGroupVersion, "IngressClass", "ingressclasses", meta.RESTScopeRoot)
	add(schema.GroupVersion(gatewayv1beta1.GroupVersion), "ReferenceGrant", "referencegrants", meta.RESTScopeNamespace)
	add(apiextensionsv1.SchemeGroupVersion, "CustomResourceDefinition", "customresourcedefinitions", meta.RESTScopeRoot)
	return m
}
