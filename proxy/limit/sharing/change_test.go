package sharing_test

import (
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/limit/sharing"
)

func TestAReplicaThatJoinsAdmitsAPartOnTop(t *testing.T) {
	for name, a := range algorithms {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, thousand(a))
			w.joinAll(2)
			w.run(15*time.Second, []float64{500, 500})
			w.join()
			w.run(10*time.Second, []float64{333, 333, 333})
			w.checkExcess(334)
			w.run(10*time.Second, []float64{333, 333, 333})
			atLeast(t, "in a period after the join", w.admitted(10*time.Second), 900)
		})
	}
}

func TestTheShareOfALostReplicaReturns(t *testing.T) {
	w := newWorld(t, 1, thousand(limit.TokenBucket))
	w.joinAll(3)
	w.run(15*time.Second, []float64{333, 333, 333})
	w.nodes[2].dead = true
	w.run(sharing.Timeout+sharing.Heartbeat, []float64{500, 500})
	if n := w.nodes[0].Peers(); n != 1 {
		t.Errorf("%d others count, want 1", n)
	}
	w.run(10*time.Second, []float64{500, 500})
	w.run(10*time.Second, []float64{500, 500})
	atLeast(t, "in a period without the replica", w.admitted(10*time.Second), 980)
	w.checkExcess(0)
}

func TestAReplicaThatLeavesIsNotWaitedFor(t *testing.T) {
	w := newWorld(t, 1, thousand(limit.TokenBucket))
	w.joinAll(3)
	leaving := w.nodes[2]
	leaving.dead = true
	m := leaving.Farewell()
	for _, n := range w.nodes[:2] {
		n.Hear(m)
		if n.Peers() != 1 {
			t.Errorf("%d others count, want 1", n.Peers())
		}
	}
}

// Replicas apart admit the limit each; together again they pay what was too much.
func TestReplicasApartAdmitTheLimitEach(t *testing.T) {
	w := newWorld(t, 1, thousand(limit.TokenBucket))
	w.joinAll(3)
	w.run(15*time.Second, []float64{333, 333, 333})
	w.cut = func(a, b *node) bool { return (a.index == 2) != (b.index == 2) }
	w.run(20*time.Second, []float64{333, 333, 333})
	n := w.admitted(10 * time.Second)
	atLeast(t, "in a period apart", n, 1900)
	if n > 2010 {
		t.Errorf("%d admitted by two groups in a period, want at most twice the limit", n)
	}
	w.cut = func(_, _ *node) bool { return false }
	w.run(20*time.Second, []float64{333, 333, 333})
	if n := w.admitted(10 * time.Second); n > 1010 {
		t.Errorf("%d admitted in a period after they met again", n)
	}
}

// A limit that is made smaller holds at once, and what is left of it is there for who asks, though those who are not asked have not seen the edit.
func TestALimitIsMadeSmaller(t *testing.T) {
	for name, a := range algorithms {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, &limit.Limit{Policy: "shop/p", Name: "l", Algorithm: a, Requests: 3000, Period: 24 * time.Hour, Burst: 3000})
			w.joinAll(3)
			w.run(4*time.Second, []float64{300, 300, 0})
			smaller := *w.limit
			smaller.Requests, smaller.Burst = 2600, 2600
			w.limit = &smaller
			w.run(10*time.Second, []float64{300, 0, 0})
			atLeast(t, "in all", w.admitted(time.Minute), 2580)
			w.checkExcess(0)
		})
	}
}

func TestKeysThatAreLittleUsedAreNotTracked(t *testing.T) {
	w := newWorld(t, 1, thousand(limit.TokenBucket))
	w.joinAll(3)
	w.run(30*time.Second, []float64{10, 10, 10})
	for _, n := range w.nodes {
		if n.Keys() != 0 {
			t.Errorf("replica %d tracks %d keys", n.index, n.Keys())
		}
	}
	w.run(3*time.Second, []float64{1000, 0, 0})
	for _, n := range w.nodes {
		if n.Keys() != 1 {
			t.Errorf("replica %d tracks %d keys that are used much, want 1", n.index, n.Keys())
		}
	}
	w.run(30*time.Second, nil)
	for _, n := range w.nodes {
		if n.Keys() != 0 {
			t.Errorf("replica %d tracks %d keys that are not used any more", n.index, n.Keys())
		}
	}
}

func TestTrackedKeysAreBounded(t *testing.T) {
	w := newWorld(t, 1, thousand(limit.TokenBucket))
	clock := func() time.Time { return w.now }
	w.joinAll(2)
	n := w.nodes[0]
	n.Limiter = sharing.New(sharing.Options{Local: limit.NewLocal(1000, clock), MaxKeys: 10, Now: clock})
	n.NewLink()
	for k := range uint64(100) {
		admitted := 0
		for range 1100 {
			if n.Take(w.limit, key(1000+k), 1).Allowed {
				admitted++
			}
		}
		if admitted != 500 {
			t.Fatalf("%d admitted of key %d, want the even part", admitted, k)
		}
	}
	if n.Keys() != 10 || n.Dropped() == 0 {
		t.Errorf("%d keys tracked and %d dropped, want 10 and some", n.Keys(), n.Dropped())
	}
}

func TestAllocsOfTake(t *testing.T) {
	w := newWorld(t, 1, thousand(limit.TokenBucket))
	w.joinAll(2)
	w.run(time.Second, []float64{2000, 2000})
	n := w.nodes[0]
	if n.Keys() != 1 {
		t.Fatal("the key is not tracked")
	}
	if a := testing.AllocsPerRun(1000, func() { n.Take(w.limit, hot, 1); n.Charge(w.limit, hot, 0) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
