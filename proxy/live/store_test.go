package live_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

// conns counts how often it was closed.
type conns struct{ closed int }

func (c *conns) Close() { c.closed++ }

func newStore() *live.Store {
	return live.NewStore(func(string, netip.AddrPort) live.Conns { return &conns{} })
}

func endpoint(i int) snapshot.Endpoint {
	return snapshot.Endpoint{Address: fmt.Sprintf("10.0.%d.%d", i/256, i%256), Port: 80}
}

func draining(e snapshot.Endpoint) snapshot.Endpoint { e.State = snapshot.Draining; return e }

func set(t *testing.T, s *live.Store, cluster string, e ...snapshot.Endpoint) {
	t.Helper()
	if err := s.SetEndpoints(cluster, e); err != nil {
		t.Fatal(err)
	}
}

// find returns the endpoint of that address, or nil.
func find(c *live.Cluster, e snapshot.Endpoint) *live.Endpoint {
	for have := range c.Endpoints().All {
		if have.Address.Addr().String() == e.Address {
			return have
		}
	}
	return nil
}

func TestAnEndpointWhoseAddressStaysIsTheSame(t *testing.T) {
	s := newStore()
	c := s.Cluster("shop/users:80")
	set(t, s, c.Name, endpoint(1), endpoint(2))
	stays, leaves := find(c, endpoint(1)), find(c, endpoint(2))

	set(t, s, c.Name, draining(endpoint(1)), endpoint(3))

	if find(c, endpoint(1)) != stays {
		t.Error("the endpoint that only began to drain is another object")
	}
	if got := len(c.Endpoints().Draining); got != 1 {
		t.Errorf("%d endpoints drain, want 1", got)
	}
	if find(c, endpoint(2)) != nil {
		t.Error("the endpoint that left is still found")
	}
	if got := leaves.Conns.(*conns).closed; got != 1 {
		t.Errorf("connections of the endpoint that left were closed %d times, want once", got)
	}
	if got := stays.Conns.(*conns).closed; got != 0 {
		t.Errorf("connections of the endpoint that stays were closed %d times", got)
	}
}

