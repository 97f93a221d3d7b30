package securityheaders_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/securityheaders"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

var registry = filter.Registry{securityheaders.Definition}

func build(tb testing.TB, config string, last exchange.Handler) exchange.Handler {
	tb.Helper()
	chain, err := registry.Chain(false, []snapshot.Filter{{Name: securityheaders.Name, Config: json.RawMessage(config)}}, filter.Env{}, last)
	if err != nil {
		tb.Fatal(err)
	}
	return chain.Handler
}

const (
	defaults = "X-Content-Type-Options: nosniff\nX-Frame-Options: SAMEORIGIN\nReferrer-Policy: strict-origin-when-cross-origin\n"
	off      = `"strictTransportSecurity": {"disabled": true}, "contentTypeOptions": "Off", "frameOptions": "Off", "referrerPolicy": "Off"`
	full     = `{"strictTransportSecurity": {"maxAge": "17520h", "includeSubdomains": true, "preload": true}, "contentTypeOptions": "NoSniff",
		"frameOptions": "Deny", "frameAncestors": ["'self'", "https://a.example.com"], "referrerPolicy": "no-referrer",
		"permissionsPolicy": "camera=(), geolocation=(self)", "contentSecurityPolicy": "default-src 'self';",
		"contentSecurityPolicyReportOnly": "script-src 'self'", "crossOriginOpenerPolicy": "same-origin",
		"crossOriginEmbedderPolicy": "require-corp", "crossOriginResourcePolicy": "same-site"}`
)

func TestAnswersGetTheFields(t *testing.T) {
	for _, tt := range []struct {
		name, config, scheme string
		backend              []string
		want                 string
	}{
		{"defaults without TLS", `{}`, "http", nil, defaults},
		{"defaults over TLS", `{}`, "https", nil, "Strict-Transport-Security: max-age=31536000\n" + defaults},
		{"nothing", `{` + off + `}`, "https", nil, ""},
		{
			"all that there is", full, "https", nil,
			"Strict-Transport-Security: max-age=63072000; includeSubDomains; preload\nX-Content-Type-Options: nosniff\nX-Frame-Options: DENY\n" +
				"Referrer-Policy: no-referrer\nPermissions-Policy: camera=(), geolocation=(self)\n" +
				"Content-Security-Policy: default-src 'self'; frame-ancestors 'self' https://a.example.com\n" +
				"Content-Security-Policy-Report-Only: script-src 'self'\nCross-Origin-Opener-Policy: same-origin\n" +
				"Cross-Origin-Embedder-Policy: require-corp\nCross-Origin-Resource-Policy: same-site\n",
		},
		{
			"frame ancestors alone", `{"frameAncestors": ["'none'"]}`, "http", nil,
			"X-Content-Type-Options: nosniff\nReferrer-Policy: strict-origin-when-cross-origin\nContent-Security-Policy: frame-ancestors 'none'\n",
		},
		{"hosts are let go", `{"strictTransportSecurity": {"maxAge": "0s"}}`, "https", nil, "Strict-Transport-Security: max-age=0\n" + defaults},
		{
			"the backend's fields stay", `{}`, "https",
			[]string{"x-frame-options", "DENY", "Strict-Transport-Security", "max-age=1", "Server", "a"},
			"x-frame-options: DENY\nStrict-Transport-Security: max-age=1\nServer: a\nX-Content-Type-Options: nosniff\nReferrer-Policy: strict-origin-when-cross-origin\n",
		},
		{
			"the backend's fields go", `{"backendFields": "Replace"}`, "https",
			[]string{"x-frame-options", "DENY", "Strict-Transport-Security", "max-age=1", "Content-Security-Policy", "default-src *"},
			"Content-Security-Policy: default-src *\nStrict-Transport-Security: max-age=31536000\n" + defaults,
		},
		{
			"what the backend runs on is hidden", `{"hideServer": true, ` + off + `}`, "http",
			[]string{"server", "a", "X-POWERED-BY", "b", "X-AspNet-Version", "c", "X-AspNetMvc-Version", "d", "X-A", "e"},
			"X-A: e\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
			x.Request.Scheme = tt.scheme
			if err := build(t, tt.config, &proxytest.Upstream{Head: tt.backend}).Serve(x); err != nil {
				t.Fatal(err)
			}
			if got, want := proxytest.ResponseText(t, x), "HTTP/1.1 200 OK\n"+tt.want+"\n"; got != want {
				t.Errorf("client gets\n%swant\n%s", got, want)
			}
		})
	}
}

