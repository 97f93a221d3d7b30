package upstream

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

var now = time.Unix(1000, 0)

// balanced is a cluster that is only chosen from. Endpoint i is 10.0.0.i.
func balanced(t *testing.T, b snapshot.Balancer, endpoints ...snapshot.Endpoint) *gateway {
	t.Helper()
	g := newGatewayOf(t, Options{}, &snapshot.Cluster{Name: clusterName, Balancer: b})
	g.random = rand.New(rand.NewPCG(1, 2)).IntN
	if err := g.store.SetEndpoints(clusterName, endpoints); err != nil {
		t.Fatal(err)
	}
	return g
}

func ready(i int) snapshot.Endpoint {
	return snapshot.Endpoint{Address: fmt.Sprintf("10.0.0.%d", i), Port: 80}
}

func draining(i int) snapshot.Endpoint {
	e := ready(i)
	e.State = snapshot.Draining
	return e
}

func number(e *live.Endpoint) int { return int(e.Address.Addr().As4()[3]) }

// eject ejects endpoint i.
func (g *gateway) eject(i int) {
	for e := range g.handler.live.Endpoints().All {
		for number(e) == i && !e.Ejected(now) {
			e.Failed(now)
		}
	}
}

// shares counts how often each endpoint is chosen.
func (g *gateway) shares(times int) map[int]int {
	got := map[int]int{}
	for range times {
		got[number(g.handler.choose(now, nil))]++
	}
	return got
}

// near reports whether a share is within a tenth of what is expected.
func near(got, want int) bool { return math.Abs(float64(got-want)) <= float64(want)/10 }

func TestIdleEndpointsGetEqualShares(t *testing.T) {
	const times = 12000
	all := []snapshot.Endpoint{ready(1), ready(2), ready(3), ready(4)}
	for _, b := range []snapshot.Balancer{snapshot.LeastRequest, snapshot.RoundRobin} {
		for _, ejected := range [][]int{nil, {2}, {1, 2}, {1, 2, 4}, {1, 2, 3, 4}} {
			t.Run(fmt.Sprintf("%s without %v", b, ejected), func(t *testing.T) {
				g := balanced(t, b, all...)
				for _, i := range ejected {
					g.eject(i)
				}
				serving := len(all) - len(ejected)
				if serving == 0 {
					serving = len(all) // Then ejection means nothing.
				}
				shares := g.shares(times)
				if len(shares) != serving {
					t.Errorf("shares %v, want %d", shares, serving)
				}
				for i, n := range shares {
					if !near(n, times/serving) {
						t.Errorf("endpoint %d got %d of %d", i, n, times)
					}
				}
			})
		}
	}
}

func TestRoundRobinTakesTurnsOverTables(t *testing.T) {
	g := balanced(t, snapshot.RoundRobin, ready(1), ready(2), ready(3))
	for i := range 9 {
		g.handler = g.Handler(&snapshot.Cluster{Name: clusterName, Balancer: snapshot.RoundRobin}).(*Cluster)
		if got := number(g.handler.choose(now, nil)); got != i%3+1 {
			t.Fatalf("turn %d went to endpoint %d", i, got)
		}
	}
}

func TestLeastRequestEvensOutLoad(t *testing.T) {
	var all []snapshot.Endpoint
	for i := range 20 {
		all = append(all, ready(i+1))
	}
	g := balanced(t, snapshot.LeastRequest, all...)
	for range 2000 {
		g.handler.choose(now, nil).Begin()
	}
	for e := range g.handler.live.Endpoints().All {
		// With two choices the fullest exceeds the mean by about log log n; with one by tens.
		if n := e.InFlight(); n < 95 || n > 105 {
			t.Errorf("endpoint %d has %d in flight, want about 100", number(e), n)
		}
	}
}

func TestLeastRequestSparesTheBusy(t *testing.T) {
	g := balanced(t, snapshot.LeastRequest, ready(1), ready(2))
	busy := g.handler.live.Endpoints().Ready[0]
	busy.Begin()
	if shares := g.shares(100); shares[number(busy)] != 0 {
		t.Errorf("of two endpoints the busy one was chosen %d times", shares[number(busy)])
	}
}

func TestWhoIsPreferred(t *testing.T) {
	for _, tc := range []struct {
		name      string
		endpoints []snapshot.Endpoint
		ejected   []int
		tried     []int
		want      int // 0: nobody
	}{
		{name: "nobody of none"},
		{name: "ready before draining", endpoints: []snapshot.Endpoint{draining(1), ready(2)}, want: 2},
		{name: "draining if none is ready", endpoints: []snapshot.Endpoint{draining(1)}, want: 1},
		{name: "draining before ejected", endpoints: []snapshot.Endpoint{draining(1), ready(2)}, ejected: []int{2}, want: 1},
		{name: "ready and ejected before draining and ejected", endpoints: []snapshot.Endpoint{draining(1), ready(2)}, ejected: []int{1, 2}, want: 2},
		{name: "not who was tried", endpoints: []snapshot.Endpoint{ready(1), ready(2)}, tried: []int{1}, want: 2},
		{name: "ejected before tried", endpoints: []snapshot.Endpoint{ready(1), ready(2)}, ejected: []int{2}, tried: []int{1}, want: 2},
		{name: "nobody if all were tried", endpoints: []snapshot.Endpoint{ready(1), draining(2)}, tried: []int{1, 2}},
	} {
		for _, b := range []snapshot.Balancer{snapshot.LeastRequest, snapshot.RoundRobin} {
			t.Run(tc.name+" by "+string(b), func(t *testing.T) {
				g := balanced(t, b, tc.endpoints...)
				var tried []*live.Endpoint
				for e := range g.handler.live.Endpoints().All {
					for _, i := range tc.tried {
						if i == number(e) {
							tried = append(tried, e)
						}
					}
				}
				for _, i := range tc.ejected {
					g.eject(i)
				}
				got := 0
				if e := g.handler.choose(now, tried); e != nil {
					got = number(e)
				}
				if got != tc.want {
					t.Errorf("chose %d, want %d", got, tc.want)
				}
			})
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, balancer := range []snapshot.Balancer{snapshot.LeastRequest, snapshot.RoundRobin} {
		for _, n := range []int{3, 200} {
			b.Run(fmt.Sprintf("%s/%d", balancer, n), func(b *testing.B) {
				store := live.NewStore(NewPool)
				u := New(Options{Store: store})
				var all []snapshot.Endpoint
				for i := range n {
					all = append(all, ready(i+1))
				}
				if err := store.SetEndpoints(clusterName, all); err != nil {
					b.Fatal(err)
				}
				c := u.Handler(&snapshot.Cluster{Name: clusterName, Balancer: balancer}).(*Cluster)
				b.ReportAllocs()
				for b.Loop() {
					c.choose(now, nil)
				}
			})
		}
	}
}
