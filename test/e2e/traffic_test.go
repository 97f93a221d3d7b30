//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/api/v1alpha1"
)

// balancer returns the address of Penstock's Service, as its users reach it.
func balancer(t *testing.T) string {
	t.Helper()
	services := await(t, "the Service has an address", &corev1.ServiceList{}, named(system, penstock), func(found []*corev1.Service) bool {
		return len(found) == 1 && len(found[0].Status.LoadBalancer.Ingress) > 0
	})
	return net.JoinHostPort(services[0].Status.LoadBalancer.Ingress[0].IP, "80")
}

// direct returns the address of a replica itself.
func direct(p *corev1.Pod) string { return net.JoinHostPort(p.Status.PodIP, "8080") }

// installed waits until all replicas are Ready.
func installed(t *testing.T) []*corev1.Pod {
	t.Helper()
	return awaitPods(t, "all replicas of Penstock are Ready", system, penstock, replicas, anyPod)
}

// enough is how many answers a load gets before and after an event.
const enough = 500

// under loads Penstock's Service while something happens.
func under(t *testing.T, s streams, what string, a app, happens func()) figures {
	t.Helper()
	l := startLoad(t, balancer(t), a.host, s)
	l.awaitAnswers(t, enough)
	began := time.Now()
	happens()
	took := time.Since(began)
	l.awaitAnswers(t, enough)
	f := l.end()
	f.report(t, fmt.Sprintf("%s, which took %.1f s", what, took.Seconds()))
	return f
}

// none fails the test if a request failed.
func (f figures) none(t *testing.T) {
	t.Helper()
	if len(f.failures) > 0 || f.answered != f.sent {
		t.Errorf("%d of %d requests failed, want none", f.sent-f.answered, f.sent)
	}
}

func TestEveryReplicaServes(t *testing.T) {
	pods := installed(t)
	a := newApp(t, "hello")
	for _, p := range pods {
		l := startLoad(t, direct(p), a.host, usual)
		l.awaitAnswers(t, 100)
		f := l.end()
		f.report(t, "asking "+p.Name+" itself")
		f.none(t)
	}
	l := startLoad(t, balancer(t), a.host, usual)
	l.awaitAnswers(t, enough)
	f := l.end()
	f.report(t, "asking the Service")
	f.none(t)
}

func TestScaleDown(t *testing.T) {
	installed(t)
	a := newApp(t, "scaled")
	scale := func(count int32) {
		update(t, deployment(system, penstock), func(d *appsv1.Deployment) { d.Spec.Replicas = &count })
		awaitPods(t, "the replicas are as many as wanted", system, penstock, int(count), anyPod)
	}
	under(t, usual, "scale down from 3 to 2", a, func() { scale(replicas - 1) }).none(t)
	under(t, usual, "scale up from 2 to 3", a, func() { scale(replicas) }).none(t)
}

func TestDeletedPod(t *testing.T) {
	old := installed(t)
	a := newApp(t, "deleted")
	under(t, usual, "deleted Pod", a, func() {
		if err := admin.Delete(t.Context(), old[0]); err != nil {
			t.Fatal(err)
		}
		awaitPods(t, "it is replaced", system, penstock, replicas, otherThan(old[:1]))
	}).none(t)
}

// TestEvictedReplica does what `kubectl drain` does on each node.
func TestEvictedReplica(t *testing.T) {
	old := installed(t)
	a := newApp(t, "evicted")
	evict := func(p *corev1.Pod) error {
		return admin.SubResource("eviction").Create(t.Context(), p, &policyv1.Eviction{})
	}
	under(t, usual, "evicted replica", a, func() {
		if err := evict(old[0]); err != nil {
			t.Fatal(err)
		}
		if err := evict(old[1]); !apierrors.IsTooManyRequests(err) {
			t.Errorf("eviction of a second replica meanwhile: %v, want it refused by the budget", err)
		}
		awaitPods(t, "it is replaced", system, penstock, replicas, otherThan(old[:1]))
	}).none(t)
}

// outage is how long a replica that dies may be asked for by others: until the kubelet has seen it, and kube-proxy knows.
const outage = 3 * time.Second

