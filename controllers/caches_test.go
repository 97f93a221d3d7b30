package controllers

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/snapshot"
)

// recordingGateway remembers the endpoints that it is given.
type recordingGateway struct {
	idleGateway
	endpoints map[string][]snapshot.Endpoint
}

func (g recordingGateway) SetEndpoints(cluster string, list []snapshot.Endpoint) {
	g.endpoints[cluster] = list
}

func exampleService() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "users"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}
}

func exampleSlice(name, address string) *discoveryv1.EndpointSlice {
	port := int32(8080)
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "users"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Port: &port}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{address}}},
	}
}

func TestWhatCachesHoldIsNotWritten(t *testing.T) {
	s := newIdleSession()
	held := []client.Object{exampleService(), exampleSlice("users-1", "10.0.0.1"), exampleRoute(1, 1), exampleRoute(2, 1)}
	var before []runtime.Object
	for _, o := range held {
		hold(s, o)
		before = append(before, o.DeepCopyObject())
	}
	for generation := range int64(3) {
		hold(s, exampleRoute(3, generation))
		s.renew(t.Context())
	}
	for i, o := range held {
		if diff := cmp.Diff(before[i], o.(runtime.Object)); diff != "" {
			t.Errorf("%T was written:\n%s", o, diff)
		}
	}
}

func TestEndpointsNeverShrinkWhileCachesAreFilled(t *testing.T) {
	users := types.NamespacedName{Namespace: "shop", Name: "users"}
	const cluster = "shop/users:80"
	s := newIdleSession()
	g := recordingGateway{endpoints: map[string][]snapshot.Endpoint{}}
	s.endpoints.gateway = g
	for _, o := range []client.Object{exampleService(), exampleSlice("users-1", "10.0.0.1"), exampleSlice("users-2", "10.0.0.2"), exampleRoute(1, 1)} {
		hold(s, o)
	}
	s.renew(t.Context())
	if got := len(g.endpoints[cluster]); got != 2 {
		t.Fatalf("%d endpoints, want 2", got)
	}

	// A new session fills new caches; so far they hold one slice of two.
	next := newIdleSession()
	next.Controller = s.Controller
	next.endpoints.detach()
	hold(next, exampleService())
	hold(next, exampleSlice("users-1", "10.0.0.1"))
	next.endpoints.refresh(next.stores, users)
	s.endpoints.refresh(s.stores, users) // a late event of the old session
	if got := len(g.endpoints[cluster]); got != 2 {
		t.Errorf("%d endpoints while caches are filled, want 2", got)
	}

	// The other slice is gone, and the caches are synced.
	hold(next, exampleRoute(1, 1))
	next.renew(t.Context())
	if got := len(g.endpoints[cluster]); got != 1 {
		t.Errorf("%d endpoints, want 1", got)
	}
}

