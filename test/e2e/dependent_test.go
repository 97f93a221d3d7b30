//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/test/testgrants"
)

// granting is the namespace of the Services that routes need a grant for.
const granting = "e2e-granting"

// dependent is a route, and an object that comes and goes, which changes what the route does, but not the route.
type dependent struct {
	route  *v1alpha1.GatewayRoute
	object client.Object
	// shows and heeds say whether the route's status, and an answer, know of the object.
	shows  func(*v1alpha1.GatewayRoute) bool
	heeds  func(answer string) bool
	latest chan *v1alpha1.GatewayRoute
	lines  map[string]*line
}

// Who sees that a route says that a grant was removed, and is Ready, gets the new answer from every replica.
func TestReadyIsTrueWhenAGrantComesAndGoes(t *testing.T) {
	installGrants(t)
	create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: granting}})
	comeAndGo(t, "a grant", func(i int) *dependent {
		name := fmt.Sprintf("conceded-%d", i)
		create(t, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: granting, Name: name},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
		})
		return &dependent{
			route: &v1alpha1.GatewayRoute{
				ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name},
				Spec: v1alpha1.GatewayRouteSpec{
					Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(name + ".example.com")},
					Rules:     []v1alpha1.Rule{{Backends: []v1alpha1.Backend{{Namespace: granting, Service: name, Port: intstr.FromInt32(80)}}}},
				},
			},
			object: &gatewayv1beta1.ReferenceGrant{
				ObjectMeta: metav1.ObjectMeta{Namespace: granting, Name: name},
				Spec: gatewayv1beta1.ReferenceGrantSpec{
					From: []gatewayv1beta1.ReferenceGrantFrom{{
						Group: gatewayv1beta1.Group(v1alpha1.GroupVersion.Group), Kind: v1alpha1.KindGatewayRoute, Namespace: apps,
					}},
					To: []gatewayv1beta1.ReferenceGrantTo{{Kind: "Service", Name: (*gatewayv1beta1.ObjectName)(&name)}},
				},
			},
			shows: func(r *v1alpha1.GatewayRoute) bool {
				return meta.IsStatusConditionTrue(r.Status.Conditions, v1alpha1.ConditionResolvedRefs)
			},
			// A Service without endpoints is another error than one that may not be named.
			heeds: func(answer string) bool { return !strings.Contains(answer, rejected) },
		}
	})
}

// The same with a policy. Its limit refuses whoever does not say who it is, as our requests don't.
func TestReadyIsTrueWhenAPolicyComesAndGoes(t *testing.T) {
	period := v1alpha1.Duration("1s")
	comeAndGo(t, "a policy", func(i int) *dependent {
		name := fmt.Sprintf("limited-%d", i)
		return &dependent{
			route: said(name, "answered"),
			object: &v1alpha1.RateLimitPolicy{
				ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name},
				Spec: v1alpha1.RateLimitPolicySpec{
					TargetRefs: []v1alpha1.TargetRef{{Group: v1alpha1.GroupVersion.Group, Kind: v1alpha1.KindGatewayRoute, Name: name}},
					Limits: []v1alpha1.RateLimit{{
						Name: "per-client", Requests: 1, Period: &period, OnMissingKey: "Refuse",
						Key: []v1alpha1.KeySource{{Type: v1alpha1.KeySourceHeader, Name: "X-Client-ID"}},
					}},
				},
			},
			shows: func(r *v1alpha1.GatewayRoute) bool { return len(r.Status.Policies) > 0 },
			heeds: func(answer string) bool { return strings.Contains(answer, `"ratelimit.key_missing"`) },
		}
	})
}

// comeAndGo makes dependent routes and has their objects come and go, all at a time.
func comeAndGo(t *testing.T, what string, of func(int) *dependent) {
	t.Helper()
	pods, all := installed(t), map[string]*dependent{}
	for i := range lanes {
		d := of(i)
		d.latest, d.lines = make(chan *v1alpha1.GatewayRoute, 1), map[string]*line{}
		create(t, d.route)
		all[d.route.Name] = d
	}
	go observe(t.Context(), &v1alpha1.GatewayRouteList{}, []client.ListOption{client.InNamespace(apps)}, func(_ watch.EventType, r *v1alpha1.GatewayRoute) {
		if d := all[r.Name]; d != nil {
			select {
			case <-d.latest:
			default:
			}
			d.latest <- r
		}
	})
	want, done := int64(tries(t)), atomic.Int64{}
	var work sync.WaitGroup
	for _, d := range all {
		work.Go(func() {
			for there := true; done.Load() < want && !t.Failed(); there = !there {
				if d.turn(t, there) {
					d.ask(t, pods, there)
					done.Add(1)
				}
			}
			// The namespace may stay.
			if err := client.IgnoreNotFound(admin.Delete(context.WithoutCancel(t.Context()), d.object)); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	t.Logf("figure: Ready, %s comes or goes: %d tries, %d answers, failed: %v", what, done.Load(), done.Load()*int64(len(pods)), t.Failed())
}

// turn makes the object or removes it, and reports whether the route says so in time and is Ready.
func (d *dependent) turn(t *testing.T, there bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	if there {
		err = admin.Create(t.Context(), d.object.DeepCopyObject().(client.Object))
	} else {
		err = admin.Delete(t.Context(), d.object)
	}
	if err != nil {
		t.Error(err)
		return false
	}
	for {
		select {
		case <-ctx.Done():
			t.Errorf("waited in vain until %s is Ready, its object there: %v", d.route.Name, there)
			return false
		case r := <-d.latest:
			if isServed(r) && d.shows(r) == there {
				return true
			}
		}
	}
}

// ask asks every replica.
func (d *dependent) ask(t *testing.T, pods []*corev1.Pod, there bool) {
	t.Helper()
	host := string(d.route.Spec.Hostnames[0])
	for _, p := range pods {
		if d.lines[p.Name] == nil {
			d.lines[p.Name] = &line{patience: patience}
		}
		got, err := d.lines[p.Name].ask(t.Context(), direct(p), host)
		if err != nil || d.heeds(got) != there {
			t.Errorf("%s: asked %s, its object there: %v, got %q, %v", p.Name, host, there, got, err)
		}
	}
}

// installGrants installs the kind ReferenceGrant.
func installGrants(t *testing.T) {
	t.Helper()
	create(t, testgrants.Definition())
	if err := wait.PollUntilContextTimeout(t.Context(), pace, patience, true, func(ctx context.Context) (bool, error) {
		return admin.List(ctx, &gatewayv1beta1.ReferenceGrantList{}) == nil, nil
	}); err != nil {
		t.Fatalf("ReferenceGrants can't be listed: %v", err)
	}
}
