package engine

import (
	"math"
	"sync/atomic"
)

// timer is a point in the engine's coarse time at which somebody has waited too long. The one who waits arms and disarms
// it; the sweeper fires it. So a wait costs two atomic stores rather than a change of the poller's timers.
type timer struct{ at atomic.Int64 }

const (
	disarmed = 0
	fired    = -1
	// force, as the present time, fires whatever is armed.
	force = math.MaxInt64
)

func (t *timer) arm(at int64) { t.at.Store(at) }

func (t *timer) armed() bool { return t.at.Load() > 0 }

// disarm reports whether the timer had not fired.
func (t *timer) disarm() bool { return t.at.Swap(disarmed) != fired }

func (t *timer) due(now int64) bool {
	at := t.at.Load()
	return at > 0 && at <= now
}

// fire fires the timer if it is due, and reports whether it was.
func (t *timer) fire(now int64) bool {
	at := t.at.Load()
	return at > 0 && at <= now && t.at.CompareAndSwap(at, fired)
}
