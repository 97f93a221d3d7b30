package envtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/controllers/replicas"
	"github.com/penstock/penstock/proxy/snapshot"
)

// holding is a gateway whose Apply waits while it is held.
type holding struct {
	*gateway
	held sync.RWMutex
}

func (h *holding) Apply(s *snapshot.Snapshot) []controllers.Problem {
	h.held.RLock()
	defer h.held.RUnlock()
	return h.gateway.Apply(s)
}

// startHolding starts a replica of that name whose Apply can be held back.
func startHolding(t *testing.T, class, name string, change ...func(*controllers.Options)) (*replica, *holding) {
	t.Helper()
	h := &holding{}
	change = append(change, func(o *controllers.Options) {
		h.gateway = o.Gateway.(*gateway)
		o.Gateway, o.Election.Identity = h, name
	})
	return start(t, class, change...), h
}

// requireReady waits until a route is Ready and returns the message.
func requireReady(t *testing.T, route *v1alpha1.GatewayRoute) string {
	t.Helper()
	return awaitCondition(t, route, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonServing).Message
}

func pointTo(service string) func(*v1alpha1.GatewayRoute) {
	return func(r *v1alpha1.GatewayRoute) { r.Spec.Rules[0].Backends[0].Service = service }
}

// changeWithout changes a route that both replicas serve while that of a name is held back, which is what the route says then.
func changeWithout(t *testing.T, class, ns, name string, held *holding) *v1alpha1.GatewayRoute {
	t.Helper()
	route := newRoute(class, ns, "users", "users")
	create(t, newService(ns, "users"), newService(ns, "others"), route)
	requireReady(t, route)

	held.held.Lock()
	update(t, route, pointTo("others"))
	lags := awaitCondition(t, route, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonReplicasLag)
	if want := "1 of 2 replicas serve generation 2. Not yet: " + name + " (since "; !strings.HasPrefix(lags.Message, want) {
		t.Errorf("got %q, want %q", lags.Message, want)
	}
	return route
}

