package publish

import (
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
)

func ip(text string) v1alpha1.Address { return v1alpha1.Address{Type: v1alpha1.AddressIP, Value: text} }

func TestTheAddressesOfAnIngress(t *testing.T) {
	own, foreign := ip("203.0.113.7"), ip("198.51.100.1")
	pending, nothing := status.ProgrammingPending(1), status.NotProgrammed(1, "Nothing is served.")
	cases := []struct {
		name       string
		programmed metav1.Condition
		ready      metav1.Condition
		has, want  []v1alpha1.Address
	}{
		{"none until all replicas serve it", pending, status.NotReported(1), nil, nil},
		{"the installation's once they do", pending, status.Ready(1, 3), nil, []v1alpha1.Address{own}},
		{"another controller's until they do", pending, status.NotReported(1), []v1alpha1.Address{foreign}, []v1alpha1.Address{foreign}},
		{"not another controller's once they do", pending, status.Ready(1, 3), []v1alpha1.Address{foreign}, []v1alpha1.Address{own}},
		{"they stay while a replica lags", pending, status.NotReported(2), []v1alpha1.Address{own, foreign}, []v1alpha1.Address{own}},
		{"none where nothing is served", nothing, status.NotReady(1), []v1alpha1.Address{own}, nil},
	}
	w := NewWriter(Options{Addresses: func() []v1alpha1.Address { return []v1alpha1.Address{own} }})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := &networkingv1.Ingress{Status: ingressStatus(body{Addresses: c.has})}
			got := w.addressesFor(&status.Report{Conditions: []metav1.Condition{c.programmed}}, c.ready, o)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestAStatusWithoutConditionsIsItsAddresses(t *testing.T) {
	hostname := v1alpha1.Address{Type: v1alpha1.AddressHostname, Value: "lb.example.com"}
	b := body{bare: true, Addresses: []v1alpha1.Address{ip("203.0.113.7"), hostname}, Conditions: []metav1.Condition{status.Accepted(1)}}
	o := &networkingv1.Ingress{Status: ingressStatus(b)}
	if got := o.Status.LoadBalancer.Ingress; len(got) != 2 || got[0].IP != "203.0.113.7" || got[1].Hostname != "lb.example.com" {
		t.Errorf("got %v", got)
	}
	if !b.same(bodyOf(o)) {
		t.Error("what was written differs from what was wanted")
	}
	if (body{bare: true}).same(bodyOf(o)) {
		t.Error("no address is the same as some")
	}
}
