package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/snapshot"
)

func routeTo(name, service string, generation int64) *v1alpha1.GatewayRoute {
	return &v1alpha1.GatewayRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Generation: generation},
		Spec: v1alpha1.GatewayRouteSpec{
			ClassName: "penstock", Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(name + ".example.com")},
			Rules: []v1alpha1.Rule{{Backends: []v1alpha1.Backend{{Service: service, Port: intstr.FromInt32(80)}}}},
		},
	}
}

func serviceOn(name, portName string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: portName, Port: 80, Protocol: corev1.ProtocolTCP}}},
	}
}

func sliceOf(name, service, portName, address string) *discoveryv1.EndpointSlice {
	port := int32(8080)
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{address}}},
	}
}

func shop(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

// world makes random changes and has what they come to.
type world struct {
	*rand.Rand
	generation int64
	services   map[types.NamespacedName]*corev1.Service
	slices     map[types.NamespacedName]*discoveryv1.EndpointSlice
}

func (w *world) oneOf(names ...string) string { return names[w.IntN(len(names))] }

func (w *world) change() file.Changes {
	w.generation++
	name, gone := w.oneOf("a", "b", "c"), w.IntN(3) == 0
	switch w.IntN(3) {
	case 0:
		route := routeTo(name, w.oneOf("a", "b", "c"), w.generation)
		if gone {
			route = nil
		}
		return file.Changes{Routes: map[types.NamespacedName]*v1alpha1.GatewayRoute{shop(name): route}}
	case 1:
		service := serviceOn(name, w.oneOf("http", "web"))
		if gone {
			service = nil
		}
		put(w.services, shop(name), service)
		return file.Changes{Services: map[types.NamespacedName]*corev1.Service{shop(name): service}}
	default:
		slice := sliceOf(name, w.oneOf("a", "b", "c"), w.oneOf("http", "web"), fmt.Sprint("10.0.0.", w.IntN(9)))
		if gone {
			slice = nil
		}
		put(w.slices, shop(name), slice)
		return file.Changes{Slices: map[types.NamespacedName]*discoveryv1.EndpointSlice{shop(name): slice}}
	}
}

// endpoints are those of the clusters of a snapshot, looked up in all slices.
func (w *world) endpoints(snap *snapshot.Snapshot) map[string][]snapshot.Endpoint {
	all := map[string][]snapshot.Endpoint{}
	for name, c := range snap.Clusters.All() {
		service := types.NamespacedName{Namespace: c.Origin.Namespace, Name: c.Origin.Name}
		var list []*discoveryv1.EndpointSlice
		for _, s := range w.slices {
			if serviceOf(s) == service {
				list = append(list, s)
			}
		}
		all[name] = translate.Endpoints(c, w.services[service], list)
	}
	return all
}

func TestEndpointsFollowChanges(t *testing.T) {
	w := &world{
		Rand:     rand.New(rand.NewPCG(1, 2)),
		services: map[types.NamespacedName]*corev1.Service{}, slices: map[types.NamespacedName]*discoveryv1.EndpointSlice{},
	}
	translator := translate.NewTranslator(nil)
	translator.Translate(translate.Input{Options: translate.DefaultOptions()})
	set := map[string][]snapshot.Endpoint{}
	e := newEndpoints(func(cluster string, list []snapshot.Endpoint) { set[cluster] = list })
	for step := range 2000 {
		changes := w.change()
		snap, _ := translator.Update(translate.Changes{Routes: changes.Routes, Services: changes.Services})
		e.follow(snap, changes)
		for name := range set {
			if snap.Clusters.Get(name) == nil {
				delete(set, name) // as the gateway forgets it
			}
		}
		if diff := cmp.Diff(w.endpoints(snap), set); diff != "" {
			t.Fatalf("step %d (-want +got):\n%s", step, diff)
		}
	}
}

func TestEndpointsOfOthersAreLeftAlone(t *testing.T) {
	translator := translate.NewTranslator(nil)
	translator.Translate(translate.Input{Options: translate.DefaultOptions()})
	var set []string
	e := newEndpoints(func(cluster string, _ []snapshot.Endpoint) { set = append(set, cluster) })
	for _, step := range []struct {
		name    string
		changes file.Changes
		want    []string
	}{
		{"a new Service that no route names", file.Changes{
			Services: map[types.NamespacedName]*corev1.Service{shop("a"): serviceOn("a", "http"), shop("b"): serviceOn("b", "http")},
		}, nil},
		{"a new cluster", file.Changes{
			Routes: map[types.NamespacedName]*v1alpha1.GatewayRoute{shop("a"): routeTo("a", "a", 1)},
		}, []string{"shop/a:80"}},
		{"another one", file.Changes{
			Routes: map[types.NamespacedName]*v1alpha1.GatewayRoute{shop("b"): routeTo("b", "b", 1)},
		}, []string{"shop/b:80"}},
		{"an EndpointSlice", file.Changes{
			Slices: map[types.NamespacedName]*discoveryv1.EndpointSlice{shop("a"): sliceOf("a", "a", "http", "10.0.0.1")},
		}, []string{"shop/a:80"}},
		{"nothing", file.Changes{}, nil},
	} {
		set = nil
		snap, _ := translator.Update(translate.Changes{Routes: step.changes.Routes, Services: step.changes.Services})
		e.follow(snap, step.changes)
		if diff := cmp.Diff(step.want, set); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

// newTestStandalone returns what standalone mode is without listeners; it logs to w.
func newTestStandalone(tb testing.TB, w *bytes.Buffer) *standalone {
	tb.Helper()
	var flags dataPlane
	flags.add(pflag.NewFlagSet(tb.Name(), pflag.ContinueOnError))
	flags.accessLog = "off"
	p, err := newProcess(flags, true)
	if err != nil {
		tb.Fatal(err)
	}
	p.log = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return newStandalone(p, translate.DefaultOptions())
}

func TestStandaloneSaysOnceWhatIsNotInOrder(t *testing.T) {
	var log bytes.Buffer
	s := newTestStandalone(t, &log)
	problem := []file.Problem{{File: "r.yaml", Message: "no good"}}
	for _, step := range []struct {
		name     string
		routes   map[types.NamespacedName]*v1alpha1.GatewayRoute
		problems []file.Problem
		want     []string
	}{
		{"a Service that is missing", map[types.NamespacedName]*v1alpha1.GatewayRoute{shop("a"): routeTo("a", "gone", 1)}, nil, []string{"condition=ResolvedRefs"}},
		{"no change", nil, nil, nil},
		{"a problem", nil, problem, []string{"r.yaml: no good"}},
		{"no change again", nil, problem, nil},
		{"another Service that is missing", map[types.NamespacedName]*v1alpha1.GatewayRoute{shop("a"): routeTo("a", "away", 2)}, problem, []string{"shop/away"}},
		{"the problem solved", nil, nil, nil},
		{"the problem back", nil, problem, []string{"r.yaml: no good"}},
	} {
		log.Reset()
		s.apply(file.Changes{Routes: step.routes}, step.problems)
		if len(step.want) == 0 && log.Len() > 0 {
			t.Errorf("%s: log is %s", step.name, &log)
		}
		for _, want := range step.want {
			if strings.Count(log.String(), want) != 1 {
				t.Errorf("%s: log is %s, want %q once", step.name, &log, want)
			}
		}
	}
}

// BenchmarkStandaloneOneRouteChanged measures a change of one of 10,000 routes, from what was read to what is served.
func BenchmarkStandaloneOneRouteChanged(b *testing.B) {
	s := newTestStandalone(b, &bytes.Buffer{})
	routes := map[types.NamespacedName]*v1alpha1.GatewayRoute{}
	for i := range 10_000 {
		name := fmt.Sprintf("app-%05d", i)
		routes[shop(name)] = routeTo(name, "a", 1)
	}
	s.apply(file.Changes{
		Routes:   routes,
		Services: map[types.NamespacedName]*corev1.Service{shop("a"): serviceOn("a", "http"), shop("b"): serviceOn("b", "http")},
		Slices:   map[types.NamespacedName]*discoveryv1.EndpointSlice{shop("a"): sliceOf("a", "a", "http", "10.0.0.1")},
	}, nil)
	b.ReportAllocs()
	for generation := int64(2); b.Loop(); generation++ {
		route := routeTo("app-05000", []string{"a", "b"}[generation%2], generation)
		s.apply(file.Changes{Routes: map[types.NamespacedName]*v1alpha1.GatewayRoute{shop("app-05000"): route}}, nil)
	}
}
