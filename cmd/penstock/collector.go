package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

const (
	// gcPercent is the GOGC of a process that serves, unless the environment sets one. Requests make next to no garbage, so what is
	// collected is the control plane's, some 80 KB a change, and memory counts for more than a collection in every few hundred changes.
	gcPercent = 30
	// Where requests do make garbage, as 33 KB for a TLS handshake, it may grow further between collections: until they take this
	// share of what the process runs, to this percentage of what lives at most, and by this many bytes at most.
	gcShare      = 0.03
	mostGCGrowth = 400
	mostGarbage  = 128 << 20
	// A process that hardly runs counts as if it ran this share of its processors: there memory counts for more than a collection.
	leastBusy = 0.2
	// Who runs less than this share of them has nothing to do.
	quietShare = 0.05
)

// collector decides how far the heap grows between collections.
type collector struct {
	// every is how often it looks. calm is the time without a collection, or with nothing to do, after which memory counts again.
	every, calm time.Duration
	percent     int
	// What had been by the last decision.
	at   time.Time
	then usage
	each float64 // what a collection took, in seconds of processors
	// What had been by the last look, and since when there is nothing to do.
	looked time.Time
	ran    float64
	quiet  time.Time
}

// newCollector sets the growth; it is nil if the environment sets it.
func newCollector() *collector {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.SetGCPercent(gcPercent)
	return &collector{every: time.Second, calm: 10 * time.Second, percent: gcPercent}
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
			u := readUsage()
			c.listen(now, u)
			if ok, _ := ready(); ok {
				c.look(now, u)
			} else {
				c.at, c.then = now, u
			}
		}
	}
}

// listen notes whether there is something to do.
func (c *collector) listen(now time.Time, u usage) {
	if u.ran-c.ran > quietShare*processors(now.Sub(c.looked)) {
		c.quiet = now
	}
	c.looked, c.ran = now, u.ran
}

// look decides if something has been collected, or nothing for long.
func (c *collector) look(now time.Time, u usage) {
	n, spent := u.cycles-c.then.cycles, u.collecting-c.then.collecting
	busy := max(u.ran-c.then.ran, leastBusy*processors(now.Sub(c.at)))
	if n == 0 {
		switch quiet := now.Sub(c.quiet); {
		case now.Sub(c.at) < c.calm:
		case quiet >= c.calm:
			c.rest(debug.FreeOSMemory)
		// Collections that cost much are meant to be rare: where there is something to do, another may be due only now.
		case quiet == 0 && c.each/busy < gcShare/2:
			c.rest(runtime.GC)
		}
		return
	}
	c.at, c.then, c.each = now, u, spent/float64(n)
	// Each change stops the world for a moment: a small one isn't worth that.
	if p := growth(c.percent, spent/busy, u.live); p > c.percent+c.percent/4 || p < c.percent-c.percent/4 {
		c.percent = p
		debug.SetGCPercent(p)
	}
}

// rest makes memory count again, and collects what has come together, which else stayed until somebody allocates something. While there
// is nothing to do it may also go back to the system at once, which takes milliseconds and else, bit by bit, minutes.
func (c *collector) rest(collect func()) {
	if c.percent == gcPercent {
		return
	}
	c.percent = gcPercent
	debug.SetGCPercent(gcPercent)
	collect()
	c.at, c.then = time.Now(), readUsage()
}

// processors is what all processors can run in a time, in seconds.
func processors(d time.Duration) float64 { return d.Seconds() * float64(runtime.GOMAXPROCS(0)) }

// growth is the GOGC at which collections take gcShare, where they take share at percent: half as often is half as much.
func growth(percent int, share float64, live uint64) int {
	most := min(mostGarbage*100/max(live, 1), mostGCGrowth)
	return max(min(int(float64(percent)*share/gcShare), int(most)), gcPercent)
}

// usage is what has been since the process began.
type usage struct {
	ran        float64 // seconds of processors
	collecting float64 // of them, that were not idle otherwise
	cycles     uint64
	live       uint64 // bytes that the last collection found in use
}

func readUsage() usage {
	s := []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(s)
	return usage{
		ran: processTime(), cycles: s[0].Value.Uint64(), collecting: s[1].Value.Float64() - s[2].Value.Float64(), live: s[3].Value.Uint64(),
	}
}

// processTime is how long the process has run, in seconds of processors.
func processTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // it counts as hardly busy
	}
	return (time.Duration(u.Utime.Nano()) + time.Duration(u.Stime.Nano())).Seconds()
}
