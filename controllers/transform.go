package controllers

import (
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/translate"
)

// Caches hold every object of a kind for as long as the process runs. These functions drop what nobody reads, in the
// only moment in which an object may be written: before anybody else has it.

// byObject says what caches hold of each kind.
func byObject(kinds ...client.Object) map[client.Object]cache.ByObject {
	out := make(map[client.Object]cache.ByObject, len(kinds))
	for _, k := range kinds {
		out[k] = cache.ByObject{Transform: trim}
	}
	return out
}

// trim keeps what translation, endpoints and status need.
func trim(o any) (any, error) {
	switch o := o.(type) {
	case *v1alpha1.GatewayRoute:
		trimMeta(&o.ObjectMeta)
		share(o.Status.Conditions)
	case *v1alpha1.RateLimitPolicy:
		trimMeta(&o.ObjectMeta)
	case *corev1.Service:
		trimMeta(&o.ObjectMeta)
		o.Spec = corev1.ServiceSpec{
			Type: o.Spec.Type, Ports: o.Spec.Ports, IPFamilies: o.Spec.IPFamilies, ExternalName: o.Spec.ExternalName,
		}
		o.Status = corev1.ServiceStatus{}
	case *corev1.Secret:
		trimSecret(o)
	case *corev1.ConfigMap:
		trimConfigMap(o)
	case *corev1.Namespace:
		labels := o.Labels
		trimMeta(&o.ObjectMeta)
		o.Labels = labels
		*o = corev1.Namespace{ObjectMeta: o.ObjectMeta}
	case *networkingv1.Ingress:
		trimAnnotated(&o.ObjectMeta)
	case *networkingv1.IngressClass:
		trimAnnotated(&o.ObjectMeta)
		o.Spec = networkingv1.IngressClassSpec{Controller: o.Spec.Controller}
	case *metav1.PartialObjectMetadata:
		trimMeta(&o.ObjectMeta)
	case *discoveryv1.EndpointSlice:
		service := o.Labels[discoveryv1.LabelServiceName]
		trimMeta(&o.ObjectMeta)
		o.Labels = map[string]string{discoveryv1.LabelServiceName: service}
		trimEndpoints(o.Endpoints)
	case *apiextensionsv1.CustomResourceDefinition:
		trimMeta(&o.ObjectMeta)
		for i := range o.Spec.Versions {
			o.Spec.Versions[i].Schema = nil
		}
	case client.Object:
		o.SetManagedFields(nil)
		o.SetAnnotations(nil)
		o.SetLabels(nil)
	}
	return o, nil
}

func trimMeta(o *metav1.ObjectMeta) {
	*o = metav1.ObjectMeta{
		Namespace: o.Namespace, Name: o.Name, UID: o.UID, Generation: o.Generation,
		ResourceVersion: o.ResourceVersion, CreationTimestamp: o.CreationTimestamp,
	}
}

// trimAnnotated keeps the annotations that say something to translation.
func trimAnnotated(o *metav1.ObjectMeta) {
	annotations := o.Annotations
	trimMeta(o)
	for key, value := range annotations {
		if translate.MattersToIngress(key) {
			metav1.SetMetaDataAnnotation(o, key, value)
		}
	}
}

func trimSecret(o *corev1.Secret) {
	trimMeta(&o.ObjectMeta)
	*o = corev1.Secret{ObjectMeta: o.ObjectMeta, Data: o.Data}
}

func trimEndpoints(endpoints []discoveryv1.Endpoint) {
	for i, e := range endpoints {
		endpoints[i] = discoveryv1.Endpoint{Addresses: e.Addresses, Conditions: e.Conditions}
	}
}

// share lets conditions share their texts with those of other objects: nearly all routes say the same.
func share(conditions []metav1.Condition) {
	for i := range conditions {
		c := &conditions[i]
		c.Type, c.Reason, c.Message = shared(c.Type), shared(c.Reason), shared(c.Message)
		c.Status = shared(c.Status)
	}
}

func shared[S ~string](s S) S { return unique.Make(s).Value() }

func trimConfigMap(o *corev1.ConfigMap) {
	trimMeta(&o.ObjectMeta)
	*o = corev1.ConfigMap{ObjectMeta: o.ObjectMeta, Data: o.Data, BinaryData: o.BinaryData}
}
