package builtin_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/basicauth"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/filter/extauth"
	"github.com/penstock/penstock/proxy/filter/jwt"
	"github.com/penstock/penstock/proxy/filter/jwt/jwks"
	"github.com/penstock/penstock/proxy/filter/ratelimit"
	"github.com/penstock/penstock/proxy/i18n"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

func newDeps(tb testing.TB, log io.Writer) builtin.Deps {
	tb.Helper()
	catalogue, err := i18n.Embedded()
	if err != nil {
		tb.Fatal(err)
	}
	local := limit.NewLocal(1000, time.Now)
	d := builtin.Deps{
		AccessLog: observe.NewAccessLog(log), Requests: observe.NewRequests(0), Catalogue: catalogue,
		Tokens: jwt.NewStore(slog.New(slog.DiscardHandler), jwks.Reach{}), Passwords: basicauth.NewStore(),
		Decisions: observe.NewDecisions(), AuthClients: extauth.NewClients(),
		RateLimits: ratelimit.Deps{Local: local, Cluster: limit.Alone{Local: local}, Meters: observe.NewLimits()},
	}
	tb.Cleanup(d.AccessLog.Close)
	return d
}

// users rely on the order: whoever changes it changes docs/life-of-a-request.md and tells them.
func TestTheOrderIsTheDocumentedOne(t *testing.T) {
	var got []string
	for _, d := range builtin.Registry(builtin.Deps{}) {
		got = append(got, d.Name)
	}
	want := []string{
		"accesslog", "metrics", "tracing", "localreply", "forwarded",
		"responseHeaders", "securityHeaders", "redirectHTTP", "ipAccess", "cors", "rateLimit", "csrf", "apiKey", "jwt", "basicAuth", "extAuth",
		"authorization", "rateLimitIdentity", "redirect", "directResponse", "rewrite", "requestHeaders",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestBaseFiltersCannotBeConfigured(t *testing.T) {
	registry := builtin.Registry(builtin.Deps{})
	for _, d := range registry {
		if _, err := registry.Check(snapshot.Filter{Name: d.Name}); d.Base && err == nil {
			t.Errorf("base filter %s can be configured", d.Name)
		}
	}
}

func TestBaseFiltersComeFirst(t *testing.T) {
	registry := builtin.Registry(builtin.Deps{})
	for i, d := range registry[1:] {
		if d.Base && !registry[i].Base {
			t.Errorf("base filter %s stands inside of %s", d.Name, registry[i].Name)
		}
	}
}

func TestFiltersWorkTogether(t *testing.T) {
	var log strings.Builder
	deps := newDeps(t, &log)
	upstream := &proxytest.Upstream{Status: 200, Head: []string{"X-Trace-ID", "theirs"}, Body: "hello"}
	route := &exchange.Route{ID: "shop/users/0", Patterns: []string{"/users"}, Prefixes: []string{"/users"}}
	configured := []snapshot.Filter{
		{Name: "requestHeaders", Config: json.RawMessage(`{"set": [{"name": "X-Forwarded-Host", "value": "set last"}]}`)},
		{Name: "responseHeaders", Config: json.RawMessage(`{"set": [{"name": "Server", "value": "ours"}]}`)},
		{Name: "rewrite", Config: json.RawMessage(`{"hostname": "users.internal", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}`)},
	}
	chain, err := builtin.Registry(deps).Chain(true, configured, filter.Env{Route: route}, upstream)
	if err != nil {
		t.Fatal(err)
	}
	x := proxytest.Exchange(t, "GET /users/42 HTTP/1.1\nHost: shop.example.com\nX-Trace-ID: 4bf92f3577b34da6a3ce929d0e0e4736\n")
	x.Route = route
	if err := chain.Handler.Serve(x); err != nil {
		t.Fatal(err)
	}
	want := "GET /42 HTTP/1.1\nHost: users.internal\nX-Trace-ID: 4bf92f3577b34da6a3ce929d0e0e4736\n" +
		"Forwarded: for=192.0.2.1;host=shop.example.com;proto=http\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: set last\n"
	if diff := cmp.Diff(want, upstream.Got); diff != "" {
		t.Errorf("backend (-want +got):\n%s", diff)
	}
	want = "HTTP/1.1 200 OK\nServer: ours\nX-Trace-ID: 4bf92f3577b34da6a3ce929d0e0e4736\n\nhello"
	if diff := cmp.Diff(want, proxytest.ResponseText(t, x)); diff != "" {
		t.Errorf("client (-want +got):\n%s", diff)
	}
	x.SetFinishers(chain.Finishers)
	x.Finish()
	deps.AccessLog.Close()
	for _, part := range []string{`"path":"/users/42"`, `"host":"shop.example.com"`, `"client":"192.0.2.1"`, `"status":200`} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("no %s in %s", part, log.String())
		}
	}
}

