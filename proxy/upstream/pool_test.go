package upstream

import (
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

func TestPoolGivesTheLowestPlaceFirst(t *testing.T) {
	p, conns := crowd(t, 3*shelfPlaces)
	for i, want := range conns {
		if got := p.take(); got != want {
			t.Fatalf("take %d gave another connection", i)
		}
	}
	if p.take() != nil {
		t.Error("an empty pool gave a connection")
	}
}

func TestPoolFillsTheLowestPlaceFirst(t *testing.T) {
	p, conns := crowd(t, shelfPlaces+1)
	p.take()
	p.put(conns[0], time.Time{}, maxKept)
	if p.take() != conns[0] {
		t.Error("the connection used last was not given out first")
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
