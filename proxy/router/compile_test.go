package router

import (
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

func TestBadRouteHarmsNoOther(t *testing.T) {
	for _, tt := range []struct {
		name   string
		line   string
		change func(*snapshot.Route)
		// problem is part of the text of the problem.
		problem string
		// want is how requests for /bad and /bad/good are answered: by the bad route with a reject, by its cluster,
		// or by the good route "/".
		bad, good string
	}{
		{
			name: "a path that is no regular expression matches nothing; the rule's other matches are rejected",
			line: "* ~/bad( | /bad/good", problem: "match 0: path: error parsing regexp",
			bad: "good", good: "route.rejected",
		},
		{
			name: "a pattern can't escape from its anchors",
			line: "* ~/x)|(/bad", problem: "unexpected )", bad: "good", good: "good",
		},
		{
			name: "a regular expression that is too large",
			line: "* ~/bad[a-z]{1000}[a-z]{1000}[a-z]{1000}", problem: "too large", bad: "good", good: "good",
		},
		{
			name: "a header that is no regular expression", line: "* /bad h:a~( | =/bad",
			problem: "match 0: header a: error parsing regexp", bad: "route.rejected", good: "good",
		},
		{
			name: "a path of an unknown type", line: "* /bad",
			change:  func(r *snapshot.Route) { r.Matches[0].Path.Type = "Glob" },
			problem: `match 0: path: unknown type "Glob"`, bad: "good", good: "good",
		},
		{
			name: "a predicate of an unknown type", line: "* /bad q:a",
			change:  func(r *snapshot.Route) { r.Matches[0].Query[0].Type = "Glob" },
			problem: `match 0: query parameter a: unknown type "Glob"`, bad: "good", good: "good",
		},
		{
			name: "an unknown filter", line: "* /bad",
			change:  func(r *snapshot.Route) { r.Filters = []snapshot.Filter{configured("nowhere", "")} },
			problem: "filter nowhere: no such filter", bad: "route.rejected", good: "route.rejected",
		},
		{
			name: "a filter that can't be built", line: "* /bad",
			change:  func(r *snapshot.Route) { r.Filters = []snapshot.Filter{configured("fail", "")} },
			problem: "filter fail: never works", bad: "route.rejected", good: "route.rejected",
		},
		{
			name: "a filter that panics", line: "* /bad",
			change:  func(r *snapshot.Route) { r.Filters = []snapshot.Filter{configured("panic", "")} },
			problem: "panic: at the disco", bad: "route.rejected", good: "route.rejected",
		},
		{
			name: "a backend's filter that panics rejects its share", line: "* /bad",
			change:  func(r *snapshot.Route) { r.Backends[0].Filters = []snapshot.Filter{configured("panic", "")} },
			problem: "backend 0: panic: at the disco", bad: "backend.rejected", good: "backend.rejected",
		},
		{
			name: "a cluster that is not there", line: "* /bad",
			change:  func(r *snapshot.Route) { r.Backends[0].Cluster = "nowhere" },
			problem: "backend 0: cluster nowhere: not found", bad: "backend.rejected", good: "backend.rejected",
		},
		{
			name: "a secret that is not there", line: "* /bad",
			change:  func(r *snapshot.Route) { r.Filters = []snapshot.Filter{readsSecret("s", "s")} },
			problem: "secret ns/s/key: not found", bad: "route.rejected", good: "route.rejected",
		},
		{
			name: "a secret that the filter doesn't name", line: "* /bad",
			change:  func(r *snapshot.Route) { r.Filters = []snapshot.Filter{readsSecret("s", "t")} },
			problem: "secret ns/t/key: not named by the filter", bad: "route.rejected", good: "route.rejected",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := parseRoute("bad", tt.line)
			bad.Origin.Name = "origin"
			if tt.change != nil {
				tt.change(bad)
			}
			good := parseRoute("good", "* /")
			table, problems := Compile(nil, snapshotOf(bad.Seal(), good.Seal()), options())
			if len(problems) != 1 || problems[0].RouteID != "bad" || problems[0].Origin.Name != "origin" ||
				!strings.Contains(problems[0].Err.Error(), tt.problem) {
				t.Errorf("problems %v, want one of route bad with %q", problems, tt.problem)
			}
			for path, want := range map[string]string{"/bad": tt.bad, "/bad/good": tt.good, "/other": "good"} {
				if got := answer(New(table), path); got != want {
					t.Errorf("%s: answered by %s, want %s", path, got, want)
				}
			}
			more := snapshotOf(bad, good, parseRoute("new", "* /new").Seal())
			if _, again := Compile(table, more, options()); len(again) != 1 {
				t.Errorf("after another change: problems %v, want the same one", again)
			}
			if _, after := Compile(table, snapshotOf(good), options()); len(after) != 0 {
				t.Errorf("after the bad route has gone: problems %v", after)
			}
		})
	}
}