func TestRedirectsGetResponseHeadersAndATraceID(t *testing.T) {
	configured := []snapshot.Filter{
		{Name: "redirect", Config: json.RawMessage(`{"scheme": "https"}`)},
		{Name: "responseHeaders", Config: json.RawMessage(`{"add": [{"name": "A", "value": "b"}]}`)},
	}
	deps := newDeps(t, io.Discard)
	deps.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	route := &exchange.Route{ID: "shop/users/0", Patterns: []string{"/"}, Prefixes: []string{"/"}}
	chain, err := builtin.Registry(deps).Chain(true, configured, filter.Env{Route: route}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := proxytest.Exchange(t, "GET /users HTTP/1.1\nHost: shop.example.com:8080\nX-Trace-ID: 4bf92f3577b34da6a3ce929d0e0e4736\n")
	x.Route = route
	if err := chain.Handler.Serve(x); err != nil {
		t.Fatal(err)
	}
	want := "HTTP/1.1 302 Found\nLocation: https://shop.example.com/users\nA: b\nX-Trace-ID: 4bf92f3577b34da6a3ce929d0e0e4736\n\n"
	if diff := cmp.Diff(want, proxytest.ResponseText(t, x)); diff != "" {
		t.Errorf("client (-want +got):\n%s", diff)
	}
}

var errPreallocated = &exchange.Error{Status: 503, Code: "upstream.no_endpoint", Source: exchange.FromUpstream, Err: errors.New("none ready")}

var lasts = map[string]exchange.HandlerFunc{
	"an answer": func(x *exchange.Exchange) error {
		x.Response.Status = 200
		x.SetBody(hello)
		return nil
	},
	"a failure":  func(*exchange.Exchange) error { return errPreallocated },
	"a redirect": func(x *exchange.Exchange) error { x.Reply(302); return nil },
}

var hello = []byte("hello")

const request = "GET /users/42?full=1 HTTP/1.1\nHost: shop.example.com\nUser-Agent: curl/8.5.0\nAccept: */*\nAccept-Language: de\nX-Forwarded-For: 10.0.0.1\n"

// cycle returns a function that serves one exchange through the base chain and the filters of a rule.
func cycle(tb testing.TB, last exchange.Handler, trusted []netip.Prefix) func() {
	tb.Helper()
	deps := newDeps(tb, io.Discard)
	deps.TrustedProxies = trusted
	route := &exchange.Route{ID: "shop/users/0", Patterns: []string{"/users"}, Prefixes: []string{"/users"}}
	configured := []snapshot.Filter{
		{Name: "requestHeaders", Config: json.RawMessage(`{"set": [{"name": "X-A", "value": "1"}], "remove": ["Cookie", "X-B"]}`)},
		{Name: "responseHeaders", Config: json.RawMessage(`{"add": [{"name": "X-C", "value": "2"}]}`)},
		{Name: "rewrite", Config: json.RawMessage(`{"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/people"}}`)},
	}
	chain, err := builtin.Registry(deps).Chain(true, configured, filter.Env{Route: route}, last)
	if err != nil {
		tb.Fatal(err)
	}
	template := proxytest.Exchange(tb, request)
	fields := slices.Collect(fieldsOf(template))
	x := &exchange.Exchange{}
	return func() {
		x.Reset()
		x.Request.Method, x.Request.Scheme, x.Request.Path = "GET", "http", "/users/42"
		x.Request.Authority, x.Request.Host, x.Peer, x.Start = "shop.example.com", "shop.example.com", proxytest.Peer, proxytest.Start
		for _, f := range fields {
			x.Request.Head.Add(f[0], f[1])
		}
		x.Route = route
		_ = chain.Handler.Serve(x) // localreply never fails
		x.SetFinishers(chain.Finishers)
		x.Finish()
	}
}

func fieldsOf(x *exchange.Exchange) func(func([2]string) bool) {
	return func(yield func([2]string) bool) {
		for name, value := range x.Request.Head.All() {
			if !yield([2]string{name, value}) {
				return
			}
		}
	}
}

func TestTheChainDoesNotAllocate(t *testing.T) {
	for name, last := range lasts {
		for _, trusted := range [][]netip.Prefix{nil, {netip.MustParsePrefix("192.0.2.0/24")}} {
			serve := cycle(t, last, trusted)
			if n := testing.AllocsPerRun(2000, serve); n != 0 {
				t.Errorf("%s, trusted %v: %v allocations an exchange, want none", name, trusted, n)
			}
		}
	}
}

func BenchmarkChain(b *testing.B) {
	serve := cycle(b, lasts["an answer"], nil)
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}
