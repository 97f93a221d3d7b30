package router

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// pick returns one of its arguments.
func pick(random *rand.Rand, from ...string) string { return from[random.IntN(len(from))] }

// randomLine makes a route for parseRoute out of few parts, so that many are alike.
func randomLine(random *rand.Rand) string {
	names := []string{pick(random, "*", "a.x", "b.x", "*.x", "?.x", "c.a.x", "*.a.x", "?.a.x")}
	if names[0] != "*" && random.IntN(3) == 0 {
		names = append(names, pick(random, "y", "*.y", "?.y", "*"))
	}
	matches := make([]string, 1+random.IntN(3))
	for i := range matches {
		matches[i] = randomMatch(random)
	}
	return strings.Join(names, ",") + " " + strings.Join(matches, " | ")
}

func randomMatch(random *rand.Rand) string {
	m := pick(random, "/", "/a", "/a/b", "/ab", "/b", "=/", "=/a", "=/a/", "=/a/b",
		"~/a.*", "~/a/[ab]+", "~.*b", "~/(a|b)/b", "~/a/b", "~(/|/a)")
	if random.IntN(3) == 0 {
		m += pick(random, " GET", " GET,PUT")
	}
	for random.IntN(2) == 0 {
		m += " " + pick(random, "", "!") + pick(random, "h", "q", "c") + ":" + pick(random, "k", "l") +
			pick(random, "", "=1", "=2 ", "~[12]", "~1+")
	}
	return m
}

func randomRequest(random *rand.Rand) *exchange.Exchange {
	x := get(pick(random, "a.x", "b.x", "c.x", "c.a.x", "d.a.x", "e.d.a.x", "e.c.x", "x", "y", "z.y", "z.z.y", ""),
		pick(random, "/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "/b/b", "/c"))
	x.Request.Method = pick(random, "GET", "PUT", "POST")
	x.Request.Query = pick(random, "", "k", "k=1", "k=1&k=2", "l=11&k=2", "l=%31", "%6b=%32&l=3", "+k=1")
	for range random.IntN(3) {
		x.Request.Head.Add(pick(random, "k", "K", "l"), pick(random, "1", "2", "11", ""))
	}
	for range random.IntN(3) {
		x.Request.Head.Add("Cookie", pick(random, "k=1", "l=2; k=2", "k", "l=11;k=", "j=1"))
	}
	return x
}

func randomRoutes(random *rand.Rand, n int) []*snapshot.Route {
	var routes []*snapshot.Route
	for i := range n {
		routes = append(routes, parseRoute(fmt.Sprintf("r%d", i), randomLine(random)).Seal())
	}
	return routes
}

func TestTableMatchesLikeTheDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		routes := randomRoutes(random, 1+random.IntN(30))
		table := compile(t, nil, snapshotOf(routes...))
		for range 50 {
			x := randomRequest(random)
			got := ""
			if c := table.match(x); c != nil {
				got = fmt.Sprintf("%s[%d]", c.route.ID, c.index)
			}
			if want := defined(routes, x); got != want {
				t.Fatalf("%+v: matched %q, defined is %q\n%s", x.Request, got, want, dump(t, table))
			}
		}
	}
}

// defined finds the route and match of a request as docs/routing.md says, without any of the table's structures.
func defined(routes []*snapshot.Route, x *exchange.Exchange) string {
	host, deep := definedHost(routes, x.Request.Host)
	type entry struct {
		match *snapshot.Match
		name  string
	}
	var entries []entry
	for _, r := range routes {
		if !slices.Contains(r.Hosts, host) && (host != "*" || len(r.Hosts) > 0) || deep && r.OneLabel {
			continue
		}
		for i := range r.Matches {
			entries = append(entries, entry{&r.Matches[i], fmt.Sprintf("%s[%d]", r.ID, i)})
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.match.Compare(b.match) })
	for _, e := range entries {
		if definedMatch(e.match, x) {
			return e.name
		}
	}
	return ""
}

// definedHost returns the most specific host of the routes that name belongs to, and whether it is a wildcard that stands
// for several labels.
func definedHost(routes []*snapshot.Route, name string) (best string, deep bool) {
	best = "*"
	for _, r := range routes {
		for _, h := range r.Hosts {
			if h == name {
				return h, false
			}
			suffix, isWildcard := strings.CutPrefix(h, "*.")
			labels, below := strings.CutSuffix(name, "."+suffix)
			several := strings.Contains(labels, ".")
			if isWildcard && below && len(h) > len(best) && (!several || !r.OneLabel) {
				best, deep = h, several
			}
		}
	}
	return best, deep
}

