package ratelimit_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/ratelimit"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

// lab is a route under limits, at a time that only the test moves.
type lab struct {
	now      time.Time
	deps     ratelimit.Deps
	upstream proxytest.Upstream
	// next is upstream, unless it allocates too much.
	next exchange.Handler
}

func newLab() *lab {
	l := &lab{now: proxytest.Start, upstream: proxytest.Upstream{Body: "hello"}}
	local := limit.NewLocal(1000, func() time.Time { return l.now })
	l.next = &l.upstream
	l.deps = ratelimit.Deps{Local: local, Cluster: limit.Alone{Local: local}, Meters: observe.NewLimits()}
	return l
}

func (l *lab) registry() filter.Registry {
	return filter.Registry{ratelimit.Definition(l.deps), ratelimit.Identity(l.deps)}
}

// chain builds the filters for the limits of one policy, in JSON. Those of the second list need an identity.
func (l *lab) chain(tb testing.TB, policy string, limits ...string) filter.Chain {
	tb.Helper()
	var configured []snapshot.Filter
	for i, name := range []string{ratelimit.Name, ratelimit.IdentityName}[:len(limits)] {
		config := `{"policies": [{"name": "shop/p"` + policy + `, "limits": [` + limits[i] + `]}]}`
		configured = append(configured, snapshot.Filter{Name: name, Config: json.RawMessage(config)})
	}
	chain, err := l.registry().Chain(false, configured, filter.Env{}, l.next)
	if err != nil {
		tb.Fatal(err)
	}
	return chain
}

// get is a request that begins and ends. Its lines are header fields.
func get(tb testing.TB, c filter.Chain, lines ...string) (*exchange.Exchange, error) {
	tb.Helper()
	x := request(tb, lines...)
	err := c.Handler.Serve(x)
	end(c, x)
	return x, err
}

func request(tb testing.TB, lines ...string) *exchange.Exchange {
	tb.Helper()
	x := proxytest.Exchange(tb, "GET /users/42?a=b HTTP/1.1\nHost: a\n"+strings.Join(append(lines, ""), "\n"))
	x.Client = x.Peer.Addr()
	return x
}

func end(c filter.Chain, x *exchange.Exchange) {
	x.SetFinishers(c.Finishers)
	x.Finish()
}

func refused(tb testing.TB, err error, code string) bool {
	tb.Helper()
	if err == nil {
		return false
	}
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.Code != code {
		tb.Fatalf("failed with %v, want %s", err, code)
	}
	return true
}

const exceeded = "ratelimit.exceeded"

// counts are the decisions by name.
func (l *lab) counts(t *testing.T) map[string]int {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(l.deps.Meters)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out[decision(m)] += int(m.GetCounter().GetValue())
		}
	}
	return out
}

func decision(m *dto.Metric) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == "decision" {
			return l.GetValue()
		}
	}
	return ""
}

