//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// some is how many tries are made before and after each event of a scenario.
const some = 100

// Who waits for Ready and then asks any replica gets the new answer, whatever happens to the replicas meanwhile.
func TestReadyIsTrue(t *testing.T) {
	for _, s := range []struct {
		name  string
		image string // the tag of the image that it needs, if it isn't the usual one
		// happens once or, while there are not tries enough, again.
		happens func(*trials, int)
	}{
		{name: "steady", happens: func(tr *trials, _ int) { tr.await(some) }},
		{name: "a replica hangs while its Lease is renewed", image: "faults", happens: hang},
		{name: "a replica is stopped for a moment", happens: stop},
		{name: "a replica is stopped until nobody counts on it", happens: stopLong},
		{name: "a replica is cut off from the API server", happens: cutOff},
		{name: "a container is killed", happens: restart},
		{name: "scale up and down", happens: scale},
		{name: "rolling update", happens: func(tr *trials, _ int) { roll(tr.T); tr.await(some) }},
		{name: "leader change", happens: changeLeader},
	} {
		t.Run(s.name, func(t *testing.T) {
			if s.image != "" {
				useImage(t, s.image)
			}
			want := tries(t)
			tr := startTrials(t)
			tr.await(some)
			for n := 0; n == 0 || tr.done() < want; n++ {
				s.happens(tr, n)
			}
			tr.end(s.name)
		})
	}
}

// useImage has Penstock run another build until the test ends.
func useImage(t *testing.T, tag string) {
	t.Helper()
	set := func(tag string) (before string) {
		old := installed(t)
		update(t, deployment(system, penstock), func(d *appsv1.Deployment) {
			image := &d.Spec.Template.Spec.Containers[0].Image
			at := strings.LastIndex(*image, ":")
			*image, before = (*image)[:at+1]+tag, (*image)[at+1:]
		})
		awaitPods(t, "all replicas run "+tag, system, penstock, replicas, otherThan(old))
		return before
	}
	before := set(tag)
	t.Cleanup(func() { set(before) })
}

// one returns a replica, another one each time.
func one(tr *trials, n int) *corev1.Pod {
	pods := installed(tr.T)
	return pods[n%len(pods)]
}

// renewals is how often a replica that hangs is seen to renew its Lease.
const renewals = 2

func hang(tr *trials, n int) {
	p := one(tr, n)
	signal(tr.T, p, "/penstock", syscall.SIGUSR1)
	tr.awaitLag(p)
	before := tr.done()
	awaitRenewals(tr.T, p, renewals)
	if made := tr.done() - before; made > 0 {
		tr.Errorf("%d changes were Ready while %s was held back", made, p.Name)
	}
	signal(tr.T, p, "/penstock", syscall.SIGUSR2)
	tr.await(10 * some)
}

// awaitRenewals waits until a replica has renewed its Lease so often.
func awaitRenewals(t *testing.T, p *corev1.Pod, often int) {
	t.Helper()
	seen := map[time.Time]bool{}
	await(t, p.Name+" renews its Lease", &coordinationv1.LeaseList{}, named(system, penstock+"-"+p.Name), func(leases []*coordinationv1.Lease) bool {
		for _, l := range leases {
			seen[l.Spec.RenewTime.Time] = true
		}
		return len(seen) > often
	})
}

// stop stops a replica other than the leader, which would have to say that it lags, until all wait for it. On a slow machine not all of
// them may before it is no longer Ready, and then nobody does.
func stop(tr *trials, _ int) {
	p := otherReplica(tr.T, leader(tr.T))
	goOn := suspend(tr.T, p)
	tr.until("all routes wait for "+p.Name+", or nobody counts on it", func() bool {
		counts := slices.ContainsFunc(tr.fleet.ready(), func(r *corev1.Pod) bool { return r.UID == p.UID })
		return !counts || tr.waitFor(p)
	})
	goOn()
	tr.await(10 * some)
}

