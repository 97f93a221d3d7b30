package engine

import "time"

const (
	// sweepEvery is the period of the sweeper, and the grain of the engine's coarse time.
	sweepEvery = 50 * time.Millisecond
	// lookAfter is how old an exchange is when the sweeper first looks at it. Most have ended by then.
	lookAfter = 50 * time.Millisecond
	// maxPeek is the longest time in which a client that waits is not looked for.
	maxPeek = time.Second
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
		if !e.sweepOnce(clock) {
			return
		}
	}
}

// sweepOnce reports whether there are connections.
func (e *Engine) sweepOnce(clock int64) bool {
	wall := e.options.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		c.sweep(clock, wall)
	}
	e.sweeping = len(e.conns) > 0
	return e.sweeping
}