// answer is the error code of the answer to a request, or the ID of the route.
func answer(r *Router, path string) string {
	x := get("h", path)
	if err := r.Serve(x); err != nil {
		return code(err)
	}
	return x.RouteID()
}

func readsSecret(named, read string) snapshot.Filter {
	b, _ := json.Marshal(secretConfig{named, read})
	return snapshot.Filter{Name: "secret", Config: b}
}

func TestClusterThatPanicsRejectsItsShare(t *testing.T) {
	o := options()
	o.Cluster = func(*snapshot.Cluster) exchange.Handler { panic("no cluster") }
	table, problems := Compile(nil, parse("* /"), o)
	if len(problems) != 1 || !strings.Contains(problems[0].Err.Error(), "cluster c: panic: no cluster") {
		t.Errorf("problems %v", problems)
	}
	if got := answer(New(table), "/"); got != "backend.rejected" {
		t.Errorf("answered by %s", got)
	}
}

func TestChangedClusterReachesItsRoutesOnly(t *testing.T) {
	uses := func(id, cluster string) *snapshot.Route {
		r := parseRoute(id, "* /"+id)
		r.Backends[0].Cluster = cluster
		return r.Seal()
	}
	cluster := func(name, host string) *snapshot.Cluster {
		return (&snapshot.Cluster{Name: name, Host: host}).Seal()
	}
	routes := []*snapshot.Route{uses("a1", "a"), uses("a2", "a"), uses("b1", "b")}

	var built []string
	o := options()
	o.Cluster = func(c *snapshot.Cluster) exchange.Handler {
		built = append(built, c.Name)
		return upstream(c.Name + c.Host)
	}
	b1 := cluster("b", "1")
	table, _ := Compile(nil, proxytest.Snapshot(proxytest.Parts{Routes: routes, Clusters: []*snapshot.Cluster{cluster("a", "1"), b1}}), o)
	for _, step := range []struct {
		name     string
		clusters []*snapshot.Cluster
		built    []string
		want     [3]string
		problems int
	}{
		{"equal", []*snapshot.Cluster{cluster("a", "1"), cluster("b", "1")}, nil, [3]string{"a1", "a1", "b1"}, 0},
		{"changed", []*snapshot.Cluster{cluster("a", "2"), b1}, []string{"a"}, [3]string{"a2", "a2", "b1"}, 0},
		{"gone", []*snapshot.Cluster{b1}, nil, [3]string{"", "", "b1"}, 2},
		{"back", []*snapshot.Cluster{cluster("a", "3"), b1}, []string{"a"}, [3]string{"a3", "a3", "b1"}, 0},
	} {
		built = nil
		before := table.routes.Get("b1")
		var problems []Problem
		table, problems = Compile(table, proxytest.Snapshot(proxytest.Parts{Routes: routes, Clusters: step.clusters}), o)
		if !slices.Equal(built, step.built) || len(problems) != step.problems {
			t.Errorf("%s: built %v, problems %v", step.name, built, problems)
		}
		for i, path := range []string{"/a1", "/a2", "/b1"} {
			x := get("h", path)
			_ = New(table).Serve(x) // a missing cluster is a problem, counted above
			if x.Upstream.Cluster != step.want[i] {
				t.Errorf("%s: %s went to %q, want %q", step.name, path, x.Upstream.Cluster, step.want[i])
			}
		}
		if table.routes.Get("b1") != before {
			t.Errorf("%s: the route of cluster b was compiled anew", step.name)
		}
	}
}