func TestFailuresGetTheFieldsToo(t *testing.T) {
	failure := &exchange.Error{Status: 502, Code: "test.failed"}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	err := build(t, `{}`, &proxytest.Upstream{Err: failure}).Serve(x)
	if got := strings.ReplaceAll(string(x.FailureHead.AppendTo(nil)), "\r\n", "\n"); !errors.Is(err, failure) || got != defaults {
		t.Errorf("error %v, with\n%swant\n%s", err, got, defaults)
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	for name, tt := range map[string]struct{ config, want string }{
		"nothing":                    {`{}`, ""},
		"all that there is":          {full, ""},
		"a policy that is none":      {`{"referrerPolicy": "never"}`, "referrerPolicy"},
		"an option that is none":     {`{"frameOptions": "ALLOW-FROM"}`, "frameOptions"},
		"a sniffing option":          {`{"contentTypeOptions": "nosniff"}`, "contentTypeOptions"},
		"an opener policy":           {`{"crossOriginOpenerPolicy": "a"}`, "crossOriginOpenerPolicy"},
		"an embedder policy":         {`{"crossOriginEmbedderPolicy": "a"}`, "crossOriginEmbedderPolicy"},
		"a resource policy":          {`{"crossOriginResourcePolicy": "a"}`, "crossOriginResourcePolicy"},
		"a line feed":                {`{"contentSecurityPolicy": "a\nb"}`, "contentSecurityPolicy"},
		"another line feed":          {`{"permissionsPolicy": "a\nb"}`, "permissionsPolicy"},
		"an end of a directive":      {`{"frameAncestors": ["'self'; script-src *"]}`, "frameAncestors[0]"},
		"ancestors twice":            {`{"frameAncestors": ["'self'"], "contentSecurityPolicy": "default-src a; Frame-Ancestors b"}`, "frameAncestors"},
		"preload for a day":          {`{"strictTransportSecurity": {"maxAge": "24h", "includeSubdomains": true, "preload": true}}`, "preload"},
		"preload of one host":        {`{"strictTransportSecurity": {"preload": true}}`, "preload"},
		"a fraction of a second":     {`{"strictTransportSecurity": {"maxAge": "1ms"}}`, "maxAge"},
		"what backends may set":      {`{"backendFields": "Merge"}`, "backendFields"},
		"an unknown field":           {`{"xssProtection": "1"}`, "unknown field"},
		"disabled with a preference": {`{"strictTransportSecurity": {"disabled": true, "includeSubdomains": true}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := registry.Check(snapshot.Filter{Name: securityheaders.Name, Config: json.RawMessage(tt.config)})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

var answer = exchange.HandlerFunc(func(x *exchange.Exchange) error {
	x.Reply(200)
	x.Response.Head.Add("Server", "a")
	x.Response.Head.Add("X-Frame-Options", "DENY")
	return nil
})

func cycle(tb testing.TB, config string) func() {
	tb.Helper()
	h := build(tb, config, answer)
	x := proxytest.Exchange(tb, "GET / HTTP/1.1\nHost: a\n")
	x.Request.Scheme = "https"
	return func() { _ = h.Serve(x) }
}

func TestNothingIsAllocated(t *testing.T) {
	for _, config := range []string{`{}`, full, `{"backendFields": "Replace", "hideServer": true}`} {
		if n := testing.AllocsPerRun(100, cycle(t, config)); n != 0 {
			t.Errorf("%s: %v allocations", config, n)
		}
	}
}

func BenchmarkServe(b *testing.B) {
	serve := cycle(b, `{}`)
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}
