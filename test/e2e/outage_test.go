//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// usualOutage is how long the API server is away, unless $E2E_OUTAGE says otherwise.
const usualOutage = "30s"

// While the API server is away all requests are served, also by a replica whose container ends and starts anew meanwhile.
func TestAPIServerIsAway(t *testing.T) {
	span, err := time.ParseDuration(cmp.Or(os.Getenv("E2E_OUTAGE"), usualOutage))
	if err != nil {
		t.Fatalf("E2E_OUTAGE: %v", err)
	}
	a := newApp(t, "orphaned")
	pods := installed(t)
	address := balancer(t)
	var others []*load
	for _, p := range pods[1:] {
		others = append(others, startLoad(t, direct(p), a.host, streams{kept: 2, new: 1}))
	}
	var ended time.Time
	through := startLoad(t, address, a.host, usual)
	through.awaitAnswers(t, enough)
	withoutAPIServer(t, func() {
		until := time.Now().Add(span)
		through.awaitAnswers(t, enough)
		ended = endContainer(t, pods[0])
		awaitAnswer(t, direct(pods[0]), a.host)
		t.Logf("figure: a replica without API server serves again %.1f s after its process has ended", time.Since(ended).Seconds())
		for time.Now().Before(until) {
			through.awaitAnswers(t, enough)
		}
	})
	changeIsReady(t, a)
	installed(t)
	through.awaitAnswers(t, enough)
	f := through.end()
	f.report(t, "API server away for "+span.String()+", a container restarted meanwhile")
	f.onlyRefused(t, ended, outage)
	for _, l := range others {
		got := l.end()
		got.report(t, "API server away, asking another replica itself")
		got.none(t)
	}
}

// withoutAPIServer ends the API server, does something, and starts it again.
func withoutAPIServer(t *testing.T, do func()) {
	t.Helper()
	off := stateOf(t, "apiserver.off") // see hack/cluster/node/init.sh
	on := func() { _ = os.Remove(off) }
	t.Cleanup(on)
	if err := os.WriteFile(off, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	awaitAPIServer(t, false)
	do()
	on()
	awaitAPIServer(t, true)
}

// awaitAPIServer waits until the API server answers, or doesn't.
func awaitAPIServer(t *testing.T, there bool) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return (admin.List(ctx, &corev1.NodeList{}) == nil) == there, nil
	}); err != nil {
		t.Fatalf("waited in vain until the API server is there: %v: %v", there, err)
	}
}

// endContainer has a replica drain and end, without the API server's knowing, and returns when its process has ended. The kubelet
// starts another one.
func endContainer(t *testing.T, p *corev1.Pod) time.Time {
	t.Helper()
	pid := pidOf(t, p, "/penstock")
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := wait.PollUntilContextTimeout(t.Context(), pace, patience, true, func(context.Context) (bool, error) {
		return syscall.Kill(pid, 0) != nil, nil
	}); err != nil {
		t.Fatalf("%s does not end: %v", p.Name, err)
	}
	return time.Now()
}