// suspend stops the process of a replica until the result is called, at the latest with the test.
func suspend(t *testing.T, p *corev1.Pod) (goOn func()) {
	t.Helper()
	pid := pidOf(t, p, "/penstock")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	goOn = sync.OnceFunc(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	t.Cleanup(goOn)
	return goOn
}

// stopLong stops a replica until it is neither asked for any more nor waited for. When it goes on it must not be Ready before it has
// caught up.
func stopLong(tr *trials, n int) {
	p := one(tr, n)
	goOn := suspend(tr.T, p)
	await(tr.T, p.Name+" is not Ready", &corev1.PodList{}, named(system, p.Name), func(pods []*corev1.Pod) bool {
		return len(pods) == 1 && !isReady(pods[0])
	})
	tr.await(10 * some)
	goOn()
	installed(tr.T)
	tr.await(some)
}

// cutOff drops all packets between a replica and the API server.
func cutOff(tr *trials, n int) {
	p := one(tr, n)
	filter(tr.T, fmt.Sprintf("ip saddr %s tcp dport 6443 drop", p.Status.PodIP))
	tr.awaitLag(p)
	before := tr.done()
	awaitRenewals(tr.T, otherReplica(tr.T, p), renewals)
	if made := tr.done() - before; made > 0 {
		tr.Errorf("%d changes were Ready while %s was cut off", made, p.Name)
	}
	unfilter(tr.T)
	tr.await(10 * some)
}

func otherReplica(t *testing.T, than *corev1.Pod) *corev1.Pod {
	t.Helper()
	for _, p := range installed(t) {
		if p.UID != than.UID {
			return p
		}
	}
	t.Fatal("there is but one replica")
	return nil
}

// filter adds a rule for packets that reach the node itself, which unfilter or the test's end takes away.
func filter(t *testing.T, rule string) {
	t.Helper()
	nft(t, "add table ip e2e; add chain ip e2e in { type filter hook input priority -10; }; add rule ip e2e in "+rule)
	t.Cleanup(func() { _ = exec.Command("nft", "delete table ip e2e").Run() })
}

func unfilter(t *testing.T) {
	t.Helper()
	nft(t, "delete table ip e2e")
}

func nft(t *testing.T, commands string) {
	t.Helper()
	if out, err := exec.Command("nft", commands).CombinedOutput(); err != nil {
		t.Fatalf("nft %s: %v: %s", commands, err, out)
	}
}

func restart(tr *trials, n int) {
	p := one(tr, n)
	signal(tr.T, p, "/penstock", syscall.SIGKILL)
	awaitRestart(tr.T, "it is back", system, penstock, p)
	tr.await(10 * some)
}

func scale(tr *trials, _ int) {
	for _, count := range []int32{replicas - 1, replicas + 1, replicas} {
		update(tr.T, deployment(system, penstock), func(d *appsv1.Deployment) { d.Spec.Replicas = &count })
		awaitPods(tr.T, "the replicas are as many as wanted", system, penstock, int(count), anyPod)
		tr.await(some)
	}
}

// roll replaces all replicas.
func roll(t *testing.T) {
	t.Helper()
	old := installed(t)
	update(t, deployment(system, penstock), func(d *appsv1.Deployment) {
		if d.Spec.Template.Annotations == nil {
			d.Spec.Template.Annotations = map[string]string{}
		}
		d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] = time.Now().Format(time.RFC3339Nano)
	})
	awaitPods(t, "all replicas are new", system, penstock, replicas, otherThan(old))
}

// changeLeader takes the Lease from the leader or, every other time, ends its Pod at once.
func changeLeader(tr *trials, n int) {
	before := leader(tr.T)
	if n%2 == 0 {
		nobody, second := "nobody", int32(1)
		update(tr.T, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: penstock}}, func(l *coordinationv1.Lease) {
			now := metav1.NowMicro()
			l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds, l.Spec.AcquireTime, l.Spec.RenewTime = &nobody, &second, &now, &now
		})
	} else if err := admin.Delete(tr.Context(), before, client.GracePeriodSeconds(0)); err != nil {
		tr.Fatal(err)
	}
	await(tr.T, "there is a leader", &coordinationv1.LeaseList{}, named(system, penstock), func(leases []*coordinationv1.Lease) bool {
		holder := *leases[0].Spec.HolderIdentity
		return holder != "" && holder != "nobody" && (n%2 == 0 || holder != before.Name)
	})
	installed(tr.T)
	tr.await(10 * some)
}

// leader returns the replica that writes statuses.
func leader(t *testing.T) *corev1.Pod {
	t.Helper()
	lease := &coordinationv1.Lease{}
	if err := admin.Get(context.Background(), client.ObjectKey{Namespace: system, Name: penstock}, lease); err != nil {
		t.Fatal(err)
	}
	for _, p := range installed(t) {
		if p.Name == *lease.Spec.HolderIdentity {
			return p
		}
	}
	t.Fatalf("the leader %s is none of the replicas", *lease.Spec.HolderIdentity)
	return nil
}
