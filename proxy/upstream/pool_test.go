package upstream

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// crowd puts n connections without a socket into a pool.
func crowd(t *testing.T, n int) (*pool, []*conn) {
	t.Helper()
	p := &pool{}
	conns := make([]*conn, n)
	for i := range conns {
		conns[i] = &conn{}
		if !p.put(conns[i], time.Time{}, maxKept) {
			t.Fatalf("connection %d was refused", i)
		}
	}
	return p, conns
}

// TestPoolGivesTheLastOneFirst: the one that was used last is still in the caches, and the others grow old.
func TestPoolGivesTheLastOneFirst(t *testing.T) {
	p, conns := crowd(t, shelfPlaces)
	for i, want := range slices.Backward(conns) {
		if got := p.take(); got != want {
			t.Fatalf("take of %d gave another connection", i)
		}
		if i%2 == 0 {
			p.put(want, time.Time{}, maxKept)
			if got := p.take(); got != want {
				t.Fatalf("take of %d, which had come back, gave another connection", i)
			}
		}
	}
	if p.take() != nil {
		t.Error("an empty pool gave a connection")
	}
}

// TestPoolGivesEachOfManyOnce: shelf by shelf, each from above.
func TestPoolGivesEachOfManyOnce(t *testing.T) {
	p, conns := crowd(t, 3*shelfPlaces)
	for shelf := range slices.Chunk(conns, shelfPlaces) {
		for i, want := range slices.Backward(shelf) {
			if got := p.take(); got != want {
				t.Fatalf("take of %d gave another connection", i)
			}
		}
	}
	if p.take() != nil {
		t.Error("an empty pool gave a connection")
	}
}

// TestPoolLeavesALaterShelfAlone: what few connections can do, those beyond the first shelf need not, and are closed in time.
func TestPoolLeavesALaterShelfAlone(t *testing.T) {
	p, conns := crowd(t, shelfPlaces+1)
	for range 2 * shelfPlaces {
		c := p.take()
		if c == conns[shelfPlaces] {
			t.Fatal("a connection of the second shelf was given out while the first had some")
		}
		p.put(c, time.Time{}, maxKept)
	}
}

func TestPoolRefusesMoreThanItHasRoomFor(t *testing.T) {
	p, _ := crowd(t, maxKept)
	if p.put(&conn{}, time.Time{}, 2*maxKept) {
		t.Error("a connection too many was taken")
	}
	p.take()
	if !p.put(&conn{}, time.Time{}, maxKept) {
		t.Error("the place that became free was not filled")
	}
	if p.put(&conn{}, time.Time{}, 5) {
		t.Error("more than the most were kept")
	}
}

// TestPoolGivesEachConnectionToOne is for the race detector too: a connection that two had at a time would be seen.
func TestPoolGivesEachConnectionToOne(t *testing.T) {
	const workers, rounds, conns = 8, 5000, 40
	p, _ := crowd(t, conns)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range rounds {
				c := p.take()
				if c == nil {
					continue
				}
				if c.reused {
					t.Error("a connection was given out twice")
				}
				c.reused = true
				c.reused = false
				if !p.put(c, time.Time{}, conns) {
					t.Error("a connection was refused")
				}
			}
		})
	}
	group.Wait()
	n := 0
	for p.take() != nil {
		n++
	}
	if n != conns || p.kept.Load() != 0 {
		t.Errorf("%d connections are left of %d, and %d are counted", n, conns, p.kept.Load())
	}
}

func TestTakingAndPuttingDoesNotAllocate(t *testing.T) {
	p, _ := crowd(t, 3)
	if n := testing.AllocsPerRun(1000, func() { p.put(p.take(), time.Time{}, maxKept) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPool(b *testing.B) {
	p := &pool{}
	for range 16 {
		p.put(&conn{}, time.Time{}, maxKept)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if c := p.take(); c != nil {
				p.put(c, time.Time{}, maxKept)
			}
		}
	})
}
