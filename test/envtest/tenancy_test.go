package envtest

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/controllers/translate"
)

// permitLabel lets namespaces with a label claim all hosts.
func permitLabel(key, value string) func(*controllers.Options) {
	return func(o *controllers.Options) {
		o.Translate.HostPermissions = []translate.HostPermission{{
			Hostnames:  []string{"*"},
			Namespaces: translate.Namespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}},
		}}
	}
}

func label(t *testing.T, namespace, key, value string) {
	t.Helper()
	update(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, func(n *corev1.Namespace) { n.Labels[key] = value })
}

func TestTheLabelsOfANamespaceDecideAboutItsRoutes(t *testing.T) {
	const class = "tenancy"
	for _, tt := range []struct {
		name       string
		namespaces func(own string) []string // that are watched
	}{
		{"all namespaces are watched", func(string) []string { return nil }},
		{"some namespaces are watched", func(own string) []string { return []string{own, "default"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ns := newNamespace(t)
			route := newRoute(class, ns, "users", "users")
			create(t, newService(ns, "users"), route)
			r := start(t, class, permitLabel("team", "people"), func(o *controllers.Options) { o.Translate.Namespaces = tt.namespaces(ns) })

			awaitCondition(t, route, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonHostNotPermitted)
			awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionFalse, v1alpha1.ReasonNotProgrammed)
			r.gateway.awaitRoutes(t)

			label(t, ns, "team", "people")
			r.gateway.awaitRoutes(t, ns+"/users/0")
			awaitCondition(t, route, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
			awaitCondition(t, route, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)

			label(t, ns, "team", "shop")
			r.gateway.awaitRoutes(t)
			awaitCondition(t, route, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonHostNotPermitted)
			if got := r.value(t, "gateway_translation_corrections_total"); got != 0 {
				t.Errorf("%v changes were found of which no event has told", got)
			}
		})
	}
}

func TestAReplicaThatStartsKnowsTheLabels(t *testing.T) {
	const class = "tenancy-start"
	ns := newNamespace(t)
	label(t, ns, "team", "people")
	create(t, newService(ns, "users"), newRoute(class, ns, "users", "users"))
	r := start(t, class, permitLabel("team", "people"))
	r.gateway.awaitRoutes(t, ns+"/users/0")
	if n := r.gateway.first.Routes.Len(); n != 1 {
		t.Errorf("the first snapshot had %d routes, want 1", n)
	}
}

func TestAYoungerRouteServesWhenTheOlderMayNoLongerClaimTheHost(t *testing.T) {
	const class = "tenancy-older"
	older, younger := newNamespace(t), newNamespace(t)
	label(t, older, "team", "people")
	label(t, younger, "team", "people")
	host := []v1alpha1.Hostname{"contested.example.com"}
	first, second := newRoute(class, older, "users", "users"), newRoute(class, younger, "users", "users")
	first.Spec.Hostnames, second.Spec.Hostnames = host, host
	create(t, newService(older, "users"), newService(younger, "users"), first)
	// Ages are in seconds; of two that are as old the first by name wins.
	await(t, "the second route is younger", func(ctx context.Context) (bool, error) {
		second.ResourceVersion = ""
		if err := admin.Create(ctx, second); err != nil {
			return false, err
		}
		if second.CreationTimestamp.After(first.CreationTimestamp.Time) {
			return true, nil
		}
		return false, client.IgnoreNotFound(admin.Delete(ctx, second))
	})
	t.Cleanup(func() { _ = admin.Delete(context.Background(), second) })
	r := start(t, class, permitLabel("team", "people"))
	awaitCondition(t, second, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonShadowed)

	label(t, older, "team", "shop")
	r.gateway.awaitRoutes(t, younger+"/users/0")
	awaitCondition(t, second, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	awaitCondition(t, first, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonHostNotPermitted)
}
