package sharing_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/limit/sharing"
)

// world is replicas and the network between them, in a time that only the test moves.
type world struct {
	t      *testing.T
	random *rand.Rand
	start  time.Time
	now    time.Time
	nodes  []*node
	queue  []event // by time
	// delay is the longest time that a message takes, loss the part of messages that gets no answer, half of them after they have arrived.
	delay time.Duration
	loss  float64
	// cut says between which nodes nothing passes.
	cut func(a, b *node) bool

	limit      *limit.Limit
	admissions []admission
}

type admission struct {
	at   time.Time
	by   int
	cost int64
}

type event struct {
	at time.Time
	do func()
}

type node struct {
	*sharing.Limiter
	index int
	dead  bool
	links map[*node]*link
}

type link struct {
	*sharing.Link
	busy bool
}

const step = 10 * time.Millisecond

func newWorld(t *testing.T, seed uint64, l *limit.Limit) *world {
	t.Helper()
	start := time.Unix(1e9, 0)
	return &world{
		t: t, random: rand.New(rand.NewPCG(seed, 7)), start: start, now: start, limit: l,
		cut: func(*node, *node) bool { return false },
	}
}

// join adds a node, and links between it and all others.
func (w *world) join() *node {
	clock := func() time.Time { return w.now }
	n := &node{
		Limiter: sharing.New(sharing.Options{Local: limit.NewLocal(1, clock), Now: clock}),
		index:   len(w.nodes), links: map[*node]*link{},
	}
	for _, o := range w.nodes {
		if !o.dead {
			n.links[o] = &link{Link: n.NewLink()}
			o.links[n] = &link{Link: o.NewLink()}
		}
	}
	w.nodes = append(w.nodes, n)
	// Replicas don't look at the same time.
	w.after(time.Duration(w.random.Int64N(int64(sharing.Interval))), func() { w.tick(n) })
	return n
}

func (w *world) joinAll(n int) {
	for range n {
		w.join()
	}
	w.run(time.Second, nil)
}

func (w *world) tick(n *node) {
	if n.dead {
		return
	}
	n.Tick()
	for _, to := range w.nodes {
		if k := n.links[to]; k != nil {
			w.send(n, to, k)
		}
	}
	w.after(sharing.Interval, func() { w.tick(n) })
}

// send sends a message as it is sent over the wire, unless the one before was not answered yet.
func (w *world) send(from, to *node, k *link) {
	if k.busy {
		return
	}
	m, ok := k.Next()
	if !ok {
		return
	}
	m, err := sharing.UnmarshalMessage(sharing.AppendMessage(nil, m))
	if err != nil {
		w.t.Fatal(err)
	}
	k.busy = true
	lost := w.random.Float64() < w.loss
	arrives := !lost || w.random.IntN(2) == 0
	w.after(w.transit(), func() {
		k.busy = !arrives && k.busy
		if !arrives || to.dead || w.cut(from, to) {
			w.after(time.Second, func() { k.busy = false })
			return
		}
		a, err := sharing.UnmarshalAnswer(sharing.AppendAnswer(nil, to.Hear(m)))
		if err != nil {
			w.t.Fatal(err)
		}
		k.busy = true
		w.after(w.transit(), func() {
			k.busy = false
			if !lost && !from.dead && !w.cut(from, to) {
				k.Answered(a)
			}
		})
	})
}

func (w *world) transit() time.Duration {
	if w.delay == 0 {
		return time.Millisecond
	}
	return time.Duration(w.random.Int64N(int64(w.delay)))
}

func (w *world) after(d time.Duration, do func()) {
	at := w.now.Add(d)
	i, _ := slices.BinarySearchFunc(w.queue, at, func(e event, at time.Time) int {
		if e.at.After(at) {
			return 1
		}
		return -1
	})
	w.queue = slices.Insert(w.queue, i, event{at, do})
}

// run lets time pass, in which each node is asked for so much a second.
func (w *world) run(d time.Duration, rates []float64) {
	owed := make([]float64, len(rates))
	for end := w.now.Add(d); w.now.Before(end); {
		next := w.now.Add(step)
		for len(w.queue) > 0 && !w.queue[0].at.After(next) {
			e := w.queue[0]
			w.queue = w.queue[1:]
			w.now = e.at
			e.do()
		}
		w.now = next
		for i, rate := range rates {
			owed[i] += rate * step.Seconds()
		}
		// In turn, so that none has an advantage.
		for again := true; again; {
			again = false
			for i := range owed {
				if owed[i] >= 1 && !w.nodes[i].dead {
					owed[i]--
					w.ask(w.nodes[i], 1)
					again = true
				}
			}
		}
	}
}

func (w *world) ask(n *node, cost int64) bool {
	d := n.Take(w.limit, hot, cost)
	if d.Allowed {
		w.admissions = append(w.admissions, admission{w.now, n.index, cost})
	}
	return d.Allowed
}

var hot = key(1)

func key(n uint64) (k limit.Key) {
	binary.LittleEndian.PutUint64(k[:], n)
	return k
}

// excess is how much more was admitted at worst than the algorithm would have admitted at a single place.
func (w *world) excess() (worst float64) {
	if w.limit.Algorithm == limit.SlidingWindow {
		in, first := int64(0), 0
		for _, a := range w.admissions {
			in += a.cost
			for a.at.Sub(w.admissions[first].at) >= w.limit.Period {
				in -= w.admissions[first].cost
				first++
			}
			worst = max(worst, float64(in-w.limit.Requests))
		}
		return worst
	}
	w.fill(func(level float64) { worst = max(worst, level-float64(w.limit.Burst)) })
	return worst
}