func definedMatch(m *snapshot.Match, x *exchange.Exchange) bool {
	headers, cookies := make(url.Values), make(url.Values)
	for name, v := range x.Request.Head.All() {
		headers.Add(strings.ToLower(name), v)
	}
	for _, pair := range strings.Split(strings.Join(headers["cookie"], ";"), ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
		cookies.Add(name, v)
	}
	parameters, _ := url.ParseQuery(x.Request.Query)
	return definedPath(m.Path, x.Request.Path) &&
		(len(m.Methods) == 0 || slices.Contains(m.Methods, x.Request.Method)) &&
		definedPredicates(m.Headers, func(name string) []string { return headers[name] }) &&
		definedPredicates(m.Query, func(name string) []string { return first(parameters[name]) }) &&
		definedPredicates(m.Cookies, func(name string) []string { return first(cookies[name]) })
}

func first(list []string) []string { return list[:min(1, len(list))] }

func definedPath(p snapshot.Path, path string) bool {
	switch p.Type {
	case snapshot.Exact:
		return path == p.Value
	case snapshot.Prefix:
		return strings.HasPrefix(path+"/", strings.TrimSuffix(p.Value, "/")+"/")
	}
	return definedRegexp(p.Value, path)
}

func definedPredicates(list []snapshot.Predicate, values func(name string) []string) bool {
	return !slices.ContainsFunc(list, func(p snapshot.Predicate) bool {
		return slices.ContainsFunc(values(p.Name), func(v string) bool { return definedValue(p, v) }) == p.Invert
	})
}

func definedValue(p snapshot.Predicate, v string) bool {
	switch p.Type {
	case snapshot.ValueExact:
		return v == p.Value
	case snapshot.ValueRegex:
		return definedRegexp(p.Value, v)
	}
	return true
}

func definedRegexp(pattern, text string) bool {
	re := regexp.MustCompile(pattern)
	re.Longest()
	at := re.FindStringIndex(text)
	return at != nil && at[0] == 0 && at[1] == len(text)
}

// TestIncrementalCompileEqualsFromScratch edits snapshots at random and holds the table of each equal to one compiled
// from nothing.
func TestIncrementalCompileEqualsFromScratch(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 10 {
		routes := placed(randomRoutes(random, 20))
		clusters := []*snapshot.Cluster{clusterC}
		var table *Table
		for step := range 50 {
			s := proxytest.Snapshot(proxytest.Parts{Clusters: clusters})
			s.Routes = radix.Collect(maps.All(routes))
			var problems []Problem
			table, problems = Compile(table, s, options())
			scratch, want := Compile(nil, s, options())
			if diff := cmp.Diff(texts(want), texts(problems)); diff != "" {
				t.Fatalf("step %d: problems (-scratch +incremental):\n%s", step, diff)
			}
			if diff := cmp.Diff(dump(t, scratch), dump(t, table)); diff != "" {
				t.Fatalf("step %d (-scratch +incremental):\n%s", step, diff)
			}
			for range 20 {
				x := randomRequest(random)
				if got, want := outcome(table, x), outcome(scratch, x); got != want {
					t.Fatalf("step %d: %s %s: got %s, want %s", step, x.Request.Host, x.Request.Path, got, want)
				}
			}
			editRoutes(random, routes, step)
			cluster := &snapshot.Cluster{Name: pick(random, "c", "c", "c", "d"), Host: pick(random, "", "", "h")}
			clusters = []*snapshot.Cluster{cluster.Seal()}
		}
	}
}

func texts(problems []Problem) (list []string) {
	for _, p := range problems {
		list = append(list, p.RouteID+": "+p.Err.Error())
	}
	return list
}

func outcome(table *Table, x *exchange.Exchange) string {
	x.Route, x.Upstream.Cluster = nil, ""
	err := New(table).Serve(x)
	return fmt.Sprint(x.RouteID(), x.Match, x.Upstream.Cluster, err)
}

// placed gives each route a place, with space between them.
func placed(routes []*snapshot.Route) map[string]*snapshot.Route {
	out := make(map[string]*snapshot.Route)
	for i, r := range routes {
		out[fmt.Sprintf("%02d", i)] = r
	}
	return out
}

// editRoutes has routes come, go, change, move, or be replaced by equal copies. The IDs of new ones are not used before.
func editRoutes(random *rand.Rand, routes map[string]*snapshot.Route, step int) {
	for i := range random.IntN(5) {
		// A place of its own, anywhere among the others.
		free := fmt.Sprintf("%02d-%d-%d", random.IntN(25), step, i)
		at := pick(random, append(slices.Sorted(maps.Keys(routes)), free)...)
		switch what := random.IntN(5); {
		case what == 0 || at == free:
			r := parseRoute(fmt.Sprintf("s%d-%d", step, i), randomLine(random))
			if random.IntN(5) == 0 {
				r.Filters = []snapshot.Filter{configured(pick(random, "fail", "panic", "tag"), "")}
			}
			routes[free] = r.Seal()
		case what == 1:
			delete(routes, at)
		case what == 2:
			routes[at] = parseRoute(routes[at].ID, randomLine(random)).Seal()
		case what == 3:
			routes[free] = routes[at]
			delete(routes, at)
		default:
			c := *routes[at]
			routes[at] = c.Seal()
		}
	}
}
