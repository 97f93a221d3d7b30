package publish

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/controllers/translate"
)

// An Ingress has no conditions. Its status is an address, which says that all replicas serve it; what is wrong with it is told
// as Events, which a new leader tells once more.

func isBare(kind string) bool { return kind == translate.KindIngress }

// versionOf returns the apiVersion of an object that has a status.
func versionOf(o client.Object) string {
	if _, ok := o.(*networkingv1.Ingress); ok {
		return networkingv1.SchemeGroupVersion.String()
	}
	return v1alpha1.GroupVersion.String()
}

func ingressStatus(b body) networkingv1.IngressStatus {
	var out networkingv1.IngressStatus
	for _, a := range b.Addresses {
		var at networkingv1.IngressLoadBalancerIngress
		if a.Type == v1alpha1.AddressIP {
			at.IP = a.Value
		} else {
			at.Hostname = a.Value
		}
		out.LoadBalancer.Ingress = append(out.LoadBalancer.Ingress, at)
	}
	return out
}

// ingressAddresses returns the addresses that the status of an Ingress has.
func ingressAddresses(o *networkingv1.Ingress) (out []v1alpha1.Address) {
	for _, at := range o.Status.LoadBalancer.Ingress {
		if at.IP != "" {
			out = append(out, v1alpha1.Address{Type: v1alpha1.AddressIP, Value: at.IP})
		}
		if at.Hostname != "" {
			out = append(out, v1alpha1.Address{Type: v1alpha1.AddressHostname, Value: at.Hostname})
		}
	}
	return out
}

// addressesFor returns those that an Ingress should have. Until all replicas serve it for the first time, it keeps what it has:
// nothing, or the address of whoever served it before. One of which nothing is served has none.
func (w *Writer) addressesFor(r *status.Report, ready metav1.Condition, o client.Object) []v1alpha1.Address {
	if c := find(r.Conditions, v1alpha1.ConditionProgrammed); c != nil && c.Status == metav1.ConditionFalse {
		return nil
	}
	own, has := w.Addresses(), bodyOf(o).Addresses
	isOwn := slices.ContainsFunc(has, func(a v1alpha1.Address) bool { return slices.Contains(own, a) })
	if ready.Status == metav1.ConditionTrue || isOwn {
		return own
	}
	return has
}

// tell emits an Event for each condition that the owner has to hear of, unless it had the same reason when it was told last. It is about
// this version of the object, so that no sentence is lost in the count of another: here Events have nothing beside them.
func (w *Writer) tell(key status.Object, o client.Object, now body) {
	w.mu.Lock()
	before := w.told[key]
	told := slices.DeleteFunc(slices.Clone(now.Conditions), func(c metav1.Condition) bool { return !isRefusal(c) && !isRemark(c) })
	if len(told) > 0 {
		w.told[key] = told
	} else {
		delete(w.told, key)
	}
	w.mu.Unlock()
	w.warn(o, before, told)
}

// isRemark reports whether a condition is true and yet says what is not as its owner may think.
func isRemark(c metav1.Condition) bool {
	return c.Reason == v1alpha1.ReasonPartiallyShadowed || c.Reason == v1alpha1.ReasonCertificateNameMismatch
}
