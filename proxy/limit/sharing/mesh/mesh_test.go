package mesh_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/limit/sharing"
	"github.com/penstock/penstock/proxy/limit/sharing/mesh"
	"github.com/penstock/penstock/proxy/proxytest"
)

// replica is a node on a real socket, with a real clock.
type replica struct {
	*sharing.Limiter
	mesh     *mesh.Mesh
	identity mesh.Identity
	address  netip.AddrPort
	listener net.Listener
	stop     func()
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// newReplica makes one that listens and does not run yet.
func newReplica(t *testing.T, address string) *replica {
	t.Helper()
	i, err := mesh.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t, address)
	l := sharing.New(sharing.Options{Local: limit.NewLocal(1, time.Now), Now: time.Now})
	return &replica{
		Limiter: l, identity: i, address: netip.MustParseAddrPort(ln.Addr().String()), listener: ln,
		mesh: mesh.New(mesh.Options{Limiter: l, Identity: i, Log: slog.New(slog.DiscardHandler)}),
	}
}

func (r *replica) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.mesh.Run(ctx, r.listener) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
}

// introduce tells each of the others.
func introduce(all ...*replica) {
	for _, r := range all {
		var peers []mesh.Peer
		for _, p := range all {
			if p != r {
				peers = append(peers, mesh.Peer{Address: p.address, Key: p.identity.Key})
			}
		}
		r.mesh.SetPeers(peers)
	}
}

// three replicas that hear each other.
func three(t *testing.T) []*replica {
	t.Helper()
	all := []*replica{newReplica(t, "127.0.0.1:0"), newReplica(t, "127.0.0.1:0"), newReplica(t, "127.0.0.1:0")}
	introduce(all...)
	for _, r := range all {
		r.run(t)
	}
	for _, r := range all {
		proxytest.Await(t, "two peers are heard", func() bool { return r.Heard() == 2 && r.Peers() == 2 })
	}
	return all
}

// aDay is a limit of which nothing flows back while a test runs.
var aDay = &limit.Limit{Policy: "shop/p", Name: "l", Requests: 3000, Period: 24 * time.Hour, Burst: 3000}

// drain asks until a total was admitted, by whichever replicas; want is at most what there is.
func drain(t *testing.T, k limit.Key, want int, all ...*replica) (admitted int) {
	t.Helper()
	proxytest.Await(t, "what there is was admitted", func() bool {
		for _, r := range all {
			for range 100 {
				if r.Take(aDay, k, 1).Allowed {
					admitted++
				}
			}
		}
		return admitted >= want
	})
	return admitted
}

func TestReplicasShareALimit(t *testing.T) {
	all := three(t)
	t.Run("when all are asked", func(t *testing.T) {
		if n := drain(t, limit.Key{1}, 2990, all...); n > 3001 {
			t.Errorf("%d were admitted of 3,000", n)
		}
	})
	t.Run("when one is asked", func(t *testing.T) {
		if n := drain(t, limit.Key{2}, 2900, all[0]); n > 3001 {
			t.Errorf("%d were admitted of 3,000", n)
		}
	})
}

func TestAPeerThatIsLostAndComesBack(t *testing.T) {
	all := three(t)
	lost := all[2]
	lost.stop()
	for _, r := range all[:2] {
		proxytest.Await(t, "the peer is lost", func() bool { return r.Peers() == 1 })
	}
	if n := drain(t, limit.Key{1}, 2900, all[:2]...); n > 3001 {
		t.Errorf("%d were admitted of 3,000", n)
	}
	// The same address, but another process: with another key.
	again := newReplica(t, lost.address.String())
	introduce(all[0], all[1], again)
	again.run(t)
	proxytest.Await(t, "the peer is back", func() bool { return again.Heard() == 2 && all[0].Heard() == 2 && all[1].Heard() == 2 })
	proxytest.Await(t, "the peer knows what was used", func() bool { return again.Keys() == 1 })
	// What was used is 2,900 of 3,000 or more, so of a third there is no hundred left.
	admitted := 0
	for range 1000 {
		if again.Take(aDay, limit.Key{1}, 1).Allowed {
			admitted++
		}
	}
	if admitted > 100 {
		t.Errorf("a peer that came back admitted %d", admitted)
	}
}

