// Package limit decides how many requests may pass: its limits know nothing of HTTP, routes or policies' objects, only of
// keys, costs and time. A bucket is a Key, so it belongs to a policy's limit and the values that a request was told by, and
// never to a route or a table: it lives on when those are replaced.
package limit

import "time"

// Algorithm says how a limit counts.
type Algorithm uint8

// The algorithms.
const (
	// TokenBucket allows at most Burst + Requests/Period*t in every time t. It is kept as a theoretical arrival time (GCRA).
	TokenBucket Algorithm = iota
	// SlidingWindow allows at most Requests in every Period, wherever it begins.
	SlidingWindow
	// Concurrency allows at most Requests in flight at a time; Period and Burst mean nothing.
	Concurrency
)

// Limit is one limit of a policy. It is shared and must not be written.
type Limit struct {
	// Policy is "namespace/name", Name that of the limit in it. The two name the limit in metrics and to other replicas.
	Policy, Name string
	Algorithm    Algorithm
	// Requests is how much may pass in each Period, in units of cost.
	Requests int64
	Period   time.Duration
	// Burst is how much a TokenBucket holds, in units of cost.
	Burst int64
	// OnFailure says who decides when a Store can't.
	OnFailure FailureMode
}

// FailureMode says who decides when a Store can't.
type FailureMode uint8

// The failure modes.
const (
	// LocalShare: each replica by itself, with its share of the limit.
	LocalShare FailureMode = iota
	// Open: nobody is refused.
	Open
	// Closed: everybody is refused.
	Closed
)

// Key tells a bucket from all others: a hash of the policy, the limit and the values that a request was told by.
type Key [16]byte

// Share is the part of a limit that one replica may give away, more than 0 and at most 1: of Requests, and of Burst.
type Share float64

// Whole is the share of a replica that is alone.
const Whole Share = 1

// Decision is what became of one request for an allowance.
type Decision struct {
	Allowed bool
	// Remaining is what could be had at once after this decision, in units of cost.
	Remaining int64
	// RetryAfter is when what was asked for can be had; 0 if it was allowed, Never if it can't be.
	RetryAfter time.Duration
	// Reset is when the whole allowance is there again if nobody asks.
	Reset time.Duration
	// Degraded says that the store of a cluster's limits failed and somebody else decided.
	Degraded bool
}

// Never is a RetryAfter without end.
const Never time.Duration = -1

// Store decides about limits that all replicas hold together. It is safe for concurrent use, allocates nothing where it decides
// by itself, and blocks only for a bounded time.
type Store interface {
	// Take asks for cost of a limit's allowance. A refusal takes nothing. It is not asked for Concurrency.
	Take(l *Limit, k Key, cost int64) Decision
	// Charge takes cost whether or not it is there; a negative cost gives back what Take took. It does not wait.
	Charge(l *Limit, k Key, cost int64)
}

// Ask is one request for an allowance, and what became of it.
type Ask struct {
	Limit *Limit
	Key   Key
	// Cost is at least 1.
	Cost     int64
	Decision Decision
}

// Batcher is a Store that decides about several limits in the time of one.
type Batcher interface {
	Store
	// TakeAll fills in the decisions.
	TakeAll(asks []Ask)
}

// TakeAll fills in the decisions of a store, together if it can.
func TakeAll(s Store, asks []Ask) {
	if b, ok := s.(Batcher); ok {
		b.TakeAll(asks)
		return
	}
	for i := range asks {
		a := &asks[i]
		a.Decision = s.Take(a.Limit, a.Key, a.Cost)
	}
}

// Alone is the Store of a replica that has no others.
type Alone struct{ Local *Local }

var _ Store = Alone{}

// Take decides in memory.
func (a Alone) Take(l *Limit, k Key, cost int64) Decision { return a.Local.Take(l, k, cost, Whole) }

// Charge takes cost whether or not it is there.
func (a Alone) Charge(l *Limit, k Key, cost int64) { a.Local.Charge(l, k, cost, Whole) }
