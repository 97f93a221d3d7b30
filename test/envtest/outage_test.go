package envtest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers"
)

// outage stops the API server, and starts it again when the returned function is called, at the latest with the test.
func outage(t *testing.T) (end func()) {
	t.Helper()
	api := server.ControlPlane.GetAPIServer()
	if err := api.Stop(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		if err := api.Start(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(end)
	return end
}

func TestNothingShrinksWhileTheAPIServerIsGone(t *testing.T) {
	const class = "outage"
	ns := newNamespace(t)
	service, slice := newService(ns, "users"), newSlice(ns, "users", "users-1", "10.0.0.1")
	create(t, service, slice, newRoute(class, ns, "a", "users"), newRoute(class, ns, "b", "users"))
	r := start(t, class)
	r.gateway.awaitRoutes(t, ns+"/a/0", ns+"/b/0")
	r.awaitValue(t, "gateway_leader", 1)
	applies := r.gateway.count()

	end := outage(t)
	r.awaitValue(t, "gateway_leader", 0)
	await(t, "the replica misses the API server", func(context.Context) (bool, error) {
		return r.value(t, "gateway_controller_unanswered_requests_total") > 0, nil
	})
	if ok, why := r.Ready(); !ok {
		t.Errorf("not ready: %s", why)
	}
	end()

	late := newRoute(class, ns, "late", "users")
	create(t, late)
	r.gateway.awaitRoutes(t, ns+"/a/0", ns+"/b/0", ns+"/late/0")
	update(t, slice, func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = []string{"10.0.0.2"} })
	r.gateway.awaitAddresses(t, ns+"/users:80", "10.0.0.2")
	awaitCondition(t, late, v1alpha1.ConditionProgrammed, metav1.ConditionTrue, v1alpha1.ReasonProgrammed)
	if got := r.gateway.count(); got != applies+1 {
		t.Errorf("%d applies for one change", got-applies)
	}
	if got := r.value(t, "gateway_controller_restarts_total"); got != 0 {
		t.Errorf("the controller was started again %v times", got)
	}
}

func TestARestartWithoutAPIServerServesTheLastGoodState(t *testing.T) {
	const class = "stale"
	ns, dir := newNamespace(t), t.TempDir()
	slice := newSlice(ns, "users", "users-1", "10.0.0.1")
	secret := newCertificate(ns, "users")
	permit(t, ns)
	create(t, newService(ns, "users"), slice, secret, newSecuredRoute(class, ns, "users"))
	keeps := func(o *controllers.Options) { o.StateDir, o.StaleAfter = dir, time.Second }
	first := start(t, class, keeps)
	first.gateway.awaitRoutes(t, ns+"/users/0")
	await(t, "the state is written", func(context.Context) (bool, error) {
		_, err := os.Stat(filepath.Join(dir, "state.jsonl"))
		return err == nil, nil
	})
	version := first.gateway.Snapshot().Version
	first.stop()

	end := outage(t)
	second := start(t, class, keeps)
	second.awaitReady(t)
	second.gateway.awaitRoutes(t, ns+"/users/0")
	second.gateway.awaitAddresses(t, ns+"/users:80", "10.0.0.1")
	second.gateway.awaitCertificate(t, ns, "users", secret.Data[corev1.TLSCertKey])
	second.awaitValue(t, "gateway_snapshot_stale", 1)
	if got := second.gateway.Snapshot().Version; got != version {
		t.Errorf("version %s is served, %s was saved", got, version)
	}

	end()
	second.awaitValue(t, "gateway_snapshot_stale", 0)
	if got := second.gateway.count(); got != 1 {
		t.Errorf("the same snapshot was applied %d times", got)
	}
	update(t, slice, func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = []string{"10.0.0.2"} })
	second.gateway.awaitAddresses(t, ns+"/users:80", "10.0.0.2")
	create(t, newRoute(class, ns, "young", "users"))
	second.gateway.awaitRoutes(t, ns+"/users/0", ns+"/young/0")
}

func TestADamagedStateIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.jsonl"), []byte("{\"format\":\"something else\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, "damaged", func(o *controllers.Options) {
		o.StateDir, o.StaleAfter = dir, 100*time.Millisecond
		o.Config.Host = "https://127.0.0.1:1" // nobody listens there
	})
	await(t, "the log says why", func(context.Context) (bool, error) {
		return strings.Contains(r.log.String(), "not of this format"), nil
	})
	if ok, _ := r.Ready(); ok {
		t.Error("ready without anything to serve")
	}
}
