package limit_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// clock is a time that only the test moves.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(0, c.at.Load()) }

func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func key(n uint64) (k limit.Key) {
	binary.LittleEndian.PutUint64(k[:], n)
	binary.BigEndian.PutUint64(k[8:], n)
	return k
}

// admission is a request that was allowed.
type admission struct {
	at   time.Duration
	cost int64
}

// randomLimit has numbers that fit together badly.
func randomLimit(r *rand.Rand, a limit.Algorithm) *limit.Limit {
	return &limit.Limit{
		Policy: "shop/p", Name: "l", Algorithm: a,
		Requests: 1 + r.Int64N(30), Period: time.Duration(1 + r.Int64N(int64(10*time.Second))), Burst: 1 + r.Int64N(30),
	}
}

// pause is often nothing and sometimes long enough to forget everything.
func pause(r *rand.Rand, l *limit.Limit) time.Duration {
	switch r.IntN(8) {
	case 0, 1, 2:
		return 0
	case 3:
		return time.Duration(r.Int64N(2 * int64(l.Period)))
	default:
		return time.Duration(r.Int64N(int64(l.Period)/l.Requests + 1))
	}
}

// naiveBucket fills drop by drop; a drop is what flows in within a nanosecond.
type naiveBucket struct {
	unit, size, level int64
	last              time.Duration
}

func newNaiveBucket(l *limit.Limit) *naiveBucket {
	unit := max((int64(l.Period)+l.Requests-1)/l.Requests, 1)
	return &naiveBucket{unit: unit, size: unit * l.Burst, level: unit * l.Burst}
}

func (b *naiveBucket) take(now time.Duration, cost int64) (allowed bool, remaining int64, wait time.Duration) {
	b.level = min(b.size, b.level+int64(now-b.last))
	b.last = now
	missing := cost*b.unit - b.level
	if missing > 0 {
		return false, b.level / b.unit, time.Duration(missing)
	}
	b.level -= cost * b.unit
	return true, b.level / b.unit, 0
}

func TestTokenBucketIsTheNaiveOne(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		l, c := randomLimit(r, limit.TokenBucket), &clock{}
		s, naive := limit.NewLocal(1, c.now), newNaiveBucket(l)
		var past []admission
		for range 300 {
			c.advance(pause(r, l))
			now, cost := time.Duration(c.at.Load()), 1+r.Int64N(3)
			got := s.Take(l, key(1), cost, limit.Whole)
			allowed, remaining, wait := naive.take(now, cost)
			if cost > l.Burst {
				wait = limit.Never
			}
			if got.Allowed != allowed || got.Remaining != remaining || got.RetryAfter != wait {
				t.Fatalf("seed %d at %v: %+v, want allowed %v, %d remaining, retry after %v", seed, now, got, allowed, remaining, wait)
			}
			if got.Allowed {
				past = append(past, admission{now, cost})
			}
		}
		checkRate(t, l, past)
	}
}

// checkRate holds the promise itself, by its definition, against what was let through: burst + rate*t in every t.
func checkRate(t *testing.T, l *limit.Limit, past []admission) {
	t.Helper()
	for i := range past {
		var sum int64
		for _, a := range past[i:] {
			sum += a.cost
			took := float64(a.at - past[i].at)
			if most := float64(l.Burst) + took*float64(l.Requests)/float64(l.Period); float64(sum) > most {
				t.Fatalf("%+v: %d within %v, at most %f", l, sum, time.Duration(took), most)
			}
		}
	}
}

