package csrf_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/csrf"
	"github.com/penstock/penstock/proxy/filter/internal/filtertest"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
)

const config = `{"trustedOrigins": ["https://pay.example.net", "https://*.example.org"]}`

func build(tb testing.TB, last exchange.Handler) exchange.Handler {
	tb.Helper()
	return filtertest.Wrap(tb, csrf.Definition(observe.NewDecisions()), config, last)
}

// cases are requests to shop.example.com.
var cases = []struct {
	name, method, fields string
	served               bool
}{
	{"a safe request of another site", "GET", "Sec-Fetch-Site: cross-site\nOrigin: https://evil.example\n", true},
	{"HEAD of another site", "HEAD", "Sec-Fetch-Site: cross-site\n", true},
	{"OPTIONS of another site", "OPTIONS", "Origin: https://evil.example\n", true},
	{"from the own page", "POST", "Sec-Fetch-Site: same-origin\nOrigin: https://shop.example.com\n", true},
	{"typed in, or from a bookmark", "POST", "Sec-Fetch-Site: none\n", true},
	{"from another site", "POST", "Sec-Fetch-Site: cross-site\nOrigin: https://evil.example\n", false},
	{"from a sibling", "POST", "Sec-Fetch-Site: same-site\nOrigin: https://blog.example.com\n", false},
	{"the browser's word counts more than Origin", "POST", "Sec-Fetch-Site: cross-site\nOrigin: https://shop.example.com\n", false},
	{"a word that is not known", "POST", "Sec-Fetch-Site: perhaps\n", false},
	{"from a trusted origin", "POST", "Sec-Fetch-Site: cross-site\nOrigin: https://pay.example.net\n", true},
	{"old browser, own page", "POST", "Origin: https://shop.example.com\n", true},
	{"old browser, own page without TLS", "POST", "Origin: http://shop.example.com\n", true},
	{"old browser, another site", "POST", "Origin: https://evil.example\n", false},
	{"old browser, trusted origin", "POST", "Origin: https://pay.example.net\n", true},
	{"old browser, another port", "POST", "Origin: https://shop.example.com:8443\n", false},
	{"an opaque origin", "POST", "Origin: null\n", false},
	{"no browser", "POST", "", true},
	{"PUT", "PUT", "Sec-Fetch-Site: cross-site\n", false},
	{"PATCH", "PATCH", "Sec-Fetch-Site: cross-site\n", false},
	{"DELETE", "DELETE", "Sec-Fetch-Site: cross-site\n", false},
	{"a method of its own", "PURGE", "Sec-Fetch-Site: cross-site\n", false},
}

// more are cases beyond what net/http looks at.
var more = []struct {
	name, method, fields string
	served               bool
}{
	{"very old browser, own page", "POST", "Referer: https://shop.example.com/cart?a=b\n", true},
	{"very old browser, another site", "POST", "Referer: https://evil.example/?https://shop.example.com/\n", false},
	{"very old browser, another site without path", "POST", "Referer: https://evil.example\n", false},
	{"very old browser, a lookalike", "POST", "Referer: https://shop.example.com@evil.example/\n", false},
	{"very old browser, trusted origin", "POST", "Referer: https://pay.example.net/done\n", true},
	{"a Referer that is none", "POST", "Referer: about:blank\n", false},
	{"Origin counts more than Referer", "POST", "Origin: https://evil.example\nReferer: https://shop.example.com/\n", false},
	{"a trusted pattern", "POST", "Origin: https://a.example.org\n", true},
	{"beside a trusted pattern", "POST", "Origin: https://example.org\n", false},
	{"an upgrade of another site", "GET", "Origin: https://evil.example\nConnection: Upgrade\nUpgrade: websocket\n", false},
	{"an upgrade of the own page", "GET", "Origin: https://shop.example.com\nConnection: Upgrade\nUpgrade: websocket\n", true},
}

func TestForgedRequestsAreRefused(t *testing.T) {
	for _, tt := range append(cases, more...) {
		t.Run(tt.name, func(t *testing.T) {
			upstream := &proxytest.Upstream{}
			x := proxytest.Exchange(t, tt.method+" /cart HTTP/1.1\nHost: shop.example.com\n"+tt.fields)
			err := build(t, upstream).Serve(x)
			if served := err == nil && upstream.Got != ""; served != tt.served {
				t.Errorf("served %v, error %v", served, err)
			}
			if e, ok := errors.AsType[*exchange.Error](err); !tt.served && (!ok || e.Status != 403 || e.Code != "csrf.cross_origin") {
				t.Errorf("error %v, want 403 csrf.cross_origin", err)
			}
		})
	}
}

// What net/http decides is decided here too.
func TestNetHTTPAgrees(t *testing.T) {
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin("https://pay.example.net"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range cases {
		r := httptest.NewRequest(tt.method, "https://shop.example.com/cart", nil)
		for line := range strings.Lines(tt.fields) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			r.Header.Add(name, value)
		}
		if err := protection.Check(r); (err == nil) != tt.served {
			t.Errorf("%s: net/http says %v", tt.name, err)
		}
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	filtertest.Validate(t, csrf.Definition(nil), map[string]filtertest.Validation{
		"nothing":          {`{}`, ""},
		"origins":          {config, ""},
		"any origin":       {`{"trustedOrigins": ["https://a", "*"]}`, `trustedOrigins[1]: "*" is no origin`},
		"an unknown field": {`{"tokens": true}`, "unknown field"},
	})
}

var nothing = exchange.HandlerFunc(func(*exchange.Exchange) error { return nil })

func cycle(tb testing.TB, fields string) func() {
	tb.Helper()
	h := build(tb, nothing)
	x := proxytest.Exchange(tb, "POST / HTTP/1.1\nHost: shop.example.com\n"+fields)
	return func() { _ = h.Serve(x) }
}

func TestNothingIsAllocated(t *testing.T) {
	for _, tt := range append(cases, more...) {
		if n := testing.AllocsPerRun(100, cycle(t, tt.fields)); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

func BenchmarkServe(b *testing.B) {
	serve := cycle(b, "User-Agent: a\nAccept: */*\nCookie: a=b\nOrigin: https://shop.example.com\nSec-Fetch-Site: same-origin\n")
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}