func TestAKeyTellsWhoseRequestsAreCountedTogether(t *testing.T) {
	route := &exchange.Route{ID: "shop/other/0"}
	for name, tt := range map[string]struct {
		key    string
		change func(x *exchange.Exchange)
		apart  bool
	}{
		"one header, another value": {`{"type": "Header", "name": "x-id"}`, func(x *exchange.Exchange) { x.Request.Head.Set("X-ID", "2") }, true},
		"one header, another field": {`{"type": "Header", "name": "X-ID"}`, func(x *exchange.Exchange) { x.Request.Head.Set("X-Other", "2") }, false},
		"a cookie":                  {`{"type": "Cookie", "name": "s"}`, func(x *exchange.Exchange) { x.Request.Head.Set("Cookie", "a=1; s=2") }, true},
		"a cookie, another one":     {`{"type": "Cookie", "name": "s"}`, func(x *exchange.Exchange) { x.Request.Head.Set("Cookie", "s=1; a=2") }, false},
		"the path":                  {`{"type": "Path"}`, func(x *exchange.Exchange) { x.Request.Path = "/users/43" }, true},
		"the path, not the query":   {`{"type": "Path"}`, func(x *exchange.Exchange) { x.Request.Query = "c" }, false},
		"the method":                {`{"type": "Method"}`, func(x *exchange.Exchange) { x.Request.Method = "PUT" }, true},
		"the route":                 {`{"type": "Route"}`, func(x *exchange.Exchange) { x.Route = route }, true},
		"an expression":             {`{"type": "Expression", "expression": "request.path.split('/')[2]"}`, func(x *exchange.Exchange) { x.Request.Path = "/users/43" }, true},
		"an expression, same value": {`{"type": "Expression", "expression": "request.path.split('/')[1]"}`, func(x *exchange.Exchange) { x.Request.Path = "/users/43" }, false},
		"a claim in an expression":  {`{"type": "Expression", "expression": "claims.sub"}`, func(x *exchange.Exchange) { x.Subject.Claims = claims(t, `{"sub": "2"}`) }, true},
		"the API key":               {`{"type": "APIKey"}`, func(x *exchange.Exchange) { x.Subject.Client = "2" }, true},
		"a claim":                   {`{"type": "Claim", "name": "sub"}`, func(x *exchange.Exchange) { x.Subject.Claims = claims(t, `{"sub": "2"}`) }, true},
		"a claim, another one":      {`{"type": "Claim", "name": "sub"}`, func(x *exchange.Exchange) { x.Subject.Claims = claims(t, `{"sub": "1", "a": 1}`) }, false},
		"the address":               {`{"type": "ClientAddress"}`, func(x *exchange.Exchange) { x.Client = netip.MustParseAddr("192.0.2.2") }, true},
		"the network of an address": {`{"type": "ClientAddress", "ipv4PrefixLength": 24}`, func(x *exchange.Exchange) { x.Client = netip.MustParseAddr("192.0.2.2") }, false},
		"an address in IPv6 form":   {`{"type": "ClientAddress"}`, func(x *exchange.Exchange) { x.Client = netip.MustParseAddr("::ffff:192.0.2.1") }, false},
		"one of two parts":          {`{"type": "Path"}, {"type": "Method"}`, func(x *exchange.Exchange) { x.Request.Method = "PUT" }, true},
		"no key":                    {``, func(x *exchange.Exchange) { x.Request.Method, x.Request.Path = "PUT", "/" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab()
			c := l.chain(t, "", `{"name": "l", "requests": 1, "period": "1m", "key": [`+tt.key+`]}`)
			for i, change := range []func(*exchange.Exchange){func(*exchange.Exchange) {}, tt.change} {
				x := request(t, "X-ID: 1", "Cookie: s=1")
				x.Route, x.Subject = &exchange.Route{ID: "shop/users/0"}, exchange.Subject{Client: "1", Claims: claims(t, `{"sub": "1"}`)}
				change(x)
				if err := c.Handler.Serve(x); refused(t, err, exceeded) != (i == 1 && !tt.apart) {
					t.Errorf("request %d: %v", i+1, err)
				}
			}
		})
	}
}