func TestSlidingWindowKeepsToItsLimitInEveryWindow(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		l, c := randomLimit(r, limit.SlidingWindow), &clock{}
		s := limit.NewLocal(1, c.now)
		var past []admission
		within := func(d time.Duration) (sum int64) {
			for _, a := range past {
				if a.at > time.Duration(c.at.Load())-d {
					sum += a.cost
				}
			}
			return sum
		}
		for range 300 {
			c.advance(pause(r, l))
			cost := 1 + r.Int64N(3)
			got := s.Take(l, key(1), cost, limit.Whole)
			if got.Allowed {
				past = append(past, admission{time.Duration(c.at.Load()), cost})
			}
			if n := within(l.Period); n > l.Requests {
				t.Fatalf("seed %d, %+v: %d within a period", seed, l, n)
			}
			// Nothing is remembered for longer than promised.
			if remembered := within(l.Period + (l.Period+limit.Slots-1)/limit.Slots + limit.Slots); !got.Allowed && remembered+cost <= l.Requests {
				t.Fatalf("seed %d, %+v: refused after %d", seed, l, remembered)
			}
		}
	}
}

func TestWhoWaitsAsLongAsToldIsLetThrough(t *testing.T) {
	for _, a := range []limit.Algorithm{limit.TokenBucket, limit.SlidingWindow} {
		for seed := range uint64(100) {
			r := rand.New(rand.NewPCG(seed, 3))
			l, c := randomLimit(r, a), &clock{}
			s := limit.NewLocal(1, c.now)
			for range 100 {
				c.advance(pause(r, l))
				d := s.Take(l, key(1), 1, limit.Whole)
				if d.Allowed {
					continue
				}
				c.advance(d.RetryAfter - 1)
				if s.Take(l, key(1), 1, limit.Whole).Allowed {
					t.Fatalf("algorithm %d, seed %d: let through too early", a, seed)
				}
				c.advance(1)
				if !s.Take(l, key(1), 1, limit.Whole).Allowed {
					t.Fatalf("algorithm %d, seed %d: refused when told to come", a, seed)
				}
			}
		}
	}
}

func TestAfterResetTheWholeAllowanceIsThere(t *testing.T) {
	for _, l := range []*limit.Limit{
		{Requests: 7, Period: time.Minute, Burst: 5},
		{Requests: 5, Period: time.Minute, Algorithm: limit.SlidingWindow},
	} {
		c := &clock{}
		s := limit.NewLocal(1, c.now)
		c.advance(time.Second)
		d := s.Take(l, key(1), 3, limit.Whole)
		c.advance(d.Reset)
		if !s.Take(l, key(1), 5, limit.Whole).Allowed {
			t.Errorf("algorithm %d: not all is there after %v", l.Algorithm, d.Reset)
		}
	}
}

func TestConcurrencyCountsWhatIsInFlight(t *testing.T) {
	l := &limit.Limit{Algorithm: limit.Concurrency, Requests: 2}
	s := limit.NewLocal(1, time.Now)
	take := func() bool { return s.Take(l, key(1), 1, limit.Whole).Allowed }
	if taken := []bool{take(), take(), take()}; !slices.Equal(taken, []bool{true, true, false}) {
		t.Fatalf("taken: %v, want two and no more", taken)
	}
	s.Charge(l, key(1), -1, limit.Whole)
	if !take() || take() {
		t.Fatal("not one more after one has ended")
	}
}

func TestManyAtOnceGetNoMoreThanOneAfterTheOther(t *testing.T) {
	for _, l := range []*limit.Limit{
		{Requests: 1000, Period: time.Minute, Burst: 1000},
		{Requests: 1000, Period: time.Minute, Algorithm: limit.SlidingWindow},
		{Requests: 1000, Algorithm: limit.Concurrency},
	} {
		s := limit.NewLocal(1, (&clock{}).now)
		var allowed atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 500 {
					if s.Take(l, key(1), 1, limit.Whole).Allowed {
						allowed.Add(1)
					}
				}
			})
		}
		all.Wait()
		if n := allowed.Load(); n != 1000 {
			t.Errorf("algorithm %d: %d of 4000 at once, want 1000", l.Algorithm, n)
		}
	}
}

