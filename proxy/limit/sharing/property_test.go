package sharing_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// randomLimit has numbers that fit together badly.
func randomLimit(r *rand.Rand) *limit.Limit {
	a := limit.TokenBucket
	if r.IntN(2) == 0 {
		a = limit.SlidingWindow
	}
	return &limit.Limit{
		Policy: "shop/p", Name: "l", Algorithm: a,
		Requests: 1 + r.Int64N(int64(math.Pow(10, 1+3*r.Float64()))), Period: time.Duration(float64(time.Second) * math.Pow(10, 2*r.Float64())),
		Burst: 1 + r.Int64N(int64(math.Pow(10, 1+3*r.Float64()))),
	}
}

// randomRates are what each of n replicas is asked for in a second: nothing, little, or up to many times the limit.
func (w *world) randomRates(n int) []float64 {
	rates := make([]float64, n)
	all := float64(w.limit.Requests) / w.limit.Period.Seconds()
	for i := range rates {
		if w.random.IntN(3) > 0 {
			rates[i] = min(all*math.Pow(10, 2*w.random.Float64()-1), 2000)
		}
	}
	return rates
}

// Whatever is asked of whom, and however late messages come: those that stay admit together what one would have admitted, and
// only where a share is less than a request one a replica on top.
func TestReplicasThatStayKeepToTheLimit(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, seed, randomLimit(r))
			n := 2 + r.IntN(5)
			w.joinAll(n)
			w.delay, w.loss = time.Duration(1+r.Int64N(int64(400*time.Millisecond))), 0.05*r.Float64()
			for range 40 {
				w.run(time.Duration(r.Int64N(int64(time.Second))), w.randomRates(n))
				for _, node := range w.nodes {
					if node.Peers() != n-1 {
						t.Fatalf("replica %d hears %d others, want %d", node.index, node.Peers(), n-1)
					}
				}
			}
			most := 0.0
			if w.size()/float64(n) < 1+float64(n)*4 { // the least share of n may be 1 to 32 times n
				most = float64(n - 1)
			}
			if e := w.excess(); e > most+1e-6 {
				t.Errorf("%d replicas, %+v, delay %s: %.3f more than the limit were admitted, want at most %.0f", n, *w.limit, w.delay, e, most)
			}
		})
	}
}

// The same where all that there is goes at once, so that replicas are told of each other's use while they use their last.
func TestBurstsKeepToTheLimit(t *testing.T) {
	for seed := range uint64(160) {
		r := rand.New(rand.NewPCG(seed, 2))
		n := 3 + r.IntN(3)
		l := &limit.Limit{Policy: "shop/p", Name: "l", Requests: 3000, Period: 24 * time.Hour, Burst: 3000}
		if r.IntN(2) == 0 {
			l.Algorithm = limit.SlidingWindow
		}
		w := newWorld(t, seed, l)
		w.joinAll(n)
		w.delay = time.Duration(1 + r.Int64N(int64(150*time.Millisecond)))
		for range 90 {
			for range 300 / n {
				for _, node := range w.nodes {
					if node.index == 0 || r.IntN(3) > 0 {
						w.ask(node, 1)
					}
				}
			}
			w.run(time.Duration(5+r.IntN(60))*time.Millisecond, nil)
		}
		if e := w.excess(); e > 1e-6 {
			t.Errorf("seed %d: %d replicas, algorithm %d, delay %s: %.3f more than the limit were admitted", seed, n, l.Algorithm, w.delay, e)
		}
		if n := len(w.admissions); n < 2900 {
			t.Errorf("seed %d: %d of 3,000 were admitted", seed, n)
		}
	}
}

// size is what the limit allows at once.
func (w *world) size() float64 {
	if w.limit.Algorithm == limit.SlidingWindow {
		return float64(w.limit.Requests)
	}
	return float64(w.limit.Burst)
}
