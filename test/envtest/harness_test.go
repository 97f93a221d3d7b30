package envtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/filter/builtin"
)

// replica is one controller with a gateway of its own.
type replica struct {
	*controllers.Controller
	gateway *gateway
	metrics *prometheus.Registry
	// writes counts the requests that wrote a status.
	writes atomic.Int32
	log    *logBuffer
	// stop ends the replica and waits until it has ended.
	stop func()
}

// start starts a replica that serves a class, and ends it with the test.
func start(t *testing.T, class string, change ...func(*controllers.Options)) *replica {
	t.Helper()
	r := &replica{gateway: newGateway(), metrics: prometheus.NewRegistry(), log: &logBuffer{}}
	o := controllers.Options{
		Config: rest.CopyConfig(least),
		// There is one lease that config/default permits; tests run one after the other.
		Election: controllers.Election{
			Namespace: leaseNamespace, Name: "penstock", Identity: fmt.Sprintf("%s/%p", t.Name(), r),
			LeaseDuration: 2 * time.Second, RenewDeadline: 1500 * time.Millisecond, RetryPeriod: 200 * time.Millisecond, HangsAfter: 2 * time.Second,
		},
		Translate: translate.DefaultOptions(),
		Filters:   builtin.Registry(builtin.Deps{}), // none is built by a gateway that only notes what it is given
		Gateway:   r.gateway,
		Log:       slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics:   r.metrics,
		Now:       time.Now,
	}
	o.Translate.ClassName = class
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &statusCounter{next, &r.writes} })
	for _, c := range change {
		c(&o)
	}
	var err error
	if r.Controller, err = controllers.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	r.stop = func() { cancel(); running.Wait() }
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("log of the replica:\n%s", r.log.String())
		}
	})
	return r
}

// value returns a metric's value.
func (r *replica) value(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func (r *replica) awaitValue(t *testing.T, name string, want float64) {
	t.Helper()
	await(t, fmt.Sprintf("%s is %v", name, want), func(context.Context) (bool, error) { return r.value(t, name) == want, nil })
}

func (r *replica) awaitReady(t *testing.T) {
	t.Helper()
	await(t, "the replica is ready", func(context.Context) (bool, error) { ok, _ := r.Ready(); return ok, nil })
}

// statusCounter counts the requests that write a status.
type statusCounter struct {
	next   http.RoundTripper
	writes *atomic.Int32
}

func (c *statusCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && strings.HasSuffix(r.URL.Path, "/status") {
		c.writes.Add(1)
	}
	return c.next.RoundTrip(r)
}

// logBuffer keeps a log until somebody wants to see it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await polls until ok holds.
func await(t *testing.T, what string, ok func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, ok); err != nil {
		t.Fatalf("waited in vain until %s: %v", what, err)
	}
}

// newNamespace makes a namespace that no other test uses.
func newNamespace(t *testing.T) string {
	t.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	create(t, n)
	return n.Name
}

// create creates objects and deletes them with the test.
func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = admin.Delete(context.Background(), o) })
	}
}

func newService(namespace, name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

func newSlice(namespace, service, name string, addresses ...string) *discoveryv1.EndpointSlice {
	port, portName, ready := int32(8080), "http", true
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: service},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
	}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{a}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
	}
	return s
}

// newRoute returns a route from a host of its own to port 80 of a Service.
func newRoute(class, namespace, name, service string) *v1alpha1.GatewayRoute {
	return &v1alpha1.GatewayRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.GatewayRouteSpec{
			ClassName: class, Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(name + "." + namespace + ".example.com")},
			Rules: []v1alpha1.Rule{{Backends: []v1alpha1.Backend{{Service: service, Port: intstr.FromInt32(80)}}}},
		},
	}
}

// awaitCondition waits until an object's condition has a status and reason at the object's generation, and returns it.
func awaitCondition(t *testing.T, r *v1alpha1.GatewayRoute, kind string, status metav1.ConditionStatus, reason string) (c metav1.Condition) {
	t.Helper()
	await(t, fmt.Sprintf("%s of %s is %s, %s", kind, r.Name, status, reason), func(ctx context.Context) (bool, error) {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(r), r); err != nil {
			return false, err
		}
		found := meta.FindStatusCondition(r.Status.Conditions, kind)
		if found == nil || found.Status != status || found.Reason != reason || found.ObservedGeneration != r.Generation {
			return false, nil
		}
		c = *found
		return true, nil
	})
	return c
}

// update changes an object, again if somebody else was faster.
func update[O client.Object](t *testing.T, o O, change func(O)) {
	t.Helper()
	await(t, "the update of "+o.GetName()+" is done", func(ctx context.Context) (bool, error) {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return false, err
		}
		change(o)
		return admin.Update(ctx, o) == nil, nil
	})
}

// writeLease gives the lease to a holder for some seconds.
func writeLease(ctx context.Context, holder string, seconds int32) error {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: leaseNamespace, Name: "penstock"}}
	err := admin.Get(ctx, client.ObjectKeyFromObject(lease), lease)
	now := metav1.NowMicro()
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = &holder, &seconds
	lease.Spec.AcquireTime, lease.Spec.RenewTime = &now, &now
	if apierrors.IsNotFound(err) {
		return admin.Create(ctx, lease)
	}
	return admin.Update(ctx, lease)
}
