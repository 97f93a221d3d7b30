package redirecthttp_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/redirecthttp"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

var registry = filter.Registry{redirecthttp.Definition}

var errPassed = errors.New("the request got through")

func handler(t *testing.T, config string) exchange.Handler {
	t.Helper()
	last := exchange.HandlerFunc(func(*exchange.Exchange) error { return errPassed })
	configured := []snapshot.Filter{{Name: redirecthttp.Name, Config: json.RawMessage(config)}}
	chain, err := registry.Chain(false, configured, filter.Env{}, last)
	if err != nil {
		t.Fatal(err)
	}
	return chain.Handler
}

func TestTheLocationIsTheSameURLWithHTTPS(t *testing.T) {
	for _, tt := range []struct{ name, config, target, host, want string }{
		{"path and query", `{"port": 443}`, "/users?a=b", "shop.example.com", "https://shop.example.com/users?a=b"},
		{"the port of http is dropped", `{"port": 443}`, "/", "shop.example.com:8080", "https://shop.example.com/"},
		{"another port than https has", `{"port": 8443}`, "/", "shop.example.com:8080", "https://shop.example.com:8443/"},
		{"what the client sent, not what it means", `{"port": 443}`, "/a/../%7Eb//c?", "shop.example.com", "https://shop.example.com/a/../%7Eb//c?"},
		{"an absolute target", `{"port": 443}`, "http://shop.example.com/users?a=b", "shop.example.com", "https://shop.example.com/users?a=b"},
		{"an absolute target without query", `{"port": 443}`, "http://shop.example.com/users", "shop.example.com", "https://shop.example.com/users"},
		{"upper case and trailing dot", `{"port": 443}`, "/", "SHOP.example.com.", "https://shop.example.com/"},
		{"a path that looks like a host stays a path", `{"port": 443}`, "//evil.example.com/", "a", "https://a//evil.example.com/"},
		{"a path with an at sign stays a path", `{"port": 443}`, "/@evil.example.com", "a", "https://a/@evil.example.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := proxytest.Exchange(t, "GET "+tt.target+" HTTP/1.1\nHost: "+tt.host+"\n")
			if err := handler(t, tt.config).Serve(x); err != nil {
				t.Fatal(err)
			}
			if got, want := proxytest.ResponseText(t, x), "HTTP/1.1 308 Permanent Redirect\nLocation: "+tt.want+"\n\n"; got != want {
				t.Errorf("client gets\n%swant\n%s", got, want)
			}
		})
	}
}

func TestWhatIsSecuredOrHasNoHostPasses(t *testing.T) {
	x := proxytest.Exchange(t, "GET /users HTTP/1.1\nHost: a\n")
	x.Request.Scheme = "https"
	if err := handler(t, `{"port": 443}`).Serve(x); !errors.Is(err, errPassed) {
		t.Errorf("https: error %v", err)
	}
	x = proxytest.Exchange(t, "GET /users HTTP/1.0\n")
	if err := handler(t, `{"port": 443}`).Serve(x); !errors.Is(err, errPassed) {
		t.Errorf("without host: error %v", err)
	}
}

func TestRedirectingDoesNotAllocate(t *testing.T) {
	h := handler(t, `{"port": 8443}`)
	x := proxytest.Exchange(t, "GET /users?a=b HTTP/1.1\nHost: shop.example.com\n")
	q := x.Request
	serve := func() {
		x.Reset()
		x.Request.Scheme, x.Request.Host, x.Request.Target = q.Scheme, q.Host, q.Target
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(1000, serve); n != 0 {
		t.Errorf("%v allocations a request, want none", n)
	}
}

func TestPortsAreValidated(t *testing.T) {
	for config, want := range map[string]string{
		`{}`: "port", `{"port": 65536}`: "port", `{"port": -1}`: "port", `{"port": 443, "code": 301}`: "unknown field", `{"port": 65535}`: "",
	} {
		_, err := registry.Check(snapshot.Filter{Name: redirecthttp.Name, Config: json.RawMessage(config)})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
	}
}
