package translate

import (
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/filter/builtin"
)

// sizes are the numbers of routes to measure with.
var sizes = []int{100, 1_000, 10_000}

// shapes are many hosts with one route each, and one host with many routes. Each route has a Service of its own.
var shapes = []struct {
	name string
	host func(i int) string
}{
	{"hosts", func(i int) string { return fmt.Sprintf("h%d.example.com", i) }},
	{"paths", func(int) string { return "shop.example.com" }},
}

// largeInputs yields an input of each shape and size.
func largeInputs() iter.Seq2[string, Input] {
	return func(yield func(string, Input) bool) {
		for _, shape := range shapes {
			for _, n := range sizes {
				if !yield(fmt.Sprintf("%s=%d", shape.name, n), largeInput(n, shape.host)) {
					return
				}
			}
		}
	}
}

func BenchmarkTranslate(b *testing.B) {
	filters := builtin.Registry(builtin.Deps{})
	for name, in := range largeInputs() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Translate(in, filters)
			}
		})
	}
}

// BenchmarkTranslateOneChange tells the translator that one route in the middle has changed.
func BenchmarkTranslateOneChange(b *testing.B) {
	filters := builtin.Registry(builtin.Deps{})
	for name, in := range largeInputs() {
		b.Run(name, func(b *testing.B) {
			t := NewTranslator(filters)
			t.Translate(in)
			changed := in.Routes[len(in.Routes)/2]
			b.ReportAllocs()
			for b.Loop() {
				next := *changed
				next.Generation++
				changed = &next
				t.Update(Changes{Routes: map[types.NamespacedName]*v1alpha1.GatewayRoute{nameOf(changed): changed}})
			}
		})
	}
}

// BenchmarkTranslatorWalk changes one route in the middle each time and has the translator find it.
func BenchmarkTranslatorWalk(b *testing.B) {
	filters := builtin.Registry(builtin.Deps{})
	for name, in := range largeInputs() {
		b.Run(name, func(b *testing.B) {
			t := NewTranslator(filters)
			t.Translate(in)
			b.ReportAllocs()
			for b.Loop() {
				middle := &in.Routes[len(in.Routes)/2]
				changed := **middle
				changed.Generation++
				*middle = &changed
				t.Translate(in)
			}
		})
	}
}

// BenchmarkTranslateAddRemove adds a route with a Service of its own and removes it again.
func BenchmarkTranslateAddRemove(b *testing.B) {
	filters := builtin.Registry(builtin.Deps{})
	for name, in := range largeInputs() {
		b.Run(name, func(b *testing.B) {
			t := NewTranslator(filters)
			t.Translate(in)
			last := in.Routes[len(in.Routes)-1]
			b.ReportAllocs()
			for b.Loop() {
				for _, o := range []*v1alpha1.GatewayRoute{nil, last} {
					t.Update(Changes{Routes: map[types.NamespacedName]*v1alpha1.GatewayRoute{nameOf(last): o}})
				}
			}
		})
	}
}

// BenchmarkTranslatorRelist replaces every object by an equal one, as caches do after a broken watch.
func BenchmarkTranslatorRelist(b *testing.B) {
	filters := builtin.Registry(builtin.Deps{})
	for name, in := range largeInputs() {
		b.Run(name, func(b *testing.B) {
			t := NewTranslator(filters)
			inputs := []Input{in, clone(in)}
			t.Translate(inputs[1])
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				t.Translate(inputs[i%2])
			}
		})
	}
}

// BenchmarkTranslatorMemory tells what the translator and the snapshot keep for each route, beside the objects.
func BenchmarkTranslatorMemory(b *testing.B) {
	filters := builtin.Registry(builtin.Deps{})
	for name, in := range largeInputs() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				t := NewTranslator(filters)
				t.Translate(in)
				b.ReportMetric(float64(heap()-before)/float64(len(in.Routes)), "B/route")
				runtime.KeepAlive(t)
			}
		})
	}
}

// heap returns the bytes of the heap that are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func largeInput(n int, host func(int) string) Input {
	in := Input{Options: DefaultOptions()}
	for i := range n {
		name := fmt.Sprintf("route-%d", i)
		in.Routes = append(in.Routes, largeRoute(name, host(i), time.Duration(i)*time.Second))
		in.Services = append(in.Services, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("service-" + name)},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
		})
	}
	return in
}

func largeRoute(name, host string, age time.Duration) *v1alpha1.GatewayRoute {
	return &v1alpha1.GatewayRoute{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, UID: types.UID("route-" + name), Generation: 1,
			CreationTimestamp: metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(age)),
		},
		Spec: v1alpha1.GatewayRouteSpec{
			ClassName: "penstock",
			Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(host)},
			Rules: []v1alpha1.Rule{{
				Matches: []v1alpha1.Match{
					{Path: &v1alpha1.PathMatch{Type: v1alpha1.PathMatchPrefix, Value: "/" + name}},
					{Path: &v1alpha1.PathMatch{Type: v1alpha1.PathMatchExact, Value: "/" + name + "/exact"}},
				},
				Filters: &v1alpha1.Filters{RequestHeaders: &v1alpha1.HeaderFilter{
					Set: []v1alpha1.Header{{Name: "X-Tenant", Value: name}},
				}},
				Backends: []v1alpha1.Backend{{Service: name, Port: intstr.FromInt32(80)}},
			}},
		},
	}
}
