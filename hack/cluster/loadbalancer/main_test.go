package main

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func service(uid types.UID, kind corev1.ServiceType, addresses ...string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{UID: uid}, Spec: corev1.ServiceSpec{Type: kind}}
	for _, a := range addresses {
		s.Status.LoadBalancer.Ingress = append(s.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: a})
	}
	return s
}

func TestNoAddressIsGivenTwice(t *testing.T) {
	const balanced, inside = corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeClusterIP
	first, second, third := service("1", balanced), service("2", balanced), service("3", balanced)
	p := pool{from: netip.MustParsePrefix("10.201.0.0/30"), of: map[types.UID]netip.Addr{}}
	for _, step := range []struct {
		name string
		all  []*corev1.Service
		due  int
		of   map[types.UID]string
	}{
		{"one that has an address keeps it", []*corev1.Service{service("0", balanced, "10.201.0.1"), service("4", inside)}, 0, map[types.UID]string{"0": "10.201.0.1"}},
		{"a new one gets the lowest that is free", []*corev1.Service{service("0", balanced, "10.201.0.1"), first}, 1, map[types.UID]string{"1": "10.201.0.2"}},
		{"the write is not seen yet when the next one comes", []*corev1.Service{service("0", balanced, "10.201.0.1"), first, second}, 2, map[types.UID]string{"1": "10.201.0.2", "2": "10.201.0.3"}},
		{"the range is used up", []*corev1.Service{service("0", balanced, "10.201.0.1"), service("1", balanced, "10.201.0.2"), second, third}, 1, map[types.UID]string{"2": "10.201.0.3", "3": "invalid IP"}},
		{"one that is gone leaves its address", []*corev1.Service{service("1", balanced, "10.201.0.2"), service("2", balanced, "10.201.0.3"), third}, 1, map[types.UID]string{"3": "10.201.0.1"}},
	} {
		if due := p.allot(step.all); len(due) != step.due {
			t.Errorf("%s: %d are due, want %d", step.name, len(due), step.due)
		}
		for uid, want := range step.of {
			if got := p.of[uid].String(); got != want {
				t.Errorf("%s: %s has %s, want %s", step.name, uid, got, want)
			}
		}
	}
}
