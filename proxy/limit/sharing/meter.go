package sharing

import (
	"math"
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// meter keeps what is known of a key's use, in units of cost. Times are nanoseconds of one clock. It is used by one goroutine at a time.
type meter interface {
	// advance lets time pass, in which this replica had a share of the limit. As long as others may reckon by themselves what flows back
	// to their part, the level falls by what flows back to the share alone.
	advance(now int64, share float64, apart bool)
	// room is what this replica may use at once, having a share.
	room(share float64) float64
	// left is what all may use on top of the basis.
	left() float64
	// level is what all have used and has not flowed back, own the part of it that this replica has used.
	level() float64
	own() float64
	// size is what may be used at once.
	size() float64
	// take counts what this replica uses, charge what others have used. Both may be negative: something was given back.
	take(cost float64)
	charge(cost float64)
	// settle makes all of the level the basis, but what this replica has used since its last report.
	settle(since float64)
	// wait is when missing will have been added to the room of a replica with a share; limit.Never if it can't be told.
	wait(missing, share float64) time.Duration
	// reset is when the level will be 0.
	reset() time.Duration
}

func newMeter(l *limit.Limit, now int64) meter {
	if l.Algorithm == limit.SlidingWindow {
		return newWindow(l, now)
	}
	return newBucket(l, now)
}

// bounded keeps a level where a level can be: a debt ends, but what replicas used at the same time beyond the limit is paid back.
func bounded(level, size float64) float64 { return min(max(level, 0), 2*size+MaxPeers) }

// bucket is the meter of a TokenBucket.
type bucket struct {
	rate, burst float64 // per nanosecond, and at once
	at          int64
	// used is the level, mine the own part of it. basis is the level without fresh, which is what this replica has used on top of it less
	// what has flowed back to its share meanwhile.
	used, mine, basis, fresh float64
}

func newBucket(l *limit.Limit, now int64) *bucket {
	return &bucket{rate: float64(l.Requests) / float64(l.Period), burst: float64(l.Burst), at: now}
}

func (b *bucket) advance(now int64, share float64, apart bool) {
	back := float64(max(now-b.at, 0)) * b.rate
	b.at = max(b.at, now)
	if apart {
		b.used = max(b.used-share*back, 0)
	} else {
		b.used = max(b.used-back, 0)
	}
	// What flows back is that of all, and nobody knows whose: this errs on the side of those who ask later.
	b.mine = min(max(b.mine-share*back, 0), b.used)
	// The basis stays: what flows back belongs to the shares of all, and the others may have used theirs.
	b.fresh = max(b.fresh-share*back, -share*b.basis)
}

func (b *bucket) room(share float64) float64 {
	return min(share*(b.burst-b.basis)-b.fresh, b.burst-b.used)
}

func (b *bucket) left() float64  { return b.burst - b.basis }
func (b *bucket) level() float64 { return b.used }
func (b *bucket) own() float64   { return b.mine }
func (b *bucket) size() float64  { return b.burst }

func (b *bucket) take(cost float64) {
	b.used = bounded(b.used+cost, b.burst)
	b.mine = bounded(b.mine+cost, b.burst)
	b.fresh = min(b.fresh+cost, 2*b.burst+MaxPeers)
}

func (b *bucket) charge(cost float64) {
	b.used = bounded(b.used+cost, b.burst)
	b.basis = bounded(b.basis+cost, b.burst)
}

func (b *bucket) settle(since float64) {
	b.fresh, b.basis = since, max(b.used-since, 0)
}

func (b *bucket) wait(missing, share float64) time.Duration {
	return time.Duration(math.Ceil(missing / (share * b.rate)))
}

func (b *bucket) reset() time.Duration { return time.Duration(math.Ceil(b.used / b.rate)) }