func TestAShareIsThatPartOfTheLimit(t *testing.T) {
	for _, l := range []*limit.Limit{
		{Requests: 1000, Period: 10 * time.Second, Burst: 100},
		{Requests: 1000, Period: 10 * time.Second, Algorithm: limit.SlidingWindow},
	} {
		c := &clock{}
		s := limit.NewLocal(1, c.now)
		allowed := 0
		for range 100_000 {
			c.advance(time.Millisecond)
			if s.Take(l, key(1), 1, 0.25).Allowed {
				allowed++
			}
		}
		if want := 2500; allowed < want*95/100 || allowed > want+25 {
			t.Errorf("algorithm %d: %d in ten periods, want about %d", l.Algorithm, allowed, want)
		}
	}
}

func TestAnEditKeepsWhatWasUsedAndPunishesNobody(t *testing.T) {
	slow := &limit.Limit{Requests: 10, Period: time.Hour, Burst: 10}
	fast := &limit.Limit{Requests: 10, Period: time.Second, Burst: 10}
	c := &clock{}
	s := limit.NewLocal(1, c.now)
	s.Take(slow, key(1), 10, limit.Whole)
	if s.Take(fast, key(1), 1, limit.Whole).Allowed {
		t.Error("an edit filled the bucket")
	}
	c.advance(2 * time.Second)
	if !s.Take(fast, key(1), 1, limit.Whole).Allowed {
		t.Error("the slow rate is paid for after the edit")
	}

	s.Take(&limit.Limit{Requests: 10, Period: time.Minute, Algorithm: limit.SlidingWindow}, key(1), 10, limit.Whole)
	longer := &limit.Limit{Requests: 10, Period: 2 * time.Minute, Algorithm: limit.SlidingWindow}
	if s.Take(longer, key(1), 1, limit.Whole).Allowed {
		t.Error("an edit emptied the window")
	}
	c.advance(3 * time.Minute)
	if !s.Take(longer, key(1), 10, limit.Whole).Allowed {
		t.Error("the window does not move on after an edit")
	}
}

func TestChargesAreOwedAndEnd(t *testing.T) {
	for _, l := range []*limit.Limit{
		{Requests: 10, Period: 10 * time.Second, Burst: 10},
		{Requests: 10, Period: 10 * time.Second, Algorithm: limit.SlidingWindow},
	} {
		c := &clock{}
		s := limit.NewLocal(1, c.now)
		c.advance(time.Second)
		s.Charge(l, key(1), 1_000_000, limit.Whole)
		if s.Take(l, key(1), 1, limit.Whole).Allowed {
			t.Errorf("algorithm %d: a charge is not owed", l.Algorithm)
		}
		c.advance(22 * time.Second)
		if !s.Take(l, key(1), 1, limit.Whole).Allowed {
			t.Errorf("algorithm %d: a debt has no end", l.Algorithm)
		}
	}
}

func TestWhatIsGivenBackCanBeTaken(t *testing.T) {
	for _, l := range []*limit.Limit{
		{Requests: 10, Period: time.Minute, Burst: 10},
		{Requests: 10, Period: time.Minute, Algorithm: limit.SlidingWindow},
	} {
		s := limit.NewLocal(1, (&clock{}).now)
		s.Take(l, key(1), 10, limit.Whole)
		s.Charge(l, key(1), -4, limit.Whole)
		if s.Take(l, key(1), 5, limit.Whole).Allowed || !s.Take(l, key(1), 4, limit.Whole).Allowed {
			t.Errorf("algorithm %d: not four can be taken after four were given back", l.Algorithm)
		}
	}
}

