package limit

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// bucket is a token bucket, kept by the generic cell rate algorithm (ITU-T I.371): all that there is to remember is when the bucket
// will be full again. Times are nanoseconds since the limiter began.
//
// Any bucket may be taken for a new one once it is full, so that forgetting full ones changes nothing.
type bucket struct{ full atomic.Int64 }

// rate is a token bucket's limit in nanoseconds.
type rate struct {
	// unit is what one unit of cost takes to flow back, size what all of the burst does.
	unit, size int64
	burst      int64
}

// farthest is the longest time that is reckoned with, in nanoseconds: 36 years.
const farthest = 1 << 60

// rateOf rounds towards fewer requests: by less than one in a million below 1,000 requests a second, and by one in 1,000 at a million.
func rateOf(l *Limit, s Share) rate {
	unit := (int64(l.Period) + l.Requests - 1) / l.Requests
	burst := l.Burst
	if s < Whole {
		unit = int64(math.Ceil(float64(unit) / float64(s)))
		burst = s.of(burst)
	}
	unit = min(max(unit, 1), farthest)
	return rate{unit: unit, size: times(unit, burst), burst: burst}
}

// of is a share of n, rounded down, and at least 1: otherwise a small limit among many replicas would refuse everything.
func (s Share) of(n int64) int64 {
	if s >= Whole {
		return n
	}
	return max(int64(float64(n)*float64(s)), 1)
}

// times multiplies two numbers that are not negative, up to farthest.
func times(a, b int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	if high != 0 || low > farthest {
		return farthest
	}
	return int64(low)
}

func (b *bucket) worth(now int64) worth {
	if b.full.Load() <= now {
		return worthless
	}
	return replaceable
}

func (b *bucket) take(l *Limit, cost, now int64, s Share) Decision {
	r := rateOf(l, s)
	for {
		was := b.full.Load()
		at := r.level(was, now)
		next := at + times(r.unit, cost)
		if over := next - now - r.size; over > 0 {
			if at < was && !b.full.CompareAndSwap(was, at) {
				continue
			}
			return r.refusal(at-now, over, cost)
		}
		if b.full.CompareAndSwap(was, next) {
			return r.decision(next - now)
		}
	}
}

// level is when a bucket is full, from now on and after at most two bursts: an edit that makes a limit more generous must not be
// paid for by those who were refused before, and a debt ends.
func (r rate) level(full, now int64) int64 { return min(max(full, now), now+2*r.size) }

func (b *bucket) charge(l *Limit, cost, now int64, s Share) {
	r := rateOf(l, s)
	for {
		was := b.full.Load()
		var next int64
		if cost >= 0 {
			next = r.level(r.level(was, now)+times(r.unit, cost), now)
		} else {
			next = was - times(r.unit, -cost)
		}
		if b.full.CompareAndSwap(was, next) {
			return
		}
	}
}

func (r rate) decision(used int64) Decision {
	return Decision{Allowed: true, Remaining: r.remaining(used), Reset: time.Duration(used)}
}

func (r rate) refusal(used, over, cost int64) Decision {
	d := Decision{Remaining: r.remaining(used), RetryAfter: time.Duration(over), Reset: time.Duration(used)}
	if cost > r.burst {
		d.RetryAfter = Never
	}
	return d
}

func (r rate) remaining(used int64) int64 { return max(r.size-used, 0) / r.unit }
