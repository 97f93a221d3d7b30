package controllers

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/snapshot"
)

// BenchmarkOneRouteChanged measures a change from the caches to the door of the gateway.
func BenchmarkOneRouteChanged(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			s := newIdleSession()
			hold(s, exampleService())
			for i := range n {
				hold(s, exampleRoute(i, 1))
			}
			s.renew(b.Context())
			generation := int64(1)
			b.ReportAllocs()
			for b.Loop() {
				generation++
				hold(s, exampleRoute(n/2, generation))
				s.renew(b.Context())
			}
		})
	}
}

// newIdleSession returns a session with caches that nobody fills, and a gateway that serves nobody.
func newIdleSession() *session {
	m := newMetrics(prometheus.NewRegistry())
	g := idleGateway{}
	s := &session{stores: newStores(m), pending: pending{all: true}, Controller: &Controller{
		options: Options{Gateway: g, Translate: translate.DefaultOptions()}, metrics: m,
		translator: translate.NewTranslator(nil), grants: &grants{},
		secrets: &values[*corev1.Secret]{access: SecretsNone}, configMaps: &values[*corev1.ConfigMap]{},
		endpoints: &endpoints{gateway: g, metrics: m, changed: func() {}},
		serving:   &serving{gateway: g, metrics: m, changed: func() {}},
	}}
	for _, o := range []client.Object{&v1alpha1.GatewayRoute{}, &v1alpha1.RateLimitPolicy{}, &corev1.Service{}, &discoveryv1.EndpointSlice{}} {
		s.stores.newInformer(&toolscache.ListWatch{}, o, 0, toolscache.Indexers{})
	}
	return s
}

// hold puts an object into the cache of its kind, and tells of it.
func hold(s *session, o client.Object) {
	t := reflect.TypeOf(o)
	if err := s.stores.of(t)[0].GetIndexer().Update(o); err != nil {
		panic(err)
	}
	s.pending.add(t.Elem().Name(), client.ObjectKeyFromObject(o))
}

func exampleRoute(i int, generation int64) *v1alpha1.GatewayRoute {
	name := fmt.Sprintf("route-%05d", i)
	return &v1alpha1.GatewayRoute{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, UID: types.UID(name), Generation: generation,
			CreationTimestamp: metav1.NewTime(time.Unix(1, 0)),
		},
		Spec: v1alpha1.GatewayRouteSpec{
			ClassName: "penstock", Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(name + ".example.com")},
			Rules: []v1alpha1.Rule{{Backends: []v1alpha1.Backend{{Service: "users", Port: intstr.FromInt32(80)}}}},
		},
	}
}

type idleGateway struct{}

func (idleGateway) Apply(*snapshot.Snapshot) []Problem       { return nil }
func (idleGateway) SetEndpoints(string, []snapshot.Endpoint) {}
func (idleGateway) Snapshot() *snapshot.Snapshot             { return nil }
