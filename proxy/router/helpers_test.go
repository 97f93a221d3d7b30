package router

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

// parseRoute makes a route from a line: hosts, separated by commas ("*" for any; "?.example.com" has all wildcards of the
// route stand for one label), then matches, separated by " | ". A
// match is a path ("/prefix", "=/exact", "~regex") and what else must hold: methods ("GET,PUT"), headers, query
// parameters and cookies ("h:name", "q:name=value", "!c:name~regex").
func parseRoute(id, line string) *snapshot.Route {
	names, matches, _ := strings.Cut(line, " ")
	r := &snapshot.Route{ID: id, Listeners: []string{"http"}, Backends: []snapshot.Backend{{Cluster: "c", Weight: 1}}}
	if names != "*" {
		r.OneLabel = strings.Contains(names, "?")
		r.Hosts = strings.Split(strings.ReplaceAll(names, "?", "*"), ",")
	}
	for m := range strings.SplitSeq(matches, " | ") {
		r.Matches = append(r.Matches, parseMatch(m))
	}
	return r
}

func parseMatch(text string) (m snapshot.Match) {
	for i, word := range strings.Fields(text) {
		list := map[string]*[]snapshot.Predicate{"h": &m.Headers, "q": &m.Query, "c": &m.Cookies}
		parts := predicateForm.FindStringSubmatch(word)
		switch {
		case i == 0 && word[0] == '=':
			m.Path = snapshot.Path{Type: snapshot.Exact, Value: word[1:]}
		case i == 0 && word[0] == '~':
			m.Path = snapshot.Path{Type: snapshot.Regex, Value: word[1:]}
		case i == 0:
			m.Path = snapshot.Path{Type: snapshot.Prefix, Value: word}
		case parts != nil:
			kind := predicateTypes[parts[4]]
			p := snapshot.Predicate{Invert: parts[1] != "", Name: parts[3], Type: kind, Value: parts[5]}
			*list[parts[2]] = append(*list[parts[2]], p)
		default:
			m.Methods = strings.Split(word, ",")
		}
	}
	return m
}

var predicateTypes = map[string]snapshot.PredicateType{
	"": snapshot.ValuePresent, "=": snapshot.ValueExact, "~": snapshot.ValueRegex,
}

var predicateForm = regexp.MustCompile(`^(!?)([hqc]):([^=~]+)([=~]?)(.*)$`)

// options has a cluster handler that answers 200 and says which cluster it is, and these filters: "tag" adds its
// configuration to the answer, "count" counts its finished exchanges, "fail" can't be built, "panic" panics while it
// is built, "secret" adds the value of a secret to the answer.
func options() Options {
	return Options{
		Filters: filter.Registry{
			filter.DefineBase("base", func(filter.Env) filter.Filter { return tag("base") }),
			filter.Define("tag", func(c string, _ filter.Env) (filter.Filter, error) { return tag(c), nil }, nil),
			filter.Define("count", func(c string, _ filter.Env) (filter.Filter, error) { return finisher(c), nil }, nil),
			filter.Define("fail", func(string, filter.Env) (filter.Filter, error) { return nil, errors.New("never works") }, nil),
			filter.Define("panic", func(string, filter.Env) (filter.Filter, error) { panic("at the disco") }, nil),
			filter.Define("secret", buildSecret, secretConfig.refs),
		},
		Cluster: func(c *snapshot.Cluster) exchange.Handler { return upstream(c.Name) },
		Now:     time.Now,
	}
}

// upstream answers 200.
type upstream string

func (u upstream) Serve(x *exchange.Exchange) error {
	x.Upstream.Cluster = string(u)
	x.Response.Status = 200
	return nil
}

type tag string

func (g tag) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		err := next.Serve(x)
		x.Response.Head.Add("tag", string(g))
		return err
	})
}

// finisher appends its name to the answer when the exchange ends.
type finisher string

func (f finisher) Wrap(next exchange.Handler) exchange.Handler { return next }

func (f finisher) Done(x *exchange.Exchange) { x.Response.Head.Add("done", string(f)) }

type secretConfig struct {
	Named, Read string
}

func (c secretConfig) refs() []snapshot.Ref { return []snapshot.Ref{secretRef(c.Named)} }

func secretRef(name string) snapshot.Ref {
	return snapshot.Ref{Namespace: "ns", Name: name, Key: "key"}
}

func buildSecret(c secretConfig, env filter.Env) (filter.Filter, error) {
	b, err := env.Secret(secretRef(c.Read))
	return tag(b), err
}

// parse makes a snapshot of routes r0, r1, ... from lines, with one cluster "c".
func parse(lines ...string) *snapshot.Snapshot {
	var routes []*snapshot.Route
	for i, line := range lines {
		routes = append(routes, parseRoute(fmt.Sprintf("r%d", i), line).Seal())
	}
	return snapshotOf(routes...)
}

var clusterC = (&snapshot.Cluster{Name: "c"}).Seal()

func snapshotOf(routes ...*snapshot.Route) *snapshot.Snapshot {
	return proxytest.Snapshot(proxytest.Parts{Routes: routes, Clusters: []*snapshot.Cluster{clusterC}})
}

// compile compiles a snapshot that must have no problem.
func compile(t *testing.T, prev *Table, s *snapshot.Snapshot) *Table {
	t.Helper()
	table, problems := Compile(prev, s, options())
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	return table
}

// get makes an exchange for a GET request.
func get(host, path string) *exchange.Exchange {
	x := &exchange.Exchange{Listener: "http"}
	x.Request.Method, x.Request.Host, x.Request.Path = "GET", host, path
	return x
}

func dump(t *testing.T, table *Table) string {
	t.Helper()
	var b strings.Builder
	if err := table.Dump(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// values returns the values of a field of the answer.
func values(x *exchange.Exchange, name string) (list []string) {
	for v := range x.Response.Head.Values(name) {
		list = append(list, v)
	}
	return list
}

// code is the code of an exchange's error.
func code(err error) string {
	var e *exchange.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return e.Code
}