func TestSetEndpoints(t *testing.T) {
	mapped := snapshot.Endpoint{Address: "::ffff:10.0.0.1", Port: 80}
	otherPort := snapshot.Endpoint{Address: "10.0.0.1", Port: 81}
	v6 := snapshot.Endpoint{Address: "2001:db8::1", Port: 80}
	for _, tc := range []struct {
		name    string
		in      []snapshot.Endpoint
		want    []snapshot.Endpoint
		wantErr bool
	}{
		{name: "an address given twice counts once", in: []snapshot.Endpoint{endpoint(1), endpoint(1)}, want: []snapshot.Endpoint{endpoint(1)}},
		{name: "an IPv4 address in the form of IPv6 is the same address", in: []snapshot.Endpoint{mapped, endpoint(1)}, want: []snapshot.Endpoint{endpoint(1)}},
		{name: "another port is another endpoint", in: []snapshot.Endpoint{otherPort, endpoint(1)}, want: []snapshot.Endpoint{endpoint(1), otherPort}},
		{name: "ready wins over draining", in: []snapshot.Endpoint{draining(endpoint(1)), endpoint(1)}, want: []snapshot.Endpoint{endpoint(1)}},
		{name: "ready wins over draining in the other order", in: []snapshot.Endpoint{endpoint(1), draining(endpoint(1))}, want: []snapshot.Endpoint{endpoint(1)}},
		{name: "draining twice drains", in: []snapshot.Endpoint{draining(endpoint(1)), draining(endpoint(1))}, want: []snapshot.Endpoint{draining(endpoint(1))}},
		{name: "the order given does not matter", in: []snapshot.Endpoint{v6, endpoint(2), endpoint(1)}, want: []snapshot.Endpoint{endpoint(1), endpoint(2), v6}},
		{name: "what is no address is reported and the rest is set", in: []snapshot.Endpoint{{Address: "users.shop", Port: 80}, endpoint(1)}, want: []snapshot.Endpoint{endpoint(1)}, wantErr: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStore()
			if err := s.SetEndpoints("c", tc.in); (err != nil) != tc.wantErr {
				t.Errorf("error %v, want one: %v", err, tc.wantErr)
			}
			if diff := cmp.Diff(tc.want, listed(s.Cluster("c"))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// listed are the endpoints of a cluster in the order of their addresses.
func listed(c *live.Cluster) (out []snapshot.Endpoint) {
	all := c.Endpoints()
	for _, e := range all.Ready {
		out = append(out, snapshot.Endpoint{Address: e.Address.Addr().String(), Port: e.Address.Port()})
	}
	for _, e := range all.Draining {
		out = append(out, draining(snapshot.Endpoint{Address: e.Address.Addr().String(), Port: e.Address.Port()}))
	}
	slices.SortFunc(out, func(a, b snapshot.Endpoint) int {
		if a.Address == b.Address {
			return int(a.Port) - int(b.Port)
		}
		return strings.Compare(a.Address, b.Address)
	})
	return out
}

// retain ends all clusters but those named.
func retain(s *live.Store, names ...string) {
	var all []string
	for c := range s.All() {
		all = append(all, c.Name)
	}
	s.Retain(slices.Values(all), func(c string) bool {
		for _, n := range names {
			if n == c {
				return true
			}
		}
		return false
	})
}

func isRetired(c *live.Cluster) bool {
	select {
	case <-c.Retired():
		return true
	default:
		return false
	}
}

func TestAClusterEndsWhenATableIsInPlaceThatDoesNotNameIt(t *testing.T) {
	s := newStore()
	set(t, s, "old", endpoint(1))
	old := s.Cluster("old")
	set(t, s, "stays", endpoint(2))
	retain(s, "old", "stays")

	retain(s, "stays")

	if !isRetired(old) {
		t.Error("the cluster that no table names was not retired")
	}
	e := find(old, endpoint(1))
	if e == nil {
		t.Fatal("an exchange of the old table finds no endpoint any more")
	}
	if got := e.Conns.(*conns).closed; got != 1 {
		t.Errorf("connections of the retired cluster were closed %d times, want once", got)
	}
	if s.Cluster("old") == old {
		t.Error("the name leads to the retired cluster")
	}
	if isRetired(s.Cluster("stays")) {
		t.Error("a cluster that the table names was retired")
	}
}

func TestEndpointsThatArriveAheadOfTheirTableSurviveTheTableBefore(t *testing.T) {
	s := newStore()
	set(t, s, "new", endpoint(1))
	retain(s) // of the table before
	if find(s.Cluster("new"), endpoint(1)) == nil {
		t.Error("the endpoints are lost")
	}
}

// TestSwapsEqualASetOfAddresses holds the store equal to a plain set over random changes: identity stays with the address,
// and every endpoint that left was closed exactly once.
func TestSwapsEqualASetOfAddresses(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	s := newStore()
	c := s.Cluster("c")
	known := map[string]*live.Endpoint{}
	for range 500 {
		want := map[string]bool{}
		var in []snapshot.Endpoint
		for range rnd.IntN(12) {
			e := endpoint(rnd.IntN(16))
			if rnd.IntN(3) == 0 {
				e = draining(e)
			}
			in = append(in, e)
			want[e.Address] = true
		}
		set(t, s, "c", in...)
		now := map[string]*live.Endpoint{}
		for e := range c.Endpoints().All {
			now[e.Address.Addr().String()] = e
		}
		if len(now) != len(want) {
			t.Fatalf("%d endpoints, want %d", len(now), len(want))
		}
		for addr, e := range known {
			closed := e.Conns.(*conns).closed
			switch stayed := want[addr]; {
			case stayed && (now[addr] != e || closed != 0):
				t.Fatalf("%s stayed, but is another object or was closed %d times", addr, closed)
			case !stayed && closed != 1:
				t.Fatalf("%s left and was closed %d times", addr, closed)
			}
		}
		known = now
	}
}

func TestReadersNeverSeeAClusterHalfChanged(t *testing.T) {
	s := newStore()
	c := s.Cluster("c")
	even, odd := []snapshot.Endpoint{endpoint(0), endpoint(2)}, []snapshot.Endpoint{endpoint(1), endpoint(3)}
	set(t, s, "c", even...)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 2000 {
				l := c.Endpoints().Ready
				if len(l) != 2 || l[0].Address.Addr().As4()[3]%2 != l[1].Address.Addr().As4()[3]%2 {
					t.Errorf("mixed endpoints %v, %v", l[0].Address, l[1].Address)
					return
				}
			}
		})
	}
	for range 500 {
		set(t, s, "c", odd...)
		set(t, s, "c", even...)
	}
	readers.Wait()
}

func TestTurnsOutliveHandlers(t *testing.T) {
	s := newStore()
	for want := range uint64(3) {
		if got := s.Cluster("c").Turn(); got != want {
			t.Errorf("turn %d, want %d", got, want)
		}
	}
}

func BenchmarkSetEndpoints(b *testing.B) {
	for _, n := range []int{3, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newStore()
			var in []snapshot.Endpoint
			for i := range n {
				in = append(in, endpoint(i))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				in[0] = endpoint(n + i%2)
				if err := s.SetEndpoints("c", in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestStatisticsShowWhatIsKnownOfEachEndpoint(t *testing.T) {
	now := time.Now()
	s := newStore()
	err := s.SetEndpoints("a", []snapshot.Endpoint{
		{Address: "192.0.2.1", Port: 80}, {Address: "192.0.2.2", Port: 80, State: snapshot.Draining},
	})
	if err != nil {
		t.Fatal(err)
	}
	good, bad := s.Cluster("a").Endpoints().Ready[0], s.Cluster("a").Endpoints().Draining[0]
	good.Begin()
	good.Succeeded(1500 * time.Microsecond)
	const failures = 5
	for range failures {
		bad.Failed(now)
	}
	want := map[string][]live.Statistics{"a": {
		{Address: good.Address, InFlight: 1, LatencyMillis: 1.5},
		{Address: bad.Address, Draining: true, Failures: failures, Ejected: true},
	}}
	if diff := cmp.Diff(want, s.Statistics(now), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