func claims(t *testing.T, text string) *exchange.Claims {
	t.Helper()
	c, err := exchange.ParseClaims([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIPv6ClientsAreToldByTheirNetwork(t *testing.T) {
	l := newLab()
	c := l.chain(t, "", `{"name": "l", "requests": 1, "period": "1m", "key": [{"type": "ClientAddress"}]}`)
	for address, want := range map[string]bool{"2001:db8::1": false, "2001:db8:0:1::1": false} {
		for _, host := range []string{address, address + "0"} {
			x := request(t)
			x.Client = netip.MustParseAddr(host)
			if got := refused(t, c.Handler.Serve(x), exceeded); got != want {
				t.Errorf("%s: refused %t, want %t", host, got, want)
			}
			want = true
		}
	}
}

func TestPartsOfAKeyAreKeptApart(t *testing.T) {
	l := newLab()
	c := l.chain(t, "", `{"name": "l", "requests": 1, "period": "1m", "key": [{"type": "Header", "name": "A"}, {"type": "Header", "name": "B"}]}`)
	for _, lines := range [][]string{{"A: xy", "B: z"}, {"A: x", "B: yz"}} {
		if _, err := get(t, c, lines...); err != nil {
			t.Errorf("%v share a bucket with others", lines)
		}
	}
}

func TestRequestsWithoutTheKey(t *testing.T) {
	for mode, want := range map[string]string{"": exceeded, "Shared": exceeded, "NoLimit": "", "Refuse": "ratelimit.key_missing"} {
		t.Run(mode, func(t *testing.T) {
			l := newLab()
			c := l.chain(t, "", `{"name": "l", "requests": 1, "period": "1m", "key": [{"type": "Header", "name": "A"}], "onMissingKey": "`+mode+`"}`)
			var err error
			for range 2 {
				_, err = get(t, c, "A:")
			}
			if refused(t, err, want) != (want != "") {
				t.Errorf("the second request: %v, want %q", err, want)
			}
			if _, err := get(t, c, "A: 1"); err != nil {
				t.Errorf("a request with the key: %v", err)
			}
			if keyless := l.counts(t)["keyless"]; (keyless == 2) != (want != exceeded) {
				t.Errorf("%d requests are counted as keyless", keyless)
			}
		})
	}
}

func TestAnExpressionMayComeToNothing(t *testing.T) {
	for _, text := range []string{"claims.nobody", "request.path == '/users/42' ? '' : 'a'", "claims.roles"} {
		l := newLab()
		c := l.chain(t, "", `{"name": "l", "requests": 1, "period": "1m", "onMissingKey": "Refuse", "key": [{"type": "Expression", "expression": "`+text+`"}]}`)
		x := request(t)
		x.Subject.Claims = claims(t, `{"roles": ["a"]}`)
		if err := c.Handler.Serve(x); !refused(t, err, "ratelimit.key_missing") {
			t.Errorf("%s passes for a key", text)
		}
	}
}

func TestSourcesSayWhetherTheyNeedAnIdentity(t *testing.T) {
	for want, keys := range map[bool][]ratelimit.Source{
		false: {{Type: "Header", Name: "a"}, {Type: "Path"}, {Type: "Expression", Expression: "request.path"}, {Type: "Expression", Expression: "claims."}},
		true:  {{Type: "Claim", Name: "sub"}, {Type: "APIKey"}, {Type: "Expression", Expression: "claims.sub"}, {Type: "Expression", Expression: "subject.id"}},
	} {
		for _, key := range keys {
			if got := ratelimit.NeedsIdentity([]ratelimit.Source{{Type: "Method"}, key}); got != want {
				t.Errorf("%+v: %t, want %t", key, got, want)
			}
		}
	}
}

func TestOnlyWhatMatchesCounts(t *testing.T) {
	l := newLab()
	c := l.chain(t, "", `{"name": "l", "requests": 1, "period": "1m", "match": {"path": {"type": "PathPrefix", "value": "/users"},
		"methods": ["GET"], "headers": [{"name": "x-a", "type": "Exact", "value": "1"}], "query": [{"name": "a", "type": "Present"}]}}`)
	for _, line := range []string{"X-A: 2", "X-A: 2", "X-A: 1"} {
		if _, err := get(t, c, line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if _, err := get(t, c, "X-A: 1"); !refused(t, err, exceeded) {
		t.Error("a second request that matches is let through")
	}
}

func TestCosts(t *testing.T) {
	for name, tt := range map[string]struct {
		cost     string
		lines    []string
		answer   []string
		requests int // that pass, of a limit of 10
	}{
		"one without cost":                {cost: `null`, requests: 10},
		"a constant":                      {cost: `{"type": "Constant", "value": 3}`, requests: 3},
		"a header of the request":         {cost: `{"type": "RequestHeader", "name": "X-Cost"}`, lines: []string{"X-Cost: 5"}, requests: 2},
		"a header that is not there":      {cost: `{"type": "RequestHeader", "name": "X-Cost", "value": 2}`, requests: 5},
		"a header that is no number":      {cost: `{"type": "RequestHeader", "name": "X-Cost", "value": 2}`, lines: []string{"X-Cost: -1"}, requests: 5},
		"a header that says nothing":      {cost: `{"type": "RequestHeader", "name": "X-Cost"}`, lines: []string{"X-Cost: 0"}, requests: 10},
		"a header that is huge":           {cost: `{"type": "RequestHeader", "name": "X-Cost"}`, lines: []string{"X-Cost: 99999999999999999999"}, requests: 10},
		"a header beyond the limit":       {cost: `{"type": "RequestHeader", "name": "X-Cost"}`, lines: []string{"X-Cost: 9999999999"}, requests: 0},
		"a header of the answer":          {cost: `{"type": "ResponseHeader", "name": "X-Cost"}`, answer: []string{"X-Cost", "5"}, requests: 2},
		"an answer that costs nothing":    {cost: `{"type": "ResponseHeader", "name": "X-Cost"}`, answer: []string{"X-Cost", "0"}, requests: 20},
		"an answer that does not say":     {cost: `{"type": "ResponseHeader", "name": "X-Cost", "value": 2}`, requests: 5},
		"an answer beyond what was there": {cost: `{"type": "ResponseHeader", "name": "X-Cost"}`, answer: []string{"X-Cost", "500"}, requests: 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab()
			l.upstream.Head = tt.answer
			c := l.chain(t, "", `{"name": "l", "requests": 10, "period": "1m", "cost": `+tt.cost+`}`)
			passed := 0
			for range 20 {
				if _, err := get(t, c, tt.lines...); !refused(t, err, exceeded) {
					passed++
				}
			}
			if passed != tt.requests {
				t.Errorf("%d requests passed, want %d", passed, tt.requests)
			}
		})
	}
}

func TestWhatIsInFlightCountsUntilItsEnd(t *testing.T) {
	l := newLab()
	c := l.chain(t, "", `{"name": "l", "algorithm": "Concurrency", "requests": 1}`)
	first := request(t)
	if err := c.Handler.Serve(first); err != nil {
		t.Fatal(err)
	}
	if x, err := get(t, c); !refused(t, err, exceeded) || fields(&x.FailureHead)["RateLimit-Policy"] != `"p/l";q=1;qu="concurrent-requests"` {
		t.Errorf("beside one in flight: %v, %v", err, fields(&x.FailureHead))
	}
	first.Cancel(&exchange.Error{Status: exchange.StatusClientClosed})
	end(c, first)
	if _, err := get(t, c); err != nil {
		t.Errorf("after the first was aborted: %v", err)
	}
	l.upstream.Err = errors.New("down")
	for range 2 {
		if _, err := get(t, c); !errors.Is(err, l.upstream.Err) {
			t.Errorf("a request that failed holds its place: %v", err)
		}
	}
}

func TestARefusalTakesNothingFromOtherLimits(t *testing.T) {
	for _, scope := range []string{"Replica", "Cluster"} {
		l := newLab()
		tight, wide := `{"name": "tight", "requests": 1, "period": "1s"}`, `{"name": "wide", "requests": 3, "period": "1h", "scope": "`+scope+`"}`
		c := l.chain(t, "", wide+","+tight)
		passed := 0
		for range 10 {
			for range 5 {
				if _, err := get(t, c); !refused(t, err, exceeded) {
					passed++
				}
			}
			l.now = l.now.Add(time.Second)
		}
		if passed != 3 {
			t.Errorf("scope %s: %d requests passed, want 3", scope, passed)
		}
	}
}

func TestTheStrictestLimitSaysHowLongToWait(t *testing.T) {
	l := newLab()
	c := l.chain(t, `, "legacyHeaders": true`, `{"name": "hour", "requests": 1, "period": "1h"}, {"name": "second", "requests": 1, "period": "1s"}`)
	if _, err := get(t, c); err != nil {
		t.Fatal(err)
	}
	x, err := get(t, c)
	if !refused(t, err, exceeded) {
		t.Fatal("the second request passes")
	}
	want := map[string]string{
		"Retry-After":      "3600",
		"RateLimit-Policy": `"p/hour";q=1;w=3600, "p/second";q=1;w=1`, "RateLimit": `"p/hour";r=0;t=3600, "p/second";r=0;t=1`,
		"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3600",
	}
	if diff := cmp.Diff(want, fields(&x.FailureHead)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func fields(h *exchange.Head) map[string]string {
	out := map[string]string{}
	for name, value := range h.All() {
		out[name] += value
	}
	return out
}

func TestAnswersTellOfLimitsAsThePolicySays(t *testing.T) {
	told := map[string]string{"RateLimit-Policy": `"p/l";q=1;w=60`, "RateLimit": `"p/l";r=0;t=60`}
	refusal := map[string]string{"Retry-After": "60", "RateLimit-Policy": `"p/l";q=1;w=60`, "RateLimit": `"p/l";r=0;t=60`}
	for report, tt := range map[string]struct{ passed, refused map[string]string }{
		"":        {map[string]string{}, refusal},
		"Refused": {map[string]string{}, refusal},
		"Always":  {told, refusal},
		"Never":   {map[string]string{}, map[string]string{"Retry-After": "60"}},
	} {
		t.Run(report, func(t *testing.T) {
			c := newLab().chain(t, `, "report": "`+report+`"`, `{"name": "l", "requests": 1, "period": "1m"}`)
			x, _ := get(t, c)
			if diff := cmp.Diff(tt.passed, fields(&x.Response.Head)); diff != "" {
				t.Errorf("the answer of the backend (-want +got):\n%s", diff)
			}
			x, _ = get(t, c)
			if diff := cmp.Diff(tt.refused, fields(&x.FailureHead)); diff != "" {
				t.Errorf("the refusal (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitsOfBothFiltersAreToldOnce(t *testing.T) {
	c := newLab().chain(t, `, "report": "Always"`, `{"name": "a", "requests": 2, "period": "1m"}`, `{"name": "b", "requests": 1, "period": "1m"}`)
	x, err := get(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fields(&x.Response.Head)["RateLimit"], `"p/a";r=1;t=30, "p/b";r=0;t=60`; got != want {
		t.Errorf("the answer tells %s, want %s", got, want)
	}
	x, err = get(t, c)
	if got, want := fields(&x.FailureHead)["RateLimit"], `"p/a";r=0;t=60, "p/b";r=0;t=60`; !refused(t, err, exceeded) || got != want {
		t.Errorf("the refusal tells %s, want %s", got, want)
	}
}

func TestAShadowOnlyCounts(t *testing.T) {
	l := newLab()
	c := l.chain(t, `, "report": "Always"`, `{"name": "l", "requests": 1, "period": "1m", "mode": "Shadow"}`)
	for range 3 {
		x, err := get(t, c)
		if err != nil || len(fields(&x.Response.Head)) > 0 {
			t.Fatalf("a shadow shows: %v, %v", err, fields(&x.Response.Head))
		}
	}
	if diff := cmp.Diff(map[string]int{"allowed": 1, "shadowed": 2}, l.counts(t)); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
}

func TestABucketOutlivesItsTable(t *testing.T) {
	l := newLab()
	if _, err := get(t, l.chain(t, "", `{"name": "l", "requests": 1, "period": "1m"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, l.chain(t, "", `{"name": "l", "requests": 2, "burst": 1, "period": "2m"}`)); !refused(t, err, exceeded) {
		t.Error("an edit of the limit, or another route, has a bucket of its own")
	}
	if _, err := get(t, l.chain(t, "", `{"name": "other", "requests": 1, "period": "1m"}`)); err != nil {
		t.Error("two limits share a bucket")
	}
}

// trips counts how often a store is asked.
type trips struct {
	limit.Alone
	decision *limit.Decision
	n        int
}

func (s *trips) TakeAll(asks []limit.Ask) {
	s.n++
	for i := range asks {
		asks[i].Decision = s.Take(asks[i].Limit, asks[i].Key, asks[i].Cost)
		if s.decision != nil {
			asks[i].Decision = *s.decision
		}
	}
}

func TestTheStoreIsAskedOnceForAllLimits(t *testing.T) {
	l := newLab()
	store := &trips{Alone: limit.Alone{Local: l.deps.Local}}
	l.deps.Cluster = store
	c := l.chain(t, "", `{"name": "a", "requests": 9, "period": "1m", "scope": "Cluster"}, {"name": "here", "requests": 1, "period": "1m"},
		{"name": "b", "requests": 9, "period": "1m", "scope": "Cluster"}`)
	get(t, c)
	if _, err := get(t, c); !refused(t, err, exceeded) || store.n != 1 {
		t.Errorf("asked %d times for a request that passes and one that a limit in memory refuses", store.n)
	}
}

func TestAFailedStoreIsToldFromALimit(t *testing.T) {
	l := newLab()
	l.deps.Cluster = &trips{Alone: limit.Alone{Local: l.deps.Local}, decision: &limit.Decision{Degraded: true}}
	c := l.chain(t, "", `{"name": "a", "requests": 9, "period": "1m", "scope": "Cluster", "failureMode": "Closed"}`)
	if _, err := get(t, c); !refused(t, err, "ratelimit.unavailable") {
		t.Error("a request passes though its limit can't be checked")
	}
}

// halting is a store that fails and leaves it to others to decide: the first limit of a request passes, the others don't.
type halting struct {
	limit.Alone
	charged []int64
}

func (s *halting) TakeAll(asks []limit.Ask) {
	for i := range asks {
		asks[i].Decision = limit.Decision{Allowed: i == 0, Remaining: 1, Degraded: true}
	}
}

func (s *halting) Charge(_ *limit.Limit, _ limit.Key, cost int64) {
	s.charged = append(s.charged, cost)
}

func TestAStoreGetsNothingBackThatItHasNotGiven(t *testing.T) {
	l, store := newLab(), &halting{}
	l.deps.Cluster = store
	const scope = `"requests": 10, "period": "1m", "scope": "Cluster", "failureMode": "Open"`
	if _, err := get(t, l.chain(t, "", `{"name": "a", `+scope+`}, {"name": "b", `+scope+`}`)); !refused(t, err, exceeded) {
		t.Error("the second limit does not refuse")
	}
	l.upstream.Head = []string{"X-Cost", "1"}
	c := l.chain(t, "", `{"name": "a", "cost": {"type": "ResponseHeader", "name": "X-Cost", "value": 5}, `+scope+`}`)
	if _, err := get(t, c); err != nil {
		t.Error(err)
	}
	if len(store.charged) > 0 {
		t.Errorf("the store is charged %v", store.charged)
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	for name, tt := range map[string]struct{ limit, want string }{
		"the least":                        {`"requests": 1, "period": "1s"`, ""},
		"all of it":                        {`"requests": 1, "period": "1s", "burst": 2, "algorithm": "TokenBucket", "onMissingKey": "Refuse", "scope": "Cluster", "failureMode": "Open", "mode": "Shadow"`, ""},
		"no requests":                      {`"period": "1s"`, "requests"},
		"no period":                        {`"requests": 1`, "period"},
		"a long period":                    {`"requests": 1, "period": "25h"`, "period"},
		"a negative burst":                 {`"requests": 1, "period": "1s", "burst": -1`, "burst"},
		"a burst of a window":              {`"requests": 1, "period": "1s", "burst": 1, "algorithm": "SlidingWindow"`, "burst"},
		"a period of what is in flight":    {`"requests": 1, "period": "1s", "algorithm": "Concurrency"`, "algorithm"},
		"all replicas' requests in flight": {`"requests": 1, "scope": "Cluster", "algorithm": "Concurrency"`, "algorithm"},
		"an unknown algorithm":             {`"requests": 1, "period": "1s", "algorithm": "Dice"`, "algorithm"},
		"an unknown scope":                 {`"requests": 1, "period": "1s", "scope": "World"`, "scope"},
		"an unknown mode":                  {`"requests": 1, "period": "1s", "mode": "Pray"`, "mode"},
		"an unknown failure mode":          {`"requests": 1, "period": "1s", "failureMode": "Pray"`, "failureMode"},
		"an unknown source":                {`"requests": 1, "period": "1s", "key": [{"type": "Mood"}]`, "key[0].type"},
		"a header without name":            {`"requests": 1, "period": "1s", "key": [{"type": "Header"}]`, "key[0].name"},
		"an expression without one":        {`"requests": 1, "period": "1s", "key": [{"type": "Expression"}]`, "key[0].expression"},
		"an expression of a path":          {`"requests": 1, "period": "1s", "key": [{"type": "Path", "expression": "1"}]`, "key[0].expression"},
		"a broken expression":              {`"requests": 1, "period": "1s", "key": [{"type": "Path"}, {"type": "Expression", "expression": "request."}]`, "key[1].expression: "},
		"an expression without a text":     {`"requests": 1, "period": "1s", "key": [{"type": "Expression", "expression": "request.headers"}]`, "key[0].expression: it is of type map"},
		"a path with a name":               {`"requests": 1, "period": "1s", "key": [{"type": "Path", "name": "a"}]`, "key[0].name"},
		"a header that can't be":           {`"requests": 1, "period": "1s", "key": [{"type": "Header", "name": "a b"}]`, "key[0].name"},
		"a long prefix":                    {`"requests": 1, "period": "1s", "key": [{"type": "ClientAddress", "ipv4PrefixLength": 33}]`, "ipv4PrefixLength"},
		"a longer prefix":                  {`"requests": 1, "period": "1s", "key": [{"type": "ClientAddress", "ipv6PrefixLength": 129}]`, "ipv6PrefixLength"},
		"a broken match":                   {`"requests": 1, "period": "1s", "match": {"path": {"type": "RegularExpression", "value": "("}}`, "match"},
		"an unknown cost":                  {`"requests": 1, "period": "1s", "cost": {"type": "Dear"}`, "cost.type"},
		"a cost without header":            {`"requests": 1, "period": "1s", "cost": {"type": "RequestHeader"}`, "cost.name"},
		"a negative cost":                  {`"requests": 1, "period": "1s", "cost": {"type": "Constant", "value": -1}`, "cost.value"},
		"an unknown field":                 {`"requests": 1, "period": "1s", "a": 1`, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			config := `{"policies": [{"name": "a/b", "limits": [{"name": "l", ` + tt.limit + `}]}]}`
			_, err := newLab().registry().Check(snapshot.Filter{Name: ratelimit.Name, Config: json.RawMessage(config)})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

const expressed = `{"name": "l", "requests": 1000000000, "period": "1s", "key": [{"type": "Expression", "expression": "request.path.split('/')[1]"}]}`

const typical = `{"name": "l", "requests": 1000000000, "period": "1s", "key": [{"type": "Header", "name": "X-Client-ID"}]}`

func TestAWarmExchangeAllocsNothing(t *testing.T) {
	l := newLab()
	l.next = answer
	c := l.chain(t, `, "report": "Always"`, typical+`, {"name": "f", "algorithm": "Concurrency", "requests": 100}`)
	x := request(t, "X-Client-ID: alice")
	n := testing.AllocsPerRun(1000, func() { serveAgain(t, c, x) })
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

var answer = exchange.HandlerFunc(func(x *exchange.Exchange) error { x.Response.Status = 200; return nil })

// serveAgain serves an exchange as if it were a new one.
func serveAgain(tb testing.TB, c filter.Chain, x *exchange.Exchange) {
	tb.Helper()
	raw := x.Request.Head
	x.Request.Head = exchange.Head{}
	x.Reset()
	x.Request.Head = raw
	if err := c.Handler.Serve(x); err != nil {
		tb.Fatal(err)
	}
	x.SetFinishers(c.Finishers)
	x.Finish()
}

// BenchmarkFilter is what one limit adds to a request, by a header or by an expression.
func BenchmarkFilter(b *testing.B) {
	l := newLab()
	l.deps.Local = limit.NewLocal(1000, time.Now)
	for name, configured := range map[string][]snapshot.Filter{
		"without":    nil,
		"with":       {{Name: ratelimit.Name, Config: json.RawMessage(`{"policies": [{"name": "shop/p", "limits": [` + typical + `]}]}`)}},
		"expression": {{Name: ratelimit.Name, Config: json.RawMessage(`{"policies": [{"name": "shop/p", "limits": [` + expressed + `]}]}`)}},
	} {
		c, err := l.registry().Chain(false, configured, filter.Env{}, answer)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			x := request(b, "X-Client-ID: alice")
			b.ReportAllocs()
			for b.Loop() {
				serveAgain(b, c, x)
			}
		})
	}
}