// fill is how full a single bucket would be now, and was after each admission.
func (w *world) fill(each func(level float64)) (level float64) {
	last := w.start
	flow := func(until time.Time) {
		level = max(level-until.Sub(last).Seconds()*float64(w.limit.Requests)/w.limit.Period.Seconds(), 0)
		last = until
	}
	for _, a := range w.admissions {
		flow(a.at)
		level += float64(a.cost)
		each(level)
	}
	flow(w.now)
	return level
}

// level is how much counts as used at a single place: of a window, what was admitted in the slots that a period can touch.
func (w *world) level() (level float64) {
	if w.limit.Algorithm == limit.TokenBucket {
		return w.fill(func(float64) {})
	}
	slot := func(at time.Time) time.Duration { return at.Sub(w.start) * limit.Slots / w.limit.Period }
	for _, a := range w.admissions {
		if slot(w.now)-slot(a.at) <= limit.Slots {
			level += float64(a.cost)
		}
	}
	return level
}

// admitted is how much was admitted in the last d.
func (w *world) admitted(d time.Duration) (n int64) {
	for _, a := range w.admissions {
		if w.now.Sub(a.at) <= d {
			n += a.cost
		}
	}
	return n
}

func thousand(a limit.Algorithm) *limit.Limit {
	return &limit.Limit{Policy: "shop/p", Name: "l", Algorithm: a, Requests: 1000, Period: 10 * time.Second, Burst: 1000}
}

var algorithms = map[string]limit.Algorithm{"token bucket": limit.TokenBucket, "sliding window": limit.SlidingWindow}

func atLeast(t *testing.T, what string, got, want int64) {
	t.Helper()
	t.Logf("%s: %d", what, got)
	if got < want {
		t.Errorf("%s: %d admitted, want at least %d", what, got, want)
	}
}

func (w *world) checkExcess(most float64) {
	w.t.Helper()
	if e := w.excess(); e > most {
		w.t.Errorf("%.1f more than the limit were admitted, want at most %.1f", e, most)
	} else {
		w.t.Logf("excess %.1f", e)
	}
}

func TestBalancedReplicasAdmitTheLimit(t *testing.T) {
	for name, a := range algorithms {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, thousand(a))
			w.joinAll(3)
			w.run(10*time.Second, []float64{333, 333, 333})
			for range 3 {
				w.run(10*time.Second, []float64{333, 333, 333})
				atLeast(t, "in a period", w.admitted(10*time.Second), 900)
			}
			w.checkExcess(0)
		})
	}
}

func TestOneReplicaGetsTheWholeLimit(t *testing.T) {
	for name, a := range algorithms {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, thousand(a))
			w.joinAll(3)
			w.run(3*time.Second, []float64{0, 1000, 0})
			atLeast(t, "after three seconds", w.admitted(3*time.Second), 900)
			w.checkExcess(0)
		})
	}
}

func TestTheShareFollowsAShift(t *testing.T) {
	w := newWorld(t, 1, thousand(limit.TokenBucket))
	w.joinAll(3)
	w.run(20*time.Second, []float64{333, 333, 333})
	w.run(3*time.Second, []float64{1000, 0, 0})
	atLeast(t, "within three seconds of the shift", w.admitted(3*time.Second), 270)
	w.run(time.Second, []float64{1000, 0, 0})
	atLeast(t, "in the fourth second", w.admitted(time.Second), 90)
	w.checkExcess(0)
}

func TestAWindowFollowsAShift(t *testing.T) {
	w := newWorld(t, 1, thousand(limit.SlidingWindow))
	w.joinAll(3)
	w.run(40*time.Second, []float64{334, 334, 334})
	w.run(5*time.Second, []float64{1000, 0, 0})
	atLeast(t, "in the period that ends five seconds behind the shift", w.admitted(10*time.Second), 900)
	w.checkExcess(0)
}

// Within three seconds of a shift the whole limit is with the replica that all ask: if it is then asked for all at once, what counts
// as used is the limit. A window spends its limit in bursts, so it matters when the shift comes.
func TestTheWholeLimitFollowsAShift(t *testing.T) {
	for name, a := range algorithms {
		for _, demand := range []float64{100, 300, 1000, 3000} { // of each replica, in a second; the limit is 100 in all
			t.Run(fmt.Sprintf("%s, %.0f", name, demand), func(t *testing.T) {
				least := 1000.0
				for after := time.Duration(0); after < 10500*time.Millisecond; after += 350 * time.Millisecond {
					w := newWorld(t, 1, thousand(a))
					w.joinAll(3)
					w.run(20*time.Second+after, []float64{demand, demand, demand})
					w.run(3*time.Second, []float64{3 * demand, 0, 0})
					for range 1000 {
						w.ask(w.nodes[0], 1)
					}
					least = min(least, w.level())
					if e := w.excess(); e > 0 {
						t.Errorf("%v: %.1f more than the limit were admitted", after, e)
					}
				}
				atLeast(t, "used of the limit three seconds behind the shift", int64(least), 900)
			})
		}
	}
}