func TestWhoIsNotTrustedIsRefused(t *testing.T) {
	a, b, stranger := newReplica(t, "127.0.0.1:0"), newReplica(t, "127.0.0.1:0"), newReplica(t, "127.0.0.1:0")
	introduce(a, b)
	// The stranger knows the others; they don't know its key.
	stranger.mesh.SetPeers([]mesh.Peer{{Address: a.address, Key: a.identity.Key}, {Address: b.address, Key: b.identity.Key}})
	// And a is told to look for a peer where the stranger is.
	a.mesh.SetPeers([]mesh.Peer{{Address: b.address, Key: b.identity.Key}, {Address: stranger.address, Key: b.identity.Key}})
	for _, r := range []*replica{a, b, stranger} {
		r.run(t)
	}
	proxytest.Await(t, "the two hear each other", func() bool { return a.Heard() == 1 && b.Heard() == 1 })
	proxytest.Await(t, "the stranger has failed", func() bool { return value(t, stranger.mesh, "gateway_rate_limit_peer_failures_total") > 5 })
	if a.Heard() != 1 || b.Heard() != 1 || stranger.Heard() != 0 {
		t.Errorf("%d, %d and %d are heard by two replicas and a stranger, want 1, 1 and 0", a.Heard(), b.Heard(), stranger.Heard())
	}
}

// Trust ends connections that began with it.
func TestWhoIsNoLongerTrustedIsNotHeard(t *testing.T) {
	a, b := newReplica(t, "127.0.0.1:0"), newReplica(t, "127.0.0.1:0")
	introduce(a, b)
	a.run(t)
	b.run(t)
	proxytest.Await(t, "the two hear each other", func() bool { return a.Heard() == 1 && b.Heard() == 1 })
	a.mesh.SetPeers(nil)
	proxytest.Await(t, "the peer is refused", func() bool { return value(t, b.mesh, "gateway_rate_limit_peer_failures_total") > 0 })
	proxytest.Await(t, "the peer is not heard", func() bool { return a.Heard() == 0 })
}

func TestReplicasTrustASharedSecret(t *testing.T) {
	const one, other, third = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210", "00000000000000000000000000000000"
	with := func(secrets string) *replica {
		all, err := mesh.SharedIdentities(secrets)
		if err != nil {
			t.Fatal(err)
		}
		r := newReplica(t, "127.0.0.1:0")
		var keys []mesh.Key
		for _, i := range all {
			keys = append(keys, i.Key)
		}
		r.mesh = mesh.New(mesh.Options{Limiter: r.Limiter, Identity: all[0], Trusted: keys, Log: slog.New(slog.DiscardHandler)})
		return r
	}
	old, both, young, stranger := with(one), with(one+"\n"+other+"\n"), with(other+"\n"+one), with(third)
	all := []*replica{old, both, young, stranger}
	for _, r := range all {
		var peers []mesh.Peer
		for _, p := range all {
			peers = append(peers, mesh.Peer{Address: p.address}) // itself, too, as DNS says
		}
		r.mesh.SetPeers(peers)
		r.run(t)
	}
	proxytest.Await(t, "those who trust each other hear each other", func() bool { return both.Heard() == 2 && young.Heard() >= 1 })
	proxytest.Await(t, "the stranger has failed", func() bool { return value(t, stranger.mesh, "gateway_rate_limit_peer_failures_total") > 5 })
	if stranger.Heard() != 0 {
		t.Error("a stranger is heard")
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	for secrets, want := range map[string]string{"": "no secret", " \n\n": "no secret", "0123456789abcdef0123456789abcdef\nshort": "secret 2 is shorter"} {
		if _, err := mesh.SharedIdentities(secrets); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", secrets, err, want)
		}
	}
}

func TestAnAddressThatIsTakenEndsRun(t *testing.T) {
	r := newReplica(t, "127.0.0.1:0")
	_ = r.listener.Close()
	if err := r.mesh.Run(t.Context(), r.listener); err == nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want that the listener is closed", err)
	}
}

func value(t *testing.T, m *mesh.Mesh, name string) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(m.Metrics()...)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestMetricsAreAsPrometheusRecommends(t *testing.T) {
	r := newReplica(t, "127.0.0.1:0")
	defer func() { _ = r.listener.Close() }()
	registry := prometheus.NewRegistry()
	registry.MustRegister(r.mesh.Metrics()...)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
