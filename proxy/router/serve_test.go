package router

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

func configured(name, config string) snapshot.Filter {
	b, _ := json.Marshal(config)
	return snapshot.Filter{Name: name, Config: b}
}

func TestServeTellsTheExchangeAboutItsRoute(t *testing.T) {
	spec := parseRoute("ns/name/0", "* =/a | /b | ~/c.* | /")
	spec.Timeouts = snapshot.Timeouts{
		Request: snapshot.Duration(3 * time.Second),
		Backend: snapshot.Duration(2 * time.Second),
		Idle:    snapshot.Duration(time.Second),
	}
	r := New(compile(t, nil, snapshotOf(spec.Seal())))
	start := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	for path, want := range map[string]struct{ pattern, prefix string }{
		"/a": {"= /a", ""}, "/b/c": {"/b", "/b"}, "/cd": {"~ /c.*", ""}, "/d": {"/", "/"},
	} {
		x := get("h", path)
		x.Start = start
		if err := r.Serve(x); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if x.RouteID() != "ns/name/0" || x.Pattern() != want.pattern || x.Route.Prefixes[x.Match] != want.prefix {
			t.Errorf("%s: route %q, pattern %q, prefix %q", path, x.RouteID(), x.Pattern(), x.Route.Prefixes[x.Match])
		}
		if got := x.Deadline().Sub(start); got != 3*time.Second {
			t.Errorf("%s: deadline after %v", path, got)
		}
		if want := (exchange.Timeouts{Backend: 2 * time.Second, Idle: time.Second}); x.Timeouts != want {
			t.Errorf("%s: timeouts %v", path, x.Timeouts)
		}
	}
}

func TestServeWithoutTimeoutSetsNoDeadline(t *testing.T) {
	x := get("h", "/")
	if err := New(compile(t, nil, parse("* /"))).Serve(x); err != nil || !x.Deadline().IsZero() {
		t.Errorf("error %v, deadline %v", err, x.Deadline())
	}
}

func TestUnmatchedRunsTheBaseChain(t *testing.T) {
	r := New(compile(t, nil, parse("a.example.com /a")))
	refusal := &exchange.Error{Status: 431, Code: "request.head"}
	for _, tt := range []struct {
		name    string
		change  func(*exchange.Exchange)
		refused error
	}{
		{"another path", func(x *exchange.Exchange) { x.Request.Path = "/b" }, errNotFound},
		{"another host", func(x *exchange.Exchange) { x.Request.Host = "b.example.com" }, errNotFound},
		{"an unknown listener", func(x *exchange.Exchange) { x.Listener = "nowhere" }, errNotFound},
		{"no path", func(x *exchange.Exchange) { x.Request.Path = "" }, errNotFound},
		{"a refused request, which is not matched", func(x *exchange.Exchange) { x.Refusal = refusal }, refusal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := get("a.example.com", "/a")
			tt.change(x)
			if err := r.Serve(x); !errors.Is(err, tt.refused) {
				t.Errorf("error %v, want %v", err, tt.refused)
			}
			if got := values(x, "tag"); !slices.Equal(got, []string{"base"}) || x.Route != nil {
				t.Errorf("tags %v, route %v", got, x.Route)
			}
		})
	}
}

func TestAnswersOfARouteWithoutAWorkingBackend(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*snapshot.Route)
		want   *exchange.Error
		status int
	}{
		{"a rejected route", func(r *snapshot.Route) { r.Reject = 500 }, errRejected, 500},
		{"a rejected route with a status of its own", func(r *snapshot.Route) { r.Reject = 503 }, errRejected, 503},
		{"a rejected route, whose filters don't run", func(r *snapshot.Route) {
			r.Reject, r.Filters = 500, []snapshot.Filter{configured("panic", "")}
		}, errRejected, 500},
		{"no backend", func(r *snapshot.Route) { r.Backends = nil }, errRejected, 500},
		{"no weight", func(r *snapshot.Route) { r.Backends[0].Weight = 0 }, errRejected, 500},
		{"a rejected backend", func(r *snapshot.Route) {
			r.Backends = []snapshot.Backend{{Weight: 1, Reject: 500}}
		}, errBackendRejected, 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := parseRoute("r", "* /")
			tt.change(spec)
			x := get("h", "/")
			err := New(compile(t, nil, snapshotOf(spec.Seal()))).Serve(x)
			var e *exchange.Error
			if !errors.As(err, &e) || !errors.Is(err, tt.want) || e.Status != tt.status {
				t.Errorf("error %v, want %v with status %d", err, tt.want, tt.status)
			}
			if got := values(x, "tag"); !slices.Equal(got, []string{"base"}) || x.RouteID() != "r" {
				t.Errorf("tags %v, route %q: base filters must see the route", got, x.RouteID())
			}
		})
	}
}