func TestChangedSecretReachesItsRoutes(t *testing.T) {
	spec := parseRoute("r", "* /")
	spec.Filters = []snapshot.Filter{readsSecret("s", "s")}
	routes := []*snapshot.Route{spec.Seal()}
	var table *Table
	for i, value := range []string{"one", "two", "two"} {
		before := table
		secret := (&snapshot.Secret{Ref: secretRef("s"), Value: []byte(value)}).Seal()
		table = compile(t, table, proxytest.Snapshot(proxytest.Parts{Routes: routes, Clusters: []*snapshot.Cluster{clusterC}, Secrets: []*snapshot.Secret{secret}}))
		x := get("h", "/")
		if err := New(table).Serve(x); err != nil {
			t.Fatal(err)
		}
		if got := values(x, "tag"); !slices.Equal(got, []string{value, "base"}) {
			t.Errorf("secret %s: tags %v", value, got)
		}
		if isKept := before != nil && before.routes.Get("r") == table.routes.Get("r"); isKept != (i == 2) {
			t.Errorf("step %d: taken over is %v", i, isKept)
		}
	}
}

func TestSecretsCanBeReadOnlyWhileTheRouteIsBuilt(t *testing.T) {
	var kept filter.Env
	o := options()
	o.Filters = filter.Registry{filter.Define("keep", func(_ secretConfig, env filter.Env) (filter.Filter, error) {
		kept = env
		b, err := env.Secret(secretRef("s"))
		return tag(b), err
	}, secretConfig.refs)}
	spec := parseRoute("r", "* /")
	spec.Filters = []snapshot.Filter{{Name: "keep", Config: readsSecret("s", "s").Config}}
	secret := (&snapshot.Secret{Ref: secretRef("s"), Value: []byte("value")}).Seal()
	clusters := []*snapshot.Cluster{clusterC}
	_, problems := Compile(nil, proxytest.Snapshot(proxytest.Parts{Routes: []*snapshot.Route{spec.Seal()}, Clusters: clusters, Secrets: []*snapshot.Secret{secret}}), o)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if b, err := kept.Secret(secretRef("s")); err == nil {
		t.Errorf("read %q from a snapshot that may be gone", b)
	}
}

func TestUnchangedRoutesAreTakenOver(t *testing.T) {
	first := compile(t, nil, parse("a.example.com /a", "a.example.com /b", "b.example.com /"))
	second := compile(t, first, parse("a.example.com /a", "a.example.com /changed", "b.example.com /"))
	for id, isKept := range map[string]bool{"r0": true, "r1": false, "r2": true} {
		if (first.routes.Get(id) == second.routes.Get(id)) != isKept {
			t.Errorf("route %s: taken over is not %v", id, isKept)
		}
	}
	if first.listeners["http"].get(hostKey("b.example.com")) != second.listeners["http"].get(hostKey("b.example.com")) {
		t.Error("the paths of an untouched host were copied")
	}
}

