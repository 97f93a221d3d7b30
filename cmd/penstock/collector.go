package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// gcPercent is the GOGC of a process that serves, unless the environment sets one. Requests make next to no garbage, so what is
	// collected is the control plane's, some 80 KB a change, and memory counts for more than a collection in every few hundred changes.
	gcPercent = 30
	// Where requests do make garbage, as 33 KB for a TLS handshake, it may grow further between collections: until they take this
	// share of the processors, to this percentage of what lives at most, and by this many bytes at most.
	gcShare      = 0.03
	mostGCGrowth = 400
	mostGarbage  = 128 << 20
)

// collector decides how far the heap grows between collections.
type collector struct {
	// every is how often it looks. calm is the time without a collection after which memory counts again.
	every, calm time.Duration
	percent     int
	// What had been by the last decision.
	at     time.Time
	cycles uint64
	spent  float64
	each   float64 // what a collection took, in seconds of processors
}

// newCollector sets the growth; it is nil if the environment sets it.
func newCollector() *collector {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.SetGCPercent(gcPercent)
	return &collector{every: time.Second, calm: 3 * time.Second, percent: gcPercent}
}

// run looks until ctx ends. As long as ready says no, memory counts: the first configuration makes much garbage, once.
func (c *collector) run(ctx context.Context, ready readiness) {
	if c == nil {
		return
	}
	t := time.NewTicker(c.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			u := readGCUse()
			if ok, _ := ready(); ok {
				c.look(now, u)
			} else {
				c.at, c.cycles, c.spent = now, u.cycles, u.spent
			}
		}
	}
}

// look decides if something has been collected, or nothing for long.
func (c *collector) look(now time.Time, u gcUse) {
	n, spent := u.cycles-c.cycles, u.spent-c.spent
	processors := now.Sub(c.at).Seconds() * float64(runtime.GOMAXPROCS(0))
	if n == 0 {
		// Collections that cost much are meant to be rare: another may be due only now.
		if now.Sub(c.at) >= c.calm && c.each/processors < gcShare/2 {
			c.rest()
		}
		return
	}
	c.at, c.cycles, c.spent, c.each = now, u.cycles, u.spent, spent/float64(n)
	// Each change stops the world for a moment: a small one isn't worth that.
	if p := growth(c.percent, spent/processors, u.live); p > c.percent+c.percent/4 || p < c.percent-c.percent/4 {
		c.percent = p
		debug.SetGCPercent(p)
	}
}

// rest makes memory count again, and collects what has come together, which else stayed until somebody allocates something.
func (c *collector) rest() {
	if c.percent == gcPercent {
		return
	}
	c.percent = gcPercent
	debug.SetGCPercent(gcPercent)
	runtime.GC()
	u := readGCUse()
	c.at, c.cycles, c.spent = time.Now(), u.cycles, u.spent
}

// growth is the GOGC at which collections take gcShare of the processors, where they take share at percent: half as often is half as much.
func growth(percent int, share float64, live uint64) int {
	most := min(mostGarbage*100/max(live, 1), mostGCGrowth)
	return max(min(int(float64(percent)*share/gcShare), int(most)), gcPercent)
}

// gcUse is what collections have been since the process began.
type gcUse struct {
	cycles uint64
	spent  float64 // seconds of processors that were not idle otherwise
	live   uint64  // bytes that the last one found in use
}

func readGCUse() gcUse {
	s := []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(s)
	return gcUse{cycles: s[0].Value.Uint64(), spent: s[1].Value.Float64() - s[2].Value.Float64(), live: s[3].Value.Uint64()}
}
