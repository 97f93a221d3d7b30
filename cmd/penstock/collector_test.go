package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/proxytest"
)

func TestGrowth(t *testing.T) {
	for _, tt := range []struct {
		name    string
		percent int
		share   float64
		live    uint64
		want    int
	}{
		{"nothing is collected", 200, 0, 50 << 20, gcPercent},
		{"collections are cheap", gcPercent, 0.01, 50 << 20, gcPercent},
		{"twice what they may take", 50, 0.06, 50 << 20, 100},
		{"half of what they may take", 200, 0.015, 50 << 20, 100},
		{"never too far", gcPercent, 0.9, 1 << 20, mostGCGrowth},
		{"never more garbage than that", gcPercent, 0.9, 64 << 20, 200},
		{"what lives is much", gcPercent, 0.9, 4 << 30, gcPercent},
		{"nothing has been collected yet", gcPercent, 0.9, 0, mostGCGrowth},
	} {
		if got := growth(tt.percent, tt.share, tt.live); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// list is something that a collection must walk.
type list struct {
	next *list
	_    [6]uint64
}

// grown makes a list of so many elements.
func grown(n int) (l *list) {
	for range n {
		l = &list{next: l}
	}
	return l
}

func TestTheHeapGrowsFurtherWhileMuchIsCollected(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	c := newCollector()
	c.every, c.calm = 10*time.Millisecond, 200*time.Millisecond
	live := grown(300_000)
	var ready atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		c.run(ctx, func() (bool, string) { return ready.Load(), "" })
	}()
	busy, rest := context.WithCancel(ctx)
	go func() {
		for busy.Err() == nil {
			grown(1000)
		}
	}()
	cycles := gcCycles()
	proxytest.Await(t, "collections", func() bool { return gcCycles() > cycles+10 })
	if p := gogc(); p != gcPercent {
		t.Errorf("GOGC is %d before the process is ready, want %d", p, gcPercent)
	}
	ready.Store(true)
	proxytest.Await(t, "growth", func() bool { return gogc() > 2*gcPercent })
	rest()
	proxytest.Await(t, "an end of it", func() bool { return gogc() == gcPercent })
	cancel()
	<-looked
	runtime.KeepAlive(live)
}

func TestTheEnvironmentSaysHowFarTheHeapGrows(t *testing.T) {
	t.Setenv("GOGC", "70")
	before := gogc()
	if c := newCollector(); c != nil || gogc() != before {
		t.Errorf("%+v sets GOGC to %d in spite of the environment", c, gogc())
	}
	(*collector)(nil).run(t.Context(), nil)
}

func gogc() uint64     { return value("/gc/gogc:percent") }
func gcCycles() uint64 { return value("/gc/cycles/total:gc-cycles") }

func value(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
