package engine

import "time"

const (
	// sweepEvery is the period of the sweeper, and the grain of the engine's coarse time.
	sweepEvery = 50 * time.Millisecond
	// lookAfter is how old an exchange is when the sweeper first looks at it. Most have ended by then.
	lookAfter = 50 * time.Millisecond
	// maxPeek is the longest time in which a client that waits is not looked for.
	maxPeek = time.Second
	// glance is how many connections are looked at before requests go on, or more if there would be more than maxGlances of so many.
	glance     = 256
	maxGlances = 16
)

// sweep moves the coarse time and ends what has waited too long, as long as there are connections.
func (e *Engine) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for last := time.Now(); ; {
		now := <-ticker.C
		clock := e.clock.Add(int64(now.Sub(last)))
		last = now
		e.setDate()
		if !e.sweepAll(clock) {
			return
		}
	}
}

// sweepAll reports whether there are connections. What is known of thousands has left the processor's caches, so that to look at them all at
// once would hold up requests for milliseconds: it looks at few at a time, and at all within a period.
func (e *Engine) sweepAll(clock int64) bool {
	wall, left := e.options.Now(), e.count()
	some := max(glance, (left+maxGlances-1)/maxGlances)
	pause := sweepEvery / time.Duration(left/some+1)
	for left > 0 {
		// From the end: a connection that is removed gives its place to the last one, which has had its look.
		from := max(left-some, 0)
		e.sweepSome(from, left, clock, wall)
		if left = from; left > 0 {
			time.Sleep(pause)
		}
	}
	return e.mustSweep()
}

func (e *Engine) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.conns)
}

// sweepSome sweeps the connections at the places between two, as far as there still are so many.
func (e *Engine) sweepSome(from, to int, clock int64, wall time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := min(to, len(e.conns)) - 1; i >= from; i-- {
		e.conns[i].sweep(clock, wall)
	}
}

// mustSweep reports whether there are connections. If not, the next one needs a new sweeper.
func (e *Engine) mustSweep() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweeping = len(e.conns) > 0
	return e.sweeping
}