func TestCompileLeavesThePreviousTableAsItWas(t *testing.T) {
	first := compile(t, nil, parse("a.example.com /a", "a.example.com /b", "b.example.com /"))
	before := dump(t, first)
	compile(t, first, parse("a.example.com /a h:x", "a.example.com /b/c"))
	compile(t, first, parse("b.example.com /"))
	if after := dump(t, first); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func TestTwoRoutesOfOneIDAreAProblemOfTheSecond(t *testing.T) {
	one, two, other := parseRoute("r", "* /one").Seal(), parseRoute("r", "* /two").Seal(), parseRoute("other", "* /").Seal()
	var table *Table
	for _, step := range []struct {
		routes   []*snapshot.Route
		problems int
		path     string
		want     string
	}{
		{[]*snapshot.Route{one, other}, 0, "/one", "r"},
		{[]*snapshot.Route{one, two, other}, 1, "/two", "other"},
		{[]*snapshot.Route{one, two}, 1, "/one", "r"},
		{[]*snapshot.Route{two, other}, 0, "/two", "r"},
		{[]*snapshot.Route{two, other}, 0, "/one", "other"},
	} {
		var problems []Problem
		table, problems = Compile(table, snapshotOf(step.routes...), options())
		if len(problems) != step.problems || len(problems) > 0 && !errors.Is(problems[0].Err, errTwin) {
			t.Errorf("problems %v, want %d", problems, step.problems)
		}
		if got := answer(New(table), step.path); got != step.want {
			t.Errorf("%s: answered by %s, want %s", step.path, got, step.want)
		}
	}
}

func TestTableDoesNotKeepThePreviousOneAlive(t *testing.T) {
	collected := make(chan struct{})
	build := func() *Table {
		first := compile(t, nil, parse("a.example.com /a", "b.example.com /b", "b.example.com /c"))
		runtime.AddCleanup(first, func(c chan struct{}) { close(c) }, collected)
		return compile(t, first, parse("a.example.com /a", "b.example.com /b", "b.example.com /d"))
	}
	table := build()
	for i := 0; ; i++ {
		runtime.GC()
		select {
		case <-collected:
			runtime.KeepAlive(table)
			return
		default:
		}
		if i == 100 {
			t.Fatal("the first table outlives 100 collections")
		}
		runtime.Gosched()
	}
}

func TestFiltersReachTheClustersThatTheyName(t *testing.T) {
	var kept filter.Env
	o := options()
	o.Filters = filter.Registry{filter.Define("reach", func(_ struct{}, env filter.Env) (filter.Filter, error) {
		kept = env
		if _, err := env.Cluster("other"); err == nil {
			t.Error("a cluster that the filter does not name can be reached")
		}
		h, err := env.Cluster(env.Clusters[0])
		return through{h}, err
	}, nil)}
	build := func(prev *Table, cluster *snapshot.Cluster, name string) (*Table, []Problem) {
		spec := parseRoute("r", "* /")
		spec.Filters = []snapshot.Filter{{Name: "reach", Clusters: []string{name}}}
		other := (&snapshot.Cluster{Name: "other"}).Seal()
		return Compile(prev, proxytest.Snapshot(proxytest.Parts{Routes: []*snapshot.Route{spec.Seal()}, Clusters: []*snapshot.Cluster{clusterC, other, cluster}}), o)
	}
	first, problems := build(nil, (&snapshot.Cluster{Name: "service"}).Seal(), "service")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	x := get("h", "/")
	if err := New(first).Serve(x); err != nil || x.Upstream.Cluster != "service" {
		t.Errorf("cluster %q, error %v", x.Upstream.Cluster, err)
	}
	if _, err := kept.Cluster("service"); err == nil {
		t.Error("a cluster can be reached from a table that may be gone")
	}
	// A route is built anew with the cluster that one of its filters reaches.
	second, _ := build(first, (&snapshot.Cluster{Name: "service", Host: "192.0.2.1"}).Seal(), "service")
	if first.routes.Get("r") == second.routes.Get("r") {
		t.Error("the route still has the cluster as it was")
	}
	if _, problems := build(nil, clusterC, "missing"); len(problems) != 1 {
		t.Errorf("problems %v, want one about the missing cluster", problems)
	}
}

// through sends everything to another handler.
type through struct{ exchange.Handler }

func (t through) Wrap(exchange.Handler) exchange.Handler { return t.Handler }
