package cors_test

import (
	"errors"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/cors"
	"github.com/penstock/penstock/proxy/filter/internal/filtertest"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
)

func build(tb testing.TB, config string, last exchange.Handler) exchange.Handler {
	tb.Helper()
	return filtertest.Wrap(tb, cors.Definition(observe.NewDecisions()), config, last)
}

const (
	full = `{"allowOrigins": ["https://app.example.com", "https://*.example.org"], "allowMethods": ["GET", "PUT"], "allowHeaders": ["Authorization", "X-A"],
		"exposeHeaders": ["X-Trace-ID", "ETag"], "allowCredentials": true, "maxAge": "10m", "allowPrivateNetwork": true}`
	least  = `{"allowOrigins": ["https://app.example.com"]}`
	anyone = `{"allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"], "exposeHeaders": ["*"]}`
	echo   = `{"allowOrigins": ["https://app.example.com"], "allowMethods": ["*"], "allowHeaders": ["*"], "allowCredentials": true}`
)

const preflightVary = "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\n"

func TestPreflightsAreAnswered(t *testing.T) {
	const asks = "Access-Control-Request-Method: PUT\nAccess-Control-Request-Headers: x-a,authorization\n"
	for _, tt := range []struct{ name, config, fields, want string }{
		{
			"all that there is", full, "Origin: https://app.example.com\n" + asks + "Access-Control-Request-Private-Network: true\n",
			"Access-Control-Allow-Origin: https://app.example.com\nAccess-Control-Allow-Credentials: true\nAccess-Control-Allow-Methods: GET, PUT\n" +
				"Access-Control-Allow-Headers: Authorization, X-A\nAccess-Control-Max-Age: 600\nAccess-Control-Allow-Private-Network: true\n",
		},
		{
			"a pattern", full, "Origin: https://a.example.org\n" + asks,
			"Access-Control-Allow-Origin: https://a.example.org\nAccess-Control-Allow-Credentials: true\nAccess-Control-Allow-Methods: GET, PUT\n" +
				"Access-Control-Allow-Headers: Authorization, X-A\nAccess-Control-Max-Age: 600\n",
		},
		{
			"as little as there is", least, "Origin: https://app.example.com\n" + asks + "Access-Control-Request-Private-Network: true\n",
			"Access-Control-Allow-Origin: https://app.example.com\nAccess-Control-Allow-Methods: GET, HEAD, POST\n",
		},
		{
			"anyone", anyone, "Origin: https://evil.example\n" + asks,
			"Access-Control-Allow-Origin: *\nAccess-Control-Allow-Methods: PUT\nAccess-Control-Allow-Headers: x-a,authorization\n",
		},
		{
			"whatever is asked, with credentials", echo, "Origin: https://app.example.com\n" + asks,
			"Access-Control-Allow-Origin: https://app.example.com\nAccess-Control-Allow-Credentials: true\nAccess-Control-Allow-Methods: PUT\n" +
				"Access-Control-Allow-Headers: x-a,authorization\n",
		},
		{
			"what is asked is no list", anyone, "Origin: https://evil.example\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: <script>\n",
			"Access-Control-Allow-Origin: *\nAccess-Control-Allow-Methods: PUT\n",
		},
		{"a foreign origin", full, "Origin: https://evil.example\n" + asks, ""},
		{"an opaque origin", full, "Origin: null\n" + asks, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			upstream := &proxytest.Upstream{}
			x := proxytest.Exchange(t, "OPTIONS /users HTTP/1.1\nHost: a\n"+tt.fields)
			if err := build(t, tt.config, upstream).Serve(x); err != nil {
				t.Fatal(err)
			}
			want := "HTTP/1.1 204 No Content\n" + preflightVary + tt.want + "\n"
			if got := proxytest.ResponseText(t, x); got != want || upstream.Got != "" {
				t.Errorf("client gets\n%swant\n%sbackend got %q", got, want, upstream.Got)
			}
		})
	}
}

