package sharing

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

const (
	// Interval is how often a replica looks at what there is to say.
	Interval = 100 * time.Millisecond
	// Heartbeat is how often it says that it is there if there is nothing else to say.
	Heartbeat = 500 * time.Millisecond
	// Timeout is how long a replica must not have been heard for its share to be divided among the others.
	Timeout = 2 * time.Second
	// MaxPeers is how many other replicas are heard.
	MaxPeers = 64
	// DefaultMaxKeys is how many keys are tracked at a time.
	DefaultMaxKeys = 8192
)

// Options are what a Limiter needs.
type Options struct {
	// Local decides about keys that are not tracked.
	Local *limit.Local
	// MaxKeys bounds the keys that are tracked; 0 stands for DefaultMaxKeys. Of further ones this replica gives its even part.
	MaxKeys int
	Now     func() time.Time
}

// Limiter is the limit.Store of a replica that shares limits with others. It is safe for concurrent use.
type Limiter struct {
	id      ID
	local   *limit.Local
	now     func() time.Time
	began   time.Time
	entries *table
	stamps  atomic.Uint32
	moments atomic.Uint64
	// others is how many replicas there are besides this one.
	others atomic.Int64

	mu sync.Mutex // locked before entries are
	peers
}

var _ limit.Store = (*Limiter)(nil)

// New makes a Limiter that is alone as long as it has no Links and hears nobody.
func New(o Options) *Limiter {
	if o.MaxKeys == 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	return &Limiter{
		id: ID(rand.Uint64() | 1), local: o.Local, now: o.Now, began: o.Now(), entries: newTable(o.MaxKeys),
		peers: peers{members: map[ID]*member{}, links: map[*Link]struct{}{}},
	}
}

// elapsed is in nanoseconds, and more than 0.
func (l *Limiter) elapsed() int64 { return int64(l.now().Sub(l.began)) + 1 }

// Take implements limit.Store. It never waits for other replicas.
func (l *Limiter) Take(of *limit.Limit, k limit.Key, cost int64) limit.Decision {
	others := int(l.others.Load())
	if l.entries.count.Load() > 0 {
		if e := l.entries.find(k); e != nil {
			if d, ok := e.take(of, cost, l.elapsed(), others); ok {
				return d
			}
		}
	}
	d := l.local.Take(of, k, cost, even(others))
	if others > 0 && isHot(of, d, others) {
		l.track(of, k, others)
	}
	return d
}

// Charge implements limit.Store.
func (l *Limiter) Charge(of *limit.Limit, k limit.Key, cost int64) {
	others := int(l.others.Load())
	if e := l.entries.find(k); e != nil && e.charge(of, cost, l.elapsed(), others) {
		return
	}
	l.local.Charge(of, k, cost, even(others))
}

// even is the share of a key that is not tracked.
func even(others int) limit.Share { return limit.Share(1 / float64(1+others)) }

// allowance is what the even share of a limit allows at once, as limit.Local reckons.
func allowance(of *limit.Limit, others int) int64 {
	all := of.Burst
	if of.Algorithm == limit.SlidingWindow {
		all = of.Requests
	}
	return max(int64(float64(all)*float64(even(others))), 1)
}

// isHot reports whether a decision leaves so little that others should know.
func isHot(of *limit.Limit, d limit.Decision, others int) bool {
	return !d.Allowed || d.Remaining < (allowance(of, others)+1)/2
}

// track begins an entry of a key, with what this replica has used of it so far. It is nil if there is no room.
func (l *Limiter) track(of *limit.Limit, k limit.Key, others int) *entry {
	return l.entries.enter(k, func() *entry {
		e := newEntry(k, of, l.stamps.Add(1), l.elapsed())
		e.spend(l.usedLocally(of, k, others))
		return e
	})
}

// usedLocally is what this replica has used of a key that is not tracked.
func (l *Limiter) usedLocally(of *limit.Limit, k limit.Key, others int) int64 {
	return max(allowance(of, others)-l.local.Take(of, k, 0, even(others)).Remaining, 0)
}

// release hands an entry that has cooled back to the local limiter.
func (l *Limiter) release(e *entry, own int64, others int) {
	if own -= l.usedLocally(&e.limit, e.key, others); own > 0 {
		l.local.Charge(&e.limit, e.key, own, even(others))
	}
}

// Peers is how many other replicas are heard, or not yet but awaited.
func (l *Limiter) Peers() int { return int(l.others.Load()) }

// Heard is how many other replicas are heard.
func (l *Limiter) Heard() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.members)
}

// Keys is how many keys are tracked.
func (l *Limiter) Keys() int { return int(l.entries.count.Load()) }

// Dropped is how often a key was not tracked, or no longer, for want of room.
func (l *Limiter) Dropped() uint64 { return l.entries.dropped.Load() }
