package router

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/snapshot"
)

// A shape is a way in which many routes are spread over hosts and paths.
type shape struct {
	name string
	// place returns the host and path of route number i.
	place func(i int) (host, path string)
}

var shapes = []shape{
	{"hosts", func(i int) (string, string) { return fmt.Sprintf("shop-%d.example.com", i*7919%100_000), "/" }},
	{"paths", func(i int) (string, string) {
		return "shop.example.com", fmt.Sprintf("/v1/users-%d/items", i*7919%100_000)
	}},
}

func (s shape) routes(n int) []*snapshot.Route {
	routes := make([]*snapshot.Route, n)
	for i := range routes {
		routes[i] = s.route(i, 1)
	}
	return routes
}

func (s shape) route(i int, weight uint32) *snapshot.Route {
	host, path := s.place(i)
	r := parseRoute(fmt.Sprintf("default/route-%d/0", i), host+" "+path)
	r.Backends[0].Weight = weight
	r.Filters = []snapshot.Filter{{Name: "pass"}}
	return r.Seal()
}

// requests returns a function that serves a request for another of n routes each time, in random order, and fails
// unless it is that route's. As in an engine there is one exchange, and what it refers to lies in one buffer.
func (s shape) requests(tb testing.TB, r *Router, n int) func() {
	tb.Helper()
	type target struct{ host, path, id string }
	targets := make([]target, n)
	for i := range targets {
		host, path := s.place(i)
		targets[i] = target{host, path + tail(path), fmt.Sprintf("default/route-%d/0", i)}
	}
	order := rand.Perm(n)
	x := get("", "")
	buf := make([]byte, 0, 512)
	i := 0
	return func() {
		t := &targets[order[i%n]]
		i++
		buf = append(append(buf[:0], t.host...), t.path...)
		x.Request.Host, x.Request.Path = exchange.String(buf[:len(t.host)]), exchange.String(buf[len(t.host):])
		if err := r.Serve(x); err != nil || x.Route.ID != t.id {
			tb.Fatalf("%s%s: route %q, error %v", t.host, t.path, x.RouteID(), err)
		}
	}
}

func tail(path string) string {
	if path == "/" {
		return "any/thing"
	}
	return "/any/thing"
}

// pass is a filter that does nothing.
type pass struct{}

func (pass) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error { return next.Serve(x) })
}

func quietOptions() Options {
	o := options()
	build := func(struct{}, filter.Env) (filter.Filter, error) { return pass{}, nil }
	o.Filters = filter.Registry{filter.Define("pass", build, nil)}
	return o
}

func mustCompile(tb testing.TB, prev *Table, s *snapshot.Snapshot) *Table {
	tb.Helper()
	table, problems := Compile(prev, s, quietOptions())
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	return table
}

func TestEveryOfManyRoutesIsServedWithoutAllocation(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			const n = 10_000
			serve := s.requests(t, New(mustCompile(t, nil, snapshotOf(s.routes(n)...))), n)
			if allocations := testing.AllocsPerRun(n, serve); allocations != 0 {
				t.Errorf("%v allocations", allocations)
			}
		})
	}
}

func TestPredicatesDoNotAllocate(t *testing.T) {
	x := get("h", "/users/7")
	x.Request.Query = "a%20=1&n=%C3%A9t%C3%A9+2026&b=2"
	x.Request.Head.Add("X-Env", "dev")
	x.Request.Head.Add("X-Env", "prod")
	x.Request.Head.Add("User-Agent", "curl/8")
	x.Request.Head.Add("Cookie", "a=1; session=abc")
	for _, line := range []string{
		"* / GET,PUT", "* / h:x-env=prod", "* / h:user-agent~curl/.*", "* / !h:x-env=test !h:absent",
		"* / q:b=2", "* / q:n~.t.*2026", "* / !q:absent", "* / c:session=abc !c:absent",
		"* ~/users/[0-9]+", "* ~.*/[^/]*",
	} {
		t.Run(line, func(t *testing.T) {
			r := New(mustCompile(t, nil, parse(line)))
			serve := func() {
				if err := r.Serve(x); err != nil {
					t.Fatal(err)
				}
			}
			// The least of many runs, since under the race detector a sync.Pool drops things at random, and regexp has some.
			least := testing.AllocsPerRun(1, serve)
			for range 50 {
				least = min(least, testing.AllocsPerRun(1, serve))
			}
			if least != 0 {
				t.Errorf("%v allocations", least)
			}
		})
	}
}

