package sharing

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// entry is a tracked key. It is safe for concurrent use.
type entry struct {
	key limit.Key
	// stamp tells the entry from earlier ones of the key.
	stamp uint32

	mu     sync.Mutex
	limit  limit.Limit
	meter  meter
	demand demand
	looked int64 // when the demand was looked at
	warm   int64 // when the level was last worth being tracked

	used        int64 // by this replica since the entry began
	since       int64 // of it since the last report
	unconfirmed int64 // of it on top of the basis
	// reported is what all others may reckon with, pending what some don't know yet; sequence 0 if there is none.
	reported, pending Report
	// repeat asks for a report though nothing has changed: somebody new is there, or had no room for the one before.
	repeat bool
	// known says that all others have heard of what this replica uses.
	known bool
	// gone says that the entry has left the table: who still has it must look again.
	gone bool

	others []slot
	heavy  int // the weights of others on top of the least
}

// slot is what another replica last said about a key.
type slot struct {
	Use
	peer   ID
	weight weight
}

func newEntry(k limit.Key, l *limit.Limit, stamp uint32, now int64) *entry {
	e := &entry{key: k, stamp: stamp, limit: *l, meter: newMeter(l, now), looked: now, warm: now}
	// Everybody tells of the key once, so that all know when all track it.
	e.reported.Weight, e.repeat = least, true
	return e
}

// weights are this replica's, one among others of which none has asked for the key, or those who have said so, and that of all. The entry is
// locked.
func (e *entry) weights(others int) (own, all float64) {
	w := e.reported.Weight
	if e.pending.sequence != 0 {
		w = min(w, e.pending.Weight)
	}
	return float64(w), float64(int(w) + others*int(least) + e.heavy)
}

// share is this replica's. The entry is locked.
func (e *entry) share(others int) float64 {
	own, all := e.weights(others)
	return own / all
}

// room is what this replica may use at once. Of its share it leaves to others what they may use too much: their shares of what they
// still take for left, where this replica knows more. The entry is locked and advanced.
func (e *entry) room(others int) float64 {
	own, all := e.weights(others)
	room, left := e.meter.room(own/all), e.meter.left()
	for i := range e.others {
		o := &e.others[i]
		room -= float64(o.weight) / all * max(o.Left-left, 0)
	}
	return room
}

// advance lets time pass and returns the share. The entry is locked.
func (e *entry) advance(now int64, others int) float64 {
	s := e.share(others)
	e.meter.advance(now, s, !e.known)
	return s
}

// take asks for cost. It reports false if the entry is gone.
func (e *entry) take(l *limit.Limit, cost, now int64, others int) (limit.Decision, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return limit.Decision{}, false
	}
	e.follow(l, now)
	share := e.advance(now, others)
	e.demand.asked += cost
	room, size := e.room(others), e.meter.size()
	if float64(cost) > room && !e.alone(float64(cost), share) {
		// What it leaves to others may be its own again: they have heard meanwhile, and say so if they are told something.
		missing := float64(cost) - e.meter.room(share)
		e.repeat = e.repeat || missing <= 0 && e.pending.sequence == 0
		d := limit.Decision{Remaining: int64(max(room, 0)), RetryAfter: limit.Never, Reset: e.meter.reset()}
		if float64(cost) <= size {
			d.RetryAfter = max(e.meter.wait(missing, share), 1)
		}
		return d, true
	}
	e.spend(cost)
	return limit.Decision{Allowed: true, Remaining: int64(max(e.room(others), 0)), Reset: e.meter.reset()}, true
}

// alone reports whether cost may be used though it is more than the share: where a share never reaches it, nobody else would ever
// have it. That is once until it is confirmed, so that all others know.
func (e *entry) alone(cost, share float64) bool {
	size := e.meter.size()
	return share*size < cost && e.unconfirmed <= 0 && e.meter.level()+cost <= size
}

// charge uses cost whether or not it is there. It reports false if the entry is gone.
func (e *entry) charge(l *limit.Limit, cost, now int64, others int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return false
	}
	e.follow(l, now)
	e.advance(now, others)
	e.spend(cost)
	return true
}

func (e *entry) spend(cost int64) {
	e.meter.take(float64(cost))
	e.used += cost
	e.since += cost
	e.unconfirmed += cost
}

// follow takes over an edit of the limit. What was used stays used.
func (e *entry) follow(l *limit.Limit, now int64) {
	if e.limit.Algorithm == l.Algorithm && e.limit.Requests == l.Requests && e.limit.Period == l.Period && e.limit.Burst == l.Burst {
		return
	}
	before := e.meter
	e.limit, e.meter = *l, newMeter(l, now)
	e.meter.charge(before.level() - before.own())
	e.meter.take(before.own())
}

