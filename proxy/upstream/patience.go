package upstream

import (
	"sync/atomic"
	"time"
)

// patience is how long an exchange waits for its connection: until a point in time, and no longer than idle without a byte moving
// in either direction. Set and read by the goroutine that waits; moved may be called by any.
type patience struct {
	until    time.Time     // zero: for ever
	idle     time.Duration // 0: no limit
	began    time.Time
	lastByte atomic.Int64 // when a byte last moved, in ns since began
}

func (p *patience) begin(now, until time.Time, idle time.Duration) {
	p.began, p.until, p.idle = now, until, idle
	p.lastByte.Store(0)
}

// moved notes that bytes moved.
func (p *patience) moved(now func() time.Time) {
	if p.idle > 0 { // Or nobody will ask.
		p.lastByte.Store(int64(now().Sub(p.began)))
	}
}

// end is when patience ends if no byte moves until then; zero: never.
func (p *patience) end() time.Time {
	if p.idle <= 0 {
		return p.until
	}
	return sooner(p.until, p.began.Add(time.Duration(p.lastByte.Load())+p.idle))
}

// sooner returns the earlier of two points in time, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// after is d from now on, or never if d is 0.
func after(now time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return now.Add(d)
}

// alarm is a deadline of a connection, for reading or for writing. It is left where it stands as long as it goes off early
// enough: who is woken too early looks at the clock, sets it anew and goes on. So a busy connection sets it now and then,
// instead of for every read of every exchange.
type alarm struct {
	set func(time.Time) error
	at  time.Time // zero: not set
}

// rings reports whether the alarm goes off at end or before.
func (a *alarm) rings(end time.Time) bool {
	return end.IsZero() || !a.at.IsZero() && !a.at.After(end)
}
