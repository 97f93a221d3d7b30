package limit

import "time"

// Local decides in the memory of this process. It is safe for concurrent use and allocates only for keys that it has not seen.
//
// Who divides limits among replicas calls Take for each decision with the share that this replica has of that limit and key
// at the moment, and so sees what is asked for, what is allowed, and by whom.
type Local struct {
	now     func() time.Time
	began   time.Time
	buckets *table[bucket, *bucket]
	windows *table[window, *window]
	flights *table[inflight, *inflight]
}

// NewLocal returns a limiter that remembers about that many keys of each algorithm.
func NewLocal(maxKeys int, now func() time.Time) *Local {
	return &Local{
		now: now, began: now(),
		buckets: newTable[bucket](maxKeys), windows: newTable[window](maxKeys), flights: newTable[inflight](maxKeys),
	}
}

// Take asks for cost of a limit's allowance, of which this replica has a share. A refusal takes nothing.
// A share may differ from call to call: what was taken stays taken, and flows back at the rate of the share of the day.
func (s *Local) Take(l *Limit, k Key, cost int64, share Share) Decision {
	switch now := s.elapsed(); l.Algorithm {
	case SlidingWindow:
		return s.windows.take(l, k, cost, now, share)
	case Concurrency:
		return s.flights.take(l, k, cost, now, share)
	default:
		return s.buckets.take(l, k, cost, now, share)
	}
}

// Charge takes cost whether or not it is there, down to a debt of as much as the limit allows at once; a negative cost gives back
// what Take took, which is how what a Concurrency counts comes to its end.
func (s *Local) Charge(l *Limit, k Key, cost int64, share Share) {
	switch now := s.elapsed(); l.Algorithm {
	case SlidingWindow:
		s.windows.charge(l, k, cost, now, share)
	case Concurrency:
		s.flights.charge(l, k, cost, now, share)
	default:
		s.buckets.charge(l, k, cost, now, share)
	}
}

// elapsed is in nanoseconds, and more than 0.
func (s *Local) elapsed() int64 { return int64(s.now().Sub(s.began)) + 1 }

// Keys is how many keys are remembered, or have been and left their memory to others.
func (s *Local) Keys() int64 {
	return s.buckets.cells.Load() + s.windows.cells.Load() + s.flights.cells.Load()
}

// Evictions is how many keys were forgotten though they had used some of their allowance.
func (s *Local) Evictions() uint64 { return s.buckets.evictions.Load() + s.windows.evictions.Load() }
