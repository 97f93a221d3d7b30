package envtest

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/controllers/replicas"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/limit/sharing"
	"github.com/penstock/penstock/proxy/limit/sharing/mesh"
)

// sharer is a replica that shares rate limits with those whose Leases it sees, as penstock serve does.
type sharer struct {
	*sharing.Limiter
	*replica
	key mesh.Key
	// leave ends it: the mesh, and the controller with its Lease.
	leave func()
}

func startSharer(t *testing.T, class, name string) *sharer {
	t.Helper()
	identity, err := mesh.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sharer{key: identity.Key, Limiter: sharing.New(sharing.Options{Local: limit.NewLocal(1000, time.Now), Now: time.Now})}
	m := mesh.New(mesh.Options{Limiter: s.Limiter, Identity: identity, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	s.replica = start(t, class, func(o *controllers.Options) {
		o.Election.Identity, o.Replica.Addresses = name, []string{"127.0.0.1"}
		o.Sharing = &replicas.Sharing{Port: uint16(ln.Addr().(*net.TCPAddr).Port), Key: s.key[:]}
		o.SetPeers = func(all []controllers.Peer) {
			var peers []mesh.Peer
			for _, p := range all {
				peers = append(peers, mesh.Peer{Address: p.Address, Key: mesh.Key(p.Key)})
			}
			m.SetPeers(peers)
		}
	})
	s.leave = sync.OnceFunc(func() { cancel(); running.Wait(); s.stop() })
	t.Cleanup(s.leave)
	return s
}

func awaitPeers(t *testing.T, n int, all ...*sharer) {
	t.Helper()
	for _, s := range all {
		await(t, "the replicas hear each other", func(context.Context) (bool, error) { return s.Heard() == n && s.Peers() == n, nil })
	}
}

// requireShare checks how much of a key that nobody has used each replica may give away by itself.
func requireShare(t *testing.T, k limit.Key, want int64, all ...*sharer) {
	t.Helper()
	of := &limit.Limit{Policy: "shop/p", Name: "l", Requests: 3000, Period: 24 * time.Hour, Burst: 3000}
	for i, s := range all {
		if d := s.Take(of, k, 1); d.Remaining != want-1 {
			t.Errorf("replica %d may give away %d of 3000, want %d", i, d.Remaining+1, want)
		}
	}
}

func TestReplicasFindEachOthersKeysInLeases(t *testing.T) {
	const class = "sharing"
	all := []*sharer{startSharer(t, class, "a"), startSharer(t, class, "b"), startSharer(t, class, "c")}
	awaitPeers(t, 2, all...)
	for i, name := range []string{"a", "b", "c"} {
		r := leaseOf(t, class, name)
		if r.Sharing == nil || !slices.Equal(r.Sharing.Key, all[i].key[:]) {
			t.Errorf("the Lease of %s says %+v", name, r.Sharing)
		}
	}
	requireShare(t, limit.Key{1}, 1000, all...)

	t.Run("one goes", func(t *testing.T) {
		all[2].leave()
		awaitPeers(t, 1, all[:2]...)
		requireShare(t, limit.Key{2}, 1500, all[:2]...)
	})
	t.Run("one comes in its place, with another key", func(t *testing.T) {
		all[2] = startSharer(t, class, "c")
		awaitPeers(t, 2, all...)
		requireShare(t, limit.Key{3}, 1000, all...)
	})
	t.Run("one is asked for what the others don't use", func(t *testing.T) {
		of, admitted := &limit.Limit{Policy: "shop/p", Name: "l", Requests: 3000, Period: 24 * time.Hour, Burst: 3000}, 0
		await(t, "nearly all of the limit is allowed", func(context.Context) (bool, error) {
			for range 100 {
				if all[0].Take(of, limit.Key{4}, 1).Allowed {
					admitted++
				}
			}
			return admitted > 2900, nil
		})
		if admitted > 3001 {
			t.Errorf("%d were allowed of 3000", admitted)
		}
	})
}

// leaseOf returns what a replica of a class says in its Lease.
func leaseOf(t *testing.T, class, name string) replicas.Replica {
	t.Helper()
	var leases coordinationv1.LeaseList
	if err := admin.List(t.Context(), &leases); err != nil {
		t.Fatal(err)
	}
	for i := range leases.Items {
		l := &leases.Items[i]
		if l.Labels[replicas.ClassLabel] != class {
			continue
		}
		r, err := replicas.Parse(l)
		if err != nil {
			t.Fatal(types.NamespacedName{Namespace: l.Namespace, Name: l.Name}, err)
		}
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("%s has no Lease", name)
	return replicas.Replica{}
}