func TestFiltersRunAroundTheirBackend(t *testing.T) {
	spec := parseRoute("r", "* /")
	spec.Filters = []snapshot.Filter{configured("count", "rule done"), configured("tag", "rule")}
	spec.Backends[0].Filters = []snapshot.Filter{configured("tag", "backend"), configured("count", "backend done")}
	x := get("h", "/")
	if err := New(compile(t, nil, snapshotOf(spec.Seal()))).Serve(x); err != nil {
		t.Fatal(err)
	}
	x.Finish()
	if diff := cmp.Diff([]string{"backend", "rule", "base"}, values(x, "tag")); diff != "" {
		t.Errorf("tags, innermost first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"rule done", "backend done"}, values(x, "done")); diff != "" {
		t.Errorf("finishers (-want +got):\n%s", diff)
	}
}

func TestBackendsGetTheirShare(t *testing.T) {
	spec := parseRoute("r", "* /")
	spec.Backends = []snapshot.Backend{
		{Cluster: "a", Weight: 1}, {Cluster: "nothing", Weight: 0}, {Cluster: "b", Weight: 2}, {Weight: 1, Reject: 500},
	}
	clusters := []*snapshot.Cluster{(&snapshot.Cluster{Name: "a"}).Seal(), (&snapshot.Cluster{Name: "b"}).Seal()}
	r := New(compile(t, nil, proxytest.Snapshot(proxytest.Parts{Routes: []*snapshot.Route{spec.Seal()}, Clusters: clusters})))
	const n = 100_000
	got := make(map[string]float64)
	for range n {
		x := get("h", "/")
		if err := r.Serve(x); err != nil {
			got[code(err)] += 1. / n
			continue
		}
		got[x.Upstream.Cluster] += 1. / n
	}
	for who, want := range map[string]float64{"a": 0.25, "b": 0.5, "backend.rejected": 0.25, "nothing": 0} {
		// A deviation of 0.02 is more than twelve standard deviations.
		if d := got[who] - want; d < -0.02 || d > 0.02 {
			t.Errorf("%s got %.3f of the exchanges, want %.3f", who, got[who], want)
		}
	}
}

func TestHugeWeightsDontOverflow(t *testing.T) {
	spec := parseRoute("r", "* /")
	spec.Backends = slices.Repeat([]snapshot.Backend{{Cluster: "c", Weight: 1<<32 - 1}}, 16)
	r := New(compile(t, nil, snapshotOf(spec.Seal())))
	for range 100 {
		if err := r.Serve(get("h", "/")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRouterServesFromTheTableSwappedInLast(t *testing.T) {
	first, second := compile(t, nil, parse("* /a")), compile(t, nil, parse("* /b"))
	r := New(first)
	r.Swap(second)
	if r.Table() != second || r.Table().Version() != parse("* /b").Version {
		t.Errorf("serves version %s", r.Table().Version())
	}
	if err := r.Serve(get("h", "/b")); err != nil {
		t.Error(err)
	}
	if err := r.Serve(get("h", "/a")); !errors.Is(err, errNotFound) {
		t.Errorf("the first table's route: %v", err)
	}
}

func TestBrokenBaseFilterLeavesTheAnswersWithoutIt(t *testing.T) {
	o := options()
	o.Filters = append(o.Filters, filter.DefineBase("broken", func(filter.Env) filter.Filter { panic("no base") }))
	table, problems := Compile(nil, parse("* /a"), o)
	if len(problems) != 2 || problems[0].RouteID != "" || problems[1].RouteID != "r0" {
		t.Errorf("problems %v, want one of the base chain and one of the route", problems)
	}
	r := New(table)
	if err := r.Serve(get("h", "/b")); !errors.Is(err, errNotFound) {
		t.Errorf("unmatched: %v", err)
	}
	if err := r.Serve(get("h", "/a")); !errors.Is(err, errRejected) {
		t.Errorf("matched: %v", err)
	}
}