func TestKeysAreBoundedAndOldOnesGiveWay(t *testing.T) {
	const most = 256 * 64
	l := &limit.Limit{Requests: 1, Period: time.Hour, Burst: 1}
	s := limit.NewLocal(most, (&clock{}).now)
	regular := key(1 << 60)
	s.Take(l, regular, 1, limit.Whole)
	kept := 0
	for n := range uint64(10 * most) {
		s.Take(l, key(n), 1, limit.Whole)
		if n%100 == 0 && !s.Take(l, regular, 1, limit.Whole).Allowed {
			kept++
		}
	}
	if n := s.Keys(); n > most {
		t.Errorf("%d keys, at most %d", n, most)
	}
	if s.Evictions() == 0 {
		t.Error("no eviction was counted")
	}
	if asked := 10 * most / 100; kept < asked*99/100 {
		t.Errorf("a key in use was remembered %d times of %d", kept, asked)
	}
}

func TestKeysWithoutAUsedAllowanceLeaveTheirMemoryToOthers(t *testing.T) {
	l := &limit.Limit{Requests: 1, Period: time.Second, Burst: 1}
	c := &clock{}
	s := limit.NewLocal(1_000_000, c.now)
	for n := range uint64(500_000) {
		s.Take(l, key(n), 1, limit.Whole)
		c.advance(time.Millisecond) // so that a thousand are in use
	}
	if n := s.Keys(); n > 50_000 {
		t.Errorf("%d keys take memory", n)
	}
	if s.Evictions() != 0 {
		t.Error("keys in use were forgotten")
	}
}

func TestWhatIsInFlightIsNeverForgotten(t *testing.T) {
	l := &limit.Limit{Algorithm: limit.Concurrency, Requests: 1}
	s := limit.NewLocal(1, time.Now)
	const many = 100_000
	for n := range uint64(many) {
		s.Take(l, key(n), 1, limit.Whole)
	}
	for n := range uint64(many) {
		if s.Take(l, key(n), 1, limit.Whole).Allowed {
			t.Fatalf("key %d was forgotten", n)
		}
		s.Charge(l, key(n), -1, limit.Whole)
	}
}

// bytesPerKey holds the promise of docs/benchmarks.md.
const bytesPerKey = 150

func TestAMillionKeysFitIntoTheirMemory(t *testing.T) {
	const keys = 1_000_000
	l := &limit.Limit{Requests: 1, Period: time.Hour, Burst: 1}
	before := heap()
	s := limit.NewLocal(keys*2, (&clock{}).now)
	for n := range uint64(keys) {
		s.Take(l, key(n), 1, limit.Whole)
	}
	took := heap() - before
	if each := took / keys; each > bytesPerKey || s.Keys() != keys {
		t.Errorf("%d bytes for each of %d keys, at most %d", each, s.Keys(), bytesPerKey)
	}
	t.Logf("%d bytes a key", took/keys)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestKnownKeysAllocNothing(t *testing.T) {
	for _, a := range []limit.Algorithm{limit.TokenBucket, limit.SlidingWindow, limit.Concurrency} {
		l := &limit.Limit{Algorithm: a, Requests: 10, Period: time.Minute, Burst: 10}
		s := limit.NewLocal(1000, time.Now)
		n := testing.AllocsPerRun(1000, func() {
			s.Take(l, key(1), 1, limit.Whole)
			s.Charge(l, key(1), -1, limit.Whole)
		})
		if n != 0 {
			t.Errorf("algorithm %d: %v allocations", a, n)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	for name, a := range map[string]limit.Algorithm{"token bucket": limit.TokenBucket, "sliding window": limit.SlidingWindow} {
		l := &limit.Limit{Algorithm: a, Requests: 1_000_000, Period: time.Second, Burst: 1_000_000}
		for keys, n := range map[string]uint64{"1 key": 1, "1000 keys": 1000, "1000000 keys": 1_000_000} {
			b.Run(name+", "+keys, func(b *testing.B) {
				s := limit.NewLocal(1_000_000, time.Now)
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := rand.Uint64(); pb.Next(); i += 7919 {
						s.Take(l, key(i%n), 1, limit.Whole)
					}
				})
			})
		}
	}
}