func TestKilledReplica(t *testing.T) {
	a := newApp(t, "killed")
	for name, choose := range map[string]func() *corev1.Pod{
		"the leader":      func() *corev1.Pod { return leader(t) },
		"another replica": func() *corev1.Pod { return otherReplica(t, leader(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			victim := choose()
			var others []*load
			for _, p := range installed(t) {
				if p.UID != victim.UID {
					others = append(others, startLoad(t, direct(p), a.host, usual))
				}
			}
			var died time.Time
			f := under(t, usual, name+" is killed", a, func() {
				signal(t, victim, "/penstock", syscall.SIGKILL)
				died = time.Now()
				awaitRestart(t, "it is back", system, penstock, victim)
			})
			f.atMostInFlight(t, died, outage)
			for _, l := range others {
				got := l.end()
				got.report(t, name+" is killed, asking another one itself")
				got.none(t)
			}
			changeIsReady(t, a)
		})
	}
}

// changeIsReady changes a route and waits until that is Ready.
func changeIsReady(t *testing.T, a app) {
	t.Helper()
	began := time.Now()
	r := &v1alpha1.GatewayRoute{ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: a.name}}
	update(t, r, func(r *v1alpha1.GatewayRoute) {
		r.Spec.Hostnames = append(r.Spec.Hostnames[:1], v1alpha1.Hostname(fmt.Sprintf("n%d.example.com", time.Now().UnixNano())))
	})
	await(t, "a change is Ready", &v1alpha1.GatewayRouteList{}, named(apps, a.name), func(routes []*v1alpha1.GatewayRoute) bool {
		return len(routes) == 1 && routes[0].Generation >= r.Generation && isServed(routes[0])
	})
	t.Logf("figure: the next change was Ready after %d ms", time.Since(began).Milliseconds())
}

// atMostInFlight fails the test if more failed than could be under way when something died, besides connections that were
// not to be had for some time.
func (f figures) atMostInFlight(t *testing.T, died time.Time, outage time.Duration) {
	t.Helper()
	cut, last := 0, time.Duration(0)
	for _, one := range f.failures {
		if !one.connect {
			cut++
		}
		last = max(last, one.at.Sub(died))
	}
	t.Logf("figure: of those, %d were cut short and %d connections were refused, until %.1f s later", cut, len(f.failures)-cut, last.Seconds())
	if cut > f.streams.all() {
		t.Errorf("%d requests were cut short, of %d that can be in flight", cut, f.streams.all())
	}
	if last > outage {
		t.Errorf("a request failed %v later, want none after %v", last, outage)
	}
}

// onlyRefused fails the test if anything failed but connections, for some time after a process has ended.
func (f figures) onlyRefused(t *testing.T, ended time.Time, outage time.Duration) {
	t.Helper()
	last := time.Duration(0)
	for _, one := range f.failures {
		last = max(last, one.at.Sub(ended))
		if !one.connect {
			t.Errorf("failed at %s: %v", one.at.Format("15:04:05.000"), one)
		}
	}
	t.Logf("figure: of those, connections were refused until %.1f s later", last.Seconds())
	if last > outage {
		t.Errorf("a connection was refused %v later, want none after %v", last, outage)
	}
}

// awaitRestart waits until a Pod's container has been started again and all Pods are Ready.
func awaitRestart(t *testing.T, what, namespace, name string, of *corev1.Pod) {
	t.Helper()
	before := of.Status.ContainerStatuses[0].RestartCount
	awaitPods(t, what, namespace, name, replicas, func(p *corev1.Pod) bool {
		return p.UID != of.UID || p.Status.ContainerStatuses[0].RestartCount > before
	})
}

func TestRollingUpdateOfABackend(t *testing.T) {
	installed(t)
	a := newApp(t, "updated")
	under(t, usual, "rolling update of a backend", a, func() {
		update(t, deployment(apps, a.name), func(d *appsv1.Deployment) { d.Spec.Template = a.deployment("v2").Spec.Template })
		awaitPods(t, "all backends are new", apps, a.name, replicas, otherThan(a.pods))
	}).none(t)
}

func TestKilledBackend(t *testing.T) {
	installed(t)
	a := newApp(t, "fragile")
	var died time.Time
	f := under(t, usual, "killed backend", a, func() {
		signal(t, a.pods[0], "/demo", syscall.SIGKILL)
		died = time.Now()
		awaitRestart(t, "it is back", apps, a.name, a.pods[0])
	})
	for _, one := range f.failures {
		if one.connect {
			t.Errorf("Penstock itself refused a connection: %v", one)
		}
	}
	f.atMostInFlight(t, died, time.Second)
}