// hear takes what a peer says into account, and returns what is to be answered. It reports false if the entry is gone.
func (e *entry) hear(from ID, r Report, now int64, others int, moments *atomic.Uint64) (Use, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return Use{}, false
	}
	if e.demand.asked == 0 {
		// Nobody here would tell of an edit, and what is left of a larger limit would be left to this replica by the others.
		e.follow(r.limit(), now)
	}
	e.advance(now, others)
	s := e.count(from, r.Use)
	e.heavy += int(r.Weight) - int(s.weight)
	s.weight = r.Weight
	return e.use(moments), true
}

// hearAnswer takes what a peer answers into account.
func (e *entry) hearAnswer(from ID, u Use, now int64, others int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(now, others)
	e.count(from, u)
}

// count takes over what a peer has used, unless later use of it is known. The entry is locked.
func (e *entry) count(from ID, u Use) *slot {
	i := slices.IndexFunc(e.others, func(s slot) bool { return s.peer == from })
	if i < 0 {
		i = len(e.others)
		e.others = append(e.others, slot{peer: from, weight: least})
	}
	s := &e.others[i]
	switch {
	case u.Stamp > s.Stamp:
		e.meter.charge(float64(u.Level))
		s.Use = u
	case u.Stamp == s.Stamp && u.Moment > s.Moment:
		e.meter.charge(float64(u.Used - s.Used))
		s.Use = u
	}
	return s
}

// use is what this replica has used, as of now. The entry is locked and advanced.
func (e *entry) use(moments *atomic.Uint64) Use {
	return Use{Stamp: e.stamp, Moment: moments.Add(1), Used: e.used, Level: e.ownLevel(), Left: e.meter.left()}
}

// forget takes the share of a peer that is lost back. What it used stays used.
func (e *entry) forget(peer ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, s := range e.others {
		if s.peer == peer {
			e.heavy -= int(s.weight - least)
			e.others = append(e.others[:i], e.others[i+1:]...)
			return
		}
	}
}

// report makes what is to be said about the key pending, as part of a sequence, and reports whether there is something.
func (e *entry) report(now int64, others int, sequence uint64, moments *atomic.Uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.demand.look(&e.limit, time.Duration(now-e.looked))
	e.looked = now
	w := e.demand.weight(&e.limit)
	if e.pending.sequence != 0 || e.used == e.reported.Used && w == e.reported.Weight && !e.repeat {
		return false
	}
	e.advance(now, others)
	e.pending = Report{
		Key: e.key, Algorithm: e.limit.Algorithm, Requests: e.limit.Requests, Period: e.limit.Period, Burst: e.limit.Burst,
		Weight: w, Use: e.use(moments), sequence: sequence,
	}
	e.since, e.repeat = 0, false
	return true
}

// ownLevel is what this replica has used and those who have not heard of it must count. As long as nobody has, all that flowed back did so
// in their levels, too.
func (e *entry) ownLevel() int64 {
	if !e.known {
		return max(e.used, 0)
	}
	return int64(e.meter.own() + 0.5)
}

// pendingReport returns the report of a sequence, unless it is void.
func (e *entry) pendingReport(sequence uint64) (Report, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pending, e.pending.sequence == sequence
}

// confirm is told when all others know the report of a sequence.
func (e *entry) confirm(sequence uint64, now int64, others int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending.sequence != sequence {
		return
	}
	e.advance(now, others)
	e.meter.settle(float64(e.since))
	e.unconfirmed = e.since
	e.reported, e.pending, e.known = e.pending, Report{}, true
	e.reported.sequence = 0
}

// again has the key reported to somebody new, if it is not about to be.
func (e *entry) again() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.repeat = e.repeat || e.pending.sequence == 0
}

// void takes the report of a sequence back, for which somebody had no room. Others may know it.
func (e *entry) void(sequence uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending.sequence == sequence {
		e.reported.Weight = min(e.reported.Weight, e.pending.Weight)
		e.pending, e.repeat = Report{}, true
	}
}

// cooling is how long a level must have been low for an entry to go.
const cooling = 3 * time.Second

// cool ends the entry if it is not worth being tracked, and has been so for a time. It returns what this replica has used
// and has not flowed back.
func (e *entry) cool(now int64, others int) (own int64, gone bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(now, others)
	if e.meter.level()*4*float64(others+1) > e.meter.size() || e.unsaid() {
		e.warm = now
	}
	e.gone = now-e.warm > int64(cooling)
	return int64(e.meter.own() + 0.5), e.gone
}

// unsaid reports whether others know less, or a greater weight, than there is. The entry is locked.
func (e *entry) unsaid() bool {
	return e.pending.sequence != 0 || e.repeat || e.reported.Weight != least || e.since != 0
}

// yield ends the entry if only others use the key.
func (e *entry) yield() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = e.gone || e.used == 0 && e.demand.asked == 0 && !e.unsaid()
	return e.gone
}
