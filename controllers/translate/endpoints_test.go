package translate

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/proxy/snapshot"
)

// What slices mean is shown by the golden cases endpoints-*. Here is what a translation that fits its Service can't show.
func TestNoEndpoints(t *testing.T) {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "users"}}
	service.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80}, {Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}}
	usable := discoveryv1.EndpointPort{Name: new("http"), Port: new(int32(8080))}
	tests := []struct {
		name    string
		cluster string
		service *corev1.Service
		port    discoveryv1.EndpointPort
		address string
	}{
		{"no Service any more", "shop/users:80", nil, usable, "10.0.0.1"},
		{"no such port any more", "shop/users:81", service, usable, "10.0.0.1"},
		{"a port that is not TCP any more", "shop/users:53", service, usable, "10.0.0.1"},
		{"another Service's cluster", "shop/orders:80", service, usable, "10.0.0.1"},
		{"an external cluster", "users:80", service, usable, "10.0.0.1"},
		{"another port's endpoints", "shop/users:80", service, discoveryv1.EndpointPort{Port: new(int32(8080))}, "10.0.0.1"},
		{"a port without number", "shop/users:80", service, discoveryv1.EndpointPort{Name: new("http")}, "10.0.0.1"},
		{"a UDP port", "shop/users:80", service, discoveryv1.EndpointPort{Name: new("http"), Port: new(int32(8080)), Protocol: new(corev1.ProtocolUDP)}, "10.0.0.1"},
		{"an address that is none", "shop/users:80", service, usable, "users.example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			slices := []*discoveryv1.EndpointSlice{{
				AddressType: discoveryv1.AddressTypeIPv4,
				Ports:       []discoveryv1.EndpointPort{tt.port},
				Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{tt.address}}},
			}}
			if got := Endpoints(&snapshot.Cluster{Name: tt.cluster}, tt.service, slices); len(got) > 0 {
				t.Errorf("got %v, want none", got)
			}
		})
	}
}