func TestARouteIsReadyWhenEveryReplicaServesIt(t *testing.T) {
	const class = "every"
	ns := newNamespace(t)
	start(t, class).awaitReady(t)
	slow, held := startHolding(t, class, "slow")
	slow.awaitReady(t)
	route := newRoute(class, ns, "users", "users")
	create(t, newService(ns, "users"), newService(ns, "others"), route)
	if got, want := requireReady(t, route), "2 of 2 replicas serve generation 1."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	held.held.Lock()
	update(t, route, pointTo("others"))
	lags := awaitCondition(t, route, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonReplicasLag)
	if !strings.HasPrefix(lags.Message, "1 of 2 replicas serve generation 2. Not yet: slow (since ") {
		t.Errorf("got %q", lags.Message)
	}
	if got, want := *route.Status.Replicas, (v1alpha1.ReplicasStatus{Serving: 1, Total: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	held.held.Unlock()
	if got, want := requireReady(t, route), "2 of 2 replicas serve generation 2."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	slow.stop() // its Lease goes with it
	update(t, route, pointTo("users"))
	if got, want := requireReady(t, route), "1 of 1 replicas serve generation 3."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is told of Ready is true at that moment, whichever replica is held back for how long.
func TestReadyIsNeverEarly(t *testing.T) {
	const class, tries = "early", 60
	ns := newNamespace(t)
	route := newRoute(class, ns, "users", "a")
	create(t, newService(ns, "a"), newService(ns, "b"), route)
	all := make([]*holding, 3)
	for i := range all {
		var r *replica
		r, all[i] = startHolding(t, class, fmt.Sprintf("replica-%d", i))
		r.awaitReady(t)
	}
	requireReady(t, route)
	watch, err := admin.Watch(t.Context(), &v1alpha1.GatewayRouteList{}, client.InNamespace(ns))
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	for i := range tries {
		slow := all[i%len(all)]
		slow.held.Lock()
		time.AfterFunc(time.Duration(i%7)*40*time.Millisecond, slow.held.Unlock)
		service := []string{"b", "a"}[i%2]
		update(t, route, pointTo(service))
		for e := range watch.ResultChan() {
			seen := e.Object.(*v1alpha1.GatewayRoute)
			c := meta.FindStatusCondition(seen.Status.Conditions, v1alpha1.ConditionReady)
			if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != route.Generation {
				continue
			}
			for n, h := range all {
				if !serves(h.Snapshot(), ns, service) {
					t.Fatalf("generation %d is Ready, and replica %d does not serve it", route.Generation, n)
				}
			}
			break
		}
	}
}

// serves reports whether a snapshot sends requests to a Service.
func serves(s *snapshot.Snapshot, namespace, service string) bool {
	for c := range s.Clusters.Values() {
		if strings.HasPrefix(c.Name, namespace+"/"+service+":") {
			return true
		}
	}
	return false
}

func TestANewLeaderBelievesWhatIsReady(t *testing.T) {
	const class = "believes"
	ns := newNamespace(t)
	first := start(t, class)
	first.awaitValue(t, "gateway_leader", 1)
	second, held := startHolding(t, class, "second")
	second.awaitReady(t)
	route, other := newRoute(class, ns, "users", "users"), newRoute(class, ns, "others", "users")
	create(t, newService(ns, "users"), newService(ns, "more"), route, other)
	requireReady(t, route)
	requireReady(t, other)

	held.held.Lock()
	update(t, other, pointTo("more"))
	awaitCondition(t, other, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonReplicasLag)
	writes := second.writes.Load()
	first.stop()
	held.held.Unlock()
	requireReady(t, other)
	before := route.ResourceVersion
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(route), route); err != nil {
		t.Fatal(err)
	}
	if route.ResourceVersion != before {
		t.Error("the new leader has written what was said already")
	}
	if n := second.writes.Load() - writes; n > 2 {
		t.Errorf("the new leader wrote %d times, want at most twice", n)
	}
}

// A leader that hangs can't say that it does, so another one must.
func TestALeaderThatHangsLeavesItToAnother(t *testing.T) {
	const class = "hanging"
	ns := newNamespace(t)
	first, held := startHolding(t, class, "first")
	first.awaitValue(t, "gateway_leader", 1)
	second := start(t, class)
	second.awaitReady(t)
	route := changeWithout(t, class, ns, "first", held)
	if first.value(t, "gateway_leader") != 0 {
		t.Error("the replica that hangs leads")
	}
	held.held.Unlock()
	requireReady(t, route)
	second.stop()
	first.awaitValue(t, "gateway_leader", 1) // it gets on, and so it may lead again
}

// A replica that is among the ready endpoints gets requests, whether or not it reports.
func TestAReplicaThatServesAndDoesNotReportIsAwaited(t *testing.T) {
	const class, service = "front", "penstock-front"
	ns := newNamespace(t)
	behind := func(address string) func(*controllers.Options) {
		return func(o *controllers.Options) {
			o.Service, o.Replica.Addresses = service, []string{address}
		}
	}
	start(t, class, behind("10.0.0.1")).awaitReady(t)
	front := newService(leaseNamespace, service)
	front.Spec.Type = corev1.ServiceTypeLoadBalancer
	slice := newSlice(leaseNamespace, service, service+"-1", "10.0.0.1", "10.0.0.2")
	route := newRoute(class, ns, "users", "users")
	create(t, front, slice, newService(ns, "users"), route)
	lags := awaitCondition(t, route, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonReplicasLag)
	if !strings.HasPrefix(lags.Message, "1 of 2 replicas serve generation 1. Not yet: 10.0.0.2 (since ") {
		t.Errorf("got %q", lags.Message)
	}
	update(t, slice, func(s *discoveryv1.EndpointSlice) { s.Endpoints = s.Endpoints[:1] })
	requireReady(t, route)

	front.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.7"}, {Hostname: "lb.example.com"}}
	if err := admin.Status().Update(t.Context(), front); err != nil {
		t.Fatal(err)
	}
	await(t, "the route has addresses", func(ctx context.Context) (bool, error) {
		err := admin.Get(ctx, types.NamespacedName{Namespace: ns, Name: "users"}, route)
		return len(route.Status.Addresses) == 2, err
	})
	if got, want := route.Status.Addresses[0], (v1alpha1.Address{Type: v1alpha1.AddressIP, Value: "192.0.2.7"}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A process that did not run for a while, as one that was stopped, is not ready before it has caught up: the others have not waited for it.
func TestAReplicaThatWasStoppedCatchesUpFirst(t *testing.T) {
	const class = "stopped"
	ns := newNamespace(t)
	first := start(t, class)
	first.awaitReady(t)
	var clock shifted
	second, held := startHolding(t, class, "second", func(o *controllers.Options) { o.Now = clock.now })
	second.awaitReady(t)
	changeWithout(t, class, ns, "second", held)
	if ok, why := second.Ready(); !ok {
		t.Fatalf("it is not ready while it is behind but runs: %s", why)
	}
	clock.shift(replicas.Renewal + time.Second)
	if ok, why := second.Ready(); ok {
		t.Errorf("it is ready as it goes on: %s", why)
	}
	await(t, "it knows how far it has to get", func(context.Context) (bool, error) {
		return strings.Contains(second.log.String(), "level=DEBUG msg=\"catching up with the other replicas\""), nil
	})
	if ok, why := second.Ready(); ok {
		t.Errorf("it is ready before it has caught up: %s", why)
	}
	held.held.Unlock()
	second.awaitReady(t)
	if got, want := second.gateway.Snapshot().Version, first.gateway.Snapshot().Version; got != want {
		t.Errorf("it is ready with version %s while the other serves %s", got, want)
	}
}

// Without API server nobody can say what others serve, and what is served is better than nothing.
func TestAReplicaThatWasStoppedServesOnWithoutAPIServer(t *testing.T) {
	var clock shifted
	r := start(t, "alone", func(o *controllers.Options) { o.Now = clock.now })
	r.awaitReady(t)
	defer outage(t)()
	clock.shift(replicas.Renewal + time.Second)
	if ok, why := r.Ready(); ok {
		t.Errorf("it is ready as it goes on: %s", why)
	}
	for range 3 { // as if it had waited for a while
		clock.shift(replicas.Renewal - time.Second)
		r.Ready()
	}
	r.awaitReady(t)
}

// shifted is a clock that can be put forward.
type shifted struct{ by atomic.Int64 }

func (s *shifted) now() time.Time { return time.Now().Add(time.Duration(s.by.Load())) }

func (s *shifted) shift(by time.Duration) { s.by.Add(int64(by)) }