func TestTrimKeepsWhatIsRead(t *testing.T) {
	meta := metav1.ObjectMeta{
		Namespace: "shop", Name: "users", UID: "1", Generation: 2, ResourceVersion: "3", CreationTimestamp: metav1.NewTime(time.Unix(4, 0)),
	}
	full := *meta.DeepCopy()
	full.Labels = map[string]string{discoveryv1.LabelServiceName: "users", "other": "label"}
	full.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	full.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	labelled := *meta.DeepCopy()
	labelled.Labels = map[string]string{discoveryv1.LabelServiceName: "users"}
	allLabels := *meta.DeepCopy()
	allLabels.Labels = full.Labels
	annotated, meaningful := *full.DeepCopy(), *meta.DeepCopy()
	meaningful.Annotations = map[string]string{
		"kubernetes.io/ingress.class": "a", networkingv1.AnnotationIsDefaultIngressClass: "true", "nginx.ingress.kubernetes.io/auth-url": "b",
	}
	maps.Copy(annotated.Annotations, meaningful.Annotations)
	ingressSpec := networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{Resource: &corev1.TypedLocalObjectReference{Kind: "a"}}}
	ingressStatus := networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{
		Ingress: []networkingv1.IngressLoadBalancerIngress{{IP: "203.0.113.7"}},
	}}
	ports := []corev1.ServicePort{{Port: 80}}
	ready, node := true, "node"
	cases := []struct {
		name     string
		in, want client.Object
	}{
		{
			"a route keeps spec and status",
			&v1alpha1.GatewayRoute{ObjectMeta: full, Spec: exampleRoute(1, 1).Spec, Status: v1alpha1.GatewayRouteStatus{Conditions: []metav1.Condition{{Type: "Accepted"}}}},
			&v1alpha1.GatewayRoute{ObjectMeta: meta, Spec: exampleRoute(1, 1).Spec, Status: v1alpha1.GatewayRouteStatus{Conditions: []metav1.Condition{{Type: "Accepted"}}}},
		},
		{
			"a policy keeps its spec",
			&v1alpha1.RateLimitPolicy{ObjectMeta: full, Spec: v1alpha1.RateLimitPolicySpec{Limits: []v1alpha1.RateLimit{{Name: "a"}}}},
			&v1alpha1.RateLimitPolicy{ObjectMeta: meta, Spec: v1alpha1.RateLimitPolicySpec{Limits: []v1alpha1.RateLimit{{Name: "a"}}}},
		},
		{
			"a service keeps type, ports, families and external name",
			&corev1.Service{ObjectMeta: full, Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeExternalName, Ports: ports, IPFamilies: []corev1.IPFamily{corev1.IPv6Protocol},
				ExternalName: "example.com", Selector: map[string]string{"app": "users"}, ClusterIPs: []string{"10.0.0.1"},
			}, Status: corev1.ServiceStatus{Conditions: []metav1.Condition{{Type: "x"}}}},
			&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeExternalName, Ports: ports, IPFamilies: []corev1.IPFamily{corev1.IPv6Protocol}, ExternalName: "example.com",
			}},
		},
		{
			"a slice keeps its service, ports, addresses and conditions",
			&discoveryv1.EndpointSlice{ObjectMeta: full, AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{
				{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}, NodeName: &node, TargetRef: &corev1.ObjectReference{Name: "pod"}},
			}},
			&discoveryv1.EndpointSlice{ObjectMeta: labelled, AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{
				{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}},
			}},
		},
		{
			"a secret keeps its values",
			&corev1.Secret{ObjectMeta: full, Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": []byte("a")}},
			&corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"tls.crt": []byte("a")}},
		},
		{
			"a config map keeps its values",
			&corev1.ConfigMap{ObjectMeta: full, Immutable: new(true), Data: map[string]string{"a": "b"}, BinaryData: map[string][]byte{"c": []byte("d")}},
			&corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"a": "b"}, BinaryData: map[string][]byte{"c": []byte("d")}},
		},
		{
			"a namespace keeps its labels",
			&corev1.Namespace{ObjectMeta: full, Spec: corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{"kubernetes"}}, Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive}},
			&corev1.Namespace{ObjectMeta: allLabels},
		},
		{
			"an ingress keeps its spec, its status and the annotations that mean something",
			&networkingv1.Ingress{ObjectMeta: annotated, Spec: ingressSpec, Status: ingressStatus},
			&networkingv1.Ingress{ObjectMeta: meaningful, Spec: ingressSpec, Status: ingressStatus},
		},
		{
			"a class of ingresses keeps its controller",
			&networkingv1.IngressClass{ObjectMeta: annotated, Spec: networkingv1.IngressClassSpec{
				Controller: "example.com/a", Parameters: &networkingv1.IngressClassParametersReference{Kind: "a"},
			}},
			&networkingv1.IngressClass{ObjectMeta: meaningful, Spec: networkingv1.IngressClassSpec{Controller: "example.com/a"}},
		},
		{
			"metadata is the version of an object",
			&metav1.PartialObjectMetadata{ObjectMeta: full},
			&metav1.PartialObjectMetadata{ObjectMeta: meta},
		},
		{
			"a grant keeps its spec",
			&gatewayv1beta1.ReferenceGrant{ObjectMeta: full, Spec: gatewayv1beta1.ReferenceGrantSpec{To: []gatewayv1beta1.ReferenceGrantTo{{Kind: "Service"}}}},
			&gatewayv1beta1.ReferenceGrant{ObjectMeta: meta, Spec: gatewayv1beta1.ReferenceGrantSpec{To: []gatewayv1beta1.ReferenceGrantTo{{Kind: "Service"}}}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := trim(c.in.DeepCopyObject())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