func TestOtherRequestsAreForwarded(t *testing.T) {
	for _, tt := range []struct{ name, config, request, want string }{
		{
			"a permitted origin", full, "GET / HTTP/1.1\nOrigin: https://app.example.com\n",
			"Vary: Origin\nAccess-Control-Allow-Origin: https://app.example.com\nAccess-Control-Allow-Credentials: true\nAccess-Control-Expose-Headers: X-Trace-ID, ETag\n",
		},
		{
			"anyone", anyone, "GET / HTTP/1.1\nOrigin: https://evil.example\n",
			"Vary: Origin\nAccess-Control-Allow-Origin: *\nAccess-Control-Expose-Headers: *\n",
		},
		{"a foreign origin", full, "GET / HTTP/1.1\nOrigin: https://evil.example\n", "Vary: Origin\n"},
		{"no origin", full, "GET / HTTP/1.1\n", "Vary: Origin\n"},
		{
			"OPTIONS that asks nothing", full, "OPTIONS / HTTP/1.1\nOrigin: https://app.example.com\n",
			"Vary: Origin\nAccess-Control-Allow-Origin: https://app.example.com\nAccess-Control-Allow-Credentials: true\nAccess-Control-Expose-Headers: X-Trace-ID, ETag\n",
		},
		{"OPTIONS of no browser", full, "OPTIONS / HTTP/1.1\nAccess-Control-Request-Method: PUT\n", "Vary: Origin\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			upstream := &proxytest.Upstream{Head: []string{
				"access-control-allow-origin", "*", "Vary", "Accept", "Access-Control-Allow-Credentials", "true", "Access-Control-Max-Age", "1", "ETag", "1",
			}, Body: "hello"}
			x := proxytest.Exchange(t, tt.request+"Host: a\n")
			if err := build(t, tt.config, upstream).Serve(x); err != nil {
				t.Fatal(err)
			}
			want := "HTTP/1.1 200 OK\nVary: Accept\nETag: 1\n" + tt.want + "\nhello"
			if got := proxytest.ResponseText(t, x); got != want {
				t.Errorf("client gets\n%swant\n%s", got, want)
			}
		})
	}
}

func TestFailuresCanBeReadToo(t *testing.T) {
	failure := &exchange.Error{Status: 401, Code: "test.failed"}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nOrigin: https://app.example.com\n")
	err := build(t, least, &proxytest.Upstream{Err: failure}).Serve(x)
	if !errors.Is(err, failure) {
		t.Fatalf("error %v", err)
	}
	want := "Vary: Origin\r\nAccess-Control-Allow-Origin: https://app.example.com\r\n"
	if got := string(x.FailureHead.AppendTo(nil)); got != want {
		t.Errorf("answers that report a failure get\n%swant\n%s", got, want)
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	filtertest.Validate(t, cors.Definition(nil), map[string]filtertest.Validation{
		"all that there is":           {full, ""},
		"anyone":                      {anyone, ""},
		"no origin":                   {`{}`, "allowOrigins: it is empty"},
		"an origin that is none":      {`{"allowOrigins": ["https://a", "b"]}`, `allowOrigins[1]: "b" is no origin`},
		"null":                        {`{"allowOrigins": ["null"]}`, `allowOrigins[0]: "null" is no origin`},
		"any origin and another":      {`{"allowOrigins": ["*", "https://a"]}`, `allowOrigins: "*" must stand alone`},
		"any origin with credentials": {`{"allowOrigins": ["*"], "allowCredentials": true}`, "allowCredentials"},
		"a method that is none":       {`{"allowOrigins": ["*"], "allowMethods": ["GET", "P T"]}`, "allowMethods[1]"},
		"any method and another":      {`{"allowOrigins": ["*"], "allowMethods": ["GET", "*"]}`, "allowMethods"},
		"a field that is none":        {`{"allowOrigins": ["*"], "allowHeaders": [""]}`, "allowHeaders[0]"},
		"an exposed field of none":    {`{"allowOrigins": ["*"], "exposeHeaders": ["a:"]}`, "exposeHeaders[0]"},
		"all exposed to credentials":  {`{"allowOrigins": ["https://a"], "allowCredentials": true, "exposeHeaders": ["*"]}`, "exposeHeaders"},
		"a fraction of a second":      {`{"allowOrigins": ["*"], "maxAge": "1500ms"}`, "maxAge"},
		"no duration":                 {`{"allowOrigins": ["*"], "maxAge": "10"}`, "duration"},
		"an unknown field":            {`{"origins": []}`, "unknown field"},
	})
}

// answer is what a backend may say of other origins.
var answer = exchange.HandlerFunc(func(x *exchange.Exchange) error {
	x.Reply(200)
	x.Response.Head.Add("Access-Control-Allow-Origin", "*")
	return nil
})

var failing = exchange.HandlerFunc(func(x *exchange.Exchange) error {
	x.FailureHead.Reset(nil)
	return errFailed
})

var errFailed = &exchange.Error{Status: 503, Code: "test.failed"}

func cycle(tb testing.TB, request string, last exchange.Handler) func() {
	tb.Helper()
	h := build(tb, full, last)
	x := proxytest.Exchange(tb, request+" / HTTP/1.1\nHost: a\nUser-Agent: a\nAccept: */*\nCookie: a=b\nOrigin: https://a.example.org\nAccess-Control-Request-Method: PUT\n")
	return func() { _ = h.Serve(x) }
}

func TestNothingIsAllocated(t *testing.T) {
	for name, serve := range map[string]func(){
		"preflight": cycle(t, "OPTIONS", answer), "answer": cycle(t, "PUT", answer), "failure": cycle(t, "PUT", failing),
	} {
		if n := testing.AllocsPerRun(100, serve); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkServe(b *testing.B) {
	for _, method := range []string{"OPTIONS", "PUT"} {
		b.Run(method, func(b *testing.B) {
			serve := cycle(b, method, answer)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}
