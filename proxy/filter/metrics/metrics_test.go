package metrics_test

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/metrics"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
)

func build(t *testing.T, requests *observe.Requests, route *exchange.Route, last exchange.Handler) filter.Chain {
	t.Helper()
	chain, err := filter.Registry{metrics.Definition(requests)}.Chain(true, nil, filter.Env{Route: route}, last)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// finish serves x as the engine does.
func finish(t *testing.T, chain filter.Chain, x *exchange.Exchange, took time.Duration) {
	t.Helper()
	if err := chain.Handler.Serve(x); err != nil {
		t.Fatal(err)
	}
	x.Outcome.Duration = took
	x.SetFinishers(chain.Finishers)
	x.Finish()
}

func TestExchangesAreCountedWhenTheyEnd(t *testing.T) {
	requests := observe.NewRequests(0)
	route := &exchange.Route{ID: "shop/users/0", Patterns: []string{"/users", "= /me"}, Prefixes: []string{"/users", ""}}
	matched := build(t, requests, route, &proxytest.Upstream{Status: 201})
	unmatched := build(t, requests, nil, &proxytest.Upstream{Status: 404})

	x := proxytest.Exchange(t, "POST /me?token=secret HTTP/1.1\nHost: a\n")
	x.Route, x.Match = route, 1
	finish(t, matched, x, 30*time.Millisecond)
	finish(t, unmatched, proxytest.Exchange(t, "BREW /pot HTTP/1.1\nHost: a\n"), time.Millisecond)

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(requests)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`gateway_requests_total{method="POST",path="= /me",route="shop/users/0",status="201"} 1`,
		`gateway_requests_total{method="OTHER",path="none",route="none",status="404"} 1`,
		`gateway_request_duration_seconds_bucket{route="shop/users/0",le="0.025"} 0`,
		`gateway_request_duration_seconds_bucket{route="shop/users/0",le="0.05"} 1`,
		`gateway_request_duration_seconds_sum{route="shop/users/0"} 0.03`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("the raw path is in\n%s", w.Body)
	}
	runtime.KeepAlive(matched)
	runtime.KeepAlive(unmatched)
}