func TestUnmatchedDoesNotAllocate(t *testing.T) {
	r := New(mustCompile(t, nil, parse("h /a")))
	x := get("h", "/b")
	if n := testing.AllocsPerRun(1000, func() { _ = r.Serve(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSwapUnderTraffic changes one route over and over while requests for it and for another are served. Each answer
// must be one of a whole table.
func TestSwapUnderTraffic(t *testing.T) {
	s := func(i int) *snapshot.Snapshot {
		changing := parseRoute("changing", fmt.Sprintf("h /a | /a/%d", i%2)).Seal()
		return snapshotOf(changing, parseRoute("constant", "h,i /b").Seal())
	}
	r := New(compile(t, nil, s(0)))
	done := make(chan struct{})
	var clients sync.WaitGroup
	for _, c := range []struct{ path, pattern, other string }{{"/b", "/b", "/b"}, {"/a/1", "/a", "/a/1"}} {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				x := get("h", c.path)
				if err := r.Serve(x); err != nil || x.Pattern() != c.pattern && x.Pattern() != c.other {
					t.Errorf("%s: pattern %q, error %v", c.path, x.Pattern(), err)
					return
				}
			}
		})
	}
	for i := range 2000 {
		r.Swap(compile(t, r.Table(), s(i)))
	}
	close(done)
	clients.Wait()
}

// BenchmarkServe serves requests for all routes of a table, or for 100 of many: the difference is what caches don't
// hold.
func BenchmarkServe(b *testing.B) {
	for _, s := range shapes {
		for _, n := range []struct{ routes, requested int }{{100, 100}, {10_000, 100}, {10_000, 10_000}} {
			b.Run(fmt.Sprintf("%s=%d/requested=%d", s.name, n.routes, n.requested), func(b *testing.B) {
				serve := s.requests(b, New(mustCompile(b, nil, snapshotOf(s.routes(n.routes)...))), n.requested)
				b.ReportAllocs()
				for b.Loop() {
					serve()
				}
			})
		}
	}
}

// BenchmarkCompileOne changes one route in the middle each time. All that is not that route the snapshots share.
func BenchmarkCompileOne(b *testing.B) {
	for _, s := range shapes {
		for _, n := range []int{100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s=%d", s.name, n), func(b *testing.B) {
				source := snapshotOf(s.routes(n)...)
				table := mustCompile(b, nil, source)
				var keys []string
				for key := range source.Routes.All() {
					keys = append(keys, key)
				}
				variants := []*snapshot.Route{s.route(n/2, 2), s.route(n/2, 1)}
				b.ReportAllocs()
				for i := uint64(1); b.Loop(); i++ {
					next := *source
					next.Routes = source.Routes.Put(i, keys[n/2], variants[i%2])
					source = snapshot.New(next)
					table = mustCompile(b, table, source)
				}
			})
		}
	}
}

func BenchmarkCompileAll(b *testing.B) {
	for _, s := range shapes {
		b.Run(s.name, func(b *testing.B) {
			const n = 10_000
			source := snapshotOf(s.routes(n)...)
			var table *Table
			b.ReportAllocs()
			for b.Loop() {
				table = mustCompile(b, nil, source)
			}
			b.ReportMetric(heldBy(func() { table = nil })/n, "B/route")
			runtime.KeepAlive(table)
		})
	}
}

// heldBy returns the bytes of live heap that are gone after release.
func heldBy(release func()) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	release()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return float64(before.HeapAlloc) - float64(after.HeapAlloc)
}
