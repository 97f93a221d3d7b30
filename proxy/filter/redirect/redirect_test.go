package redirect_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/redirect"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

var registry = filter.Registry{redirect.Definition}

func serve(t *testing.T, config string, x *exchange.Exchange) error {
	t.Helper()
	last := exchange.HandlerFunc(func(*exchange.Exchange) error { return errors.New("the request got through") })
	chain, err := registry.Chain(false, []snapshot.Filter{{Name: redirect.Name, Config: json.RawMessage(config)}}, filter.Env{}, last)
	if err != nil {
		t.Fatal(err)
	}
	x.Route = &exchange.Route{ID: "shop/users/0", Patterns: []string{"/users"}, Prefixes: []string{"/users"}}
	return chain.Handler.Serve(x)
}

func TestTheLocationBuildsOnTheRequest(t *testing.T) {
	const full = `{"type": "ReplaceFullPath", "replaceFullPath": "/"}`
	for _, tt := range []struct{ name, config, scheme, target, host, want string }{
		{"another scheme", `{"scheme": "https"}`, "http", "/users?a=b", "shop.example.com", "https://shop.example.com/users?a=b"},
		{"with a scheme its default port", `{"scheme": "https"}`, "http", "/users", "shop.example.com:8080", "https://shop.example.com/users"},
		{"another host keeps the port", `{"hostname": "www.example.com"}`, "http", "/users", "shop.example.com:8080", "http://www.example.com:8080/users"},
		{"the request's default port is left out", `{"hostname": "www.example.com"}`, "http", "/users", "shop.example.com:80", "http://www.example.com/users"},
		{"the default port of https is left out", `{"hostname": "www.example.com"}`, "https", "/users", "shop.example.com:443", "https://www.example.com/users"},
		{"80 is not the default of https", `{"hostname": "www.example.com"}`, "https", "/users", "shop.example.com:80", "https://www.example.com:80/users"},
		{"another port", `{"port": 8443}`, "http", "/users", "shop.example.com:8080", "http://shop.example.com:8443/users"},
		{"a configured default port is left out", `{"scheme": "https", "port": 443}`, "http", "/users", "shop.example.com", "https://shop.example.com/users"},
		{"a configured port that is no default", `{"scheme": "http", "port": 443}`, "http", "/users", "shop.example.com", "http://shop.example.com:443/users"},
		{"prefix", `{"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/people"}}`, "http", "/users/42?", "a", "http://a/people/42?"},
		{"whole path", `{"path": ` + full + `}`, "http", "/users/42", "a", "http://a/"},
		{"IPv6 with a port", `{"path": ` + full + `}`, "http", "/users", "[2001:db8::1]:8080", "http://[2001:db8::1]:8080/"},
		{"IPv6 without", `{"scheme": "https"}`, "http", "/users", "[2001:db8::1]", "https://[2001:db8::1]/users"},
		{"upper case and trailing dot", `{"scheme": "https"}`, "http", "/users", "SHOP.example.com.", "https://shop.example.com/users"},
		{"a path that looks like a host stays a path", `{"scheme": "https"}`, "http", "//evil.example.com/", "a", "https://a//evil.example.com/"},
		{"a path with an at sign stays a path", `{"scheme": "https"}`, "http", "/@evil.example.com", "a", "https://a/@evil.example.com"},
		{"a query that looks like a URL stays a query", `{"scheme": "https"}`, "http", "/?https://evil.example.com", "a", "https://a/?https://evil.example.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := proxytest.Exchange(t, "GET "+tt.target+" HTTP/1.1\nHost: "+tt.host+"\n")
			x.Request.Scheme = tt.scheme
			if err := serve(t, tt.config, x); err != nil {
				t.Fatal(err)
			}
			if got, want := proxytest.ResponseText(t, x), "HTTP/1.1 302 Found\nLocation: "+tt.want+"\n\n"; got != want {
				t.Errorf("client gets\n%swant\n%s", got, want)
			}
		})
	}
}

func TestTheStatusIsConfigured(t *testing.T) {
	x := proxytest.Exchange(t, "GET /users HTTP/1.1\nHost: a\n")
	if err := serve(t, `{"scheme": "https", "statusCode": 308}`, x); err != nil || x.Response.Status != 308 {
		t.Errorf("status %d, error %v, want 308", x.Response.Status, err)
	}
}

func TestWithoutHostThereIsNoLocation(t *testing.T) {
	x := proxytest.Exchange(t, "GET /users HTTP/1.0\n")
	if e, ok := errors.AsType[*exchange.Error](serve(t, `{"scheme": "https"}`, x)); !ok || e.Status != 400 || e.Code != "redirect.no_host" {
		t.Errorf("error %v, want 400 redirect.no_host", e)
	}
	x = proxytest.Exchange(t, "GET /users HTTP/1.0\n")
	if err := serve(t, `{"hostname": "www.example.com"}`, x); err != nil || x.Response.Head.Get(exchange.Location) != "http://www.example.com/users" {
		t.Errorf("location %q, error %v", x.Response.Head.Get(exchange.Location), err)
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	for name, tt := range map[string]struct{ config, want string }{
		"a status alone":       {`{"statusCode": 301}`, "at least one of"},
		"a scheme of its own":  {`{"scheme": "ftp"}`, "scheme"},
		"a port too large":     {`{"port": 65536}`, "port"},
		"a negative port":      {`{"port": -1}`, "port"},
		"a status that is ok":  {`{"scheme": "http", "statusCode": 200}`, "statusCode"},
		"a wildcard":           {`{"hostname": "*.example.com"}`, "hostname"},
		"a path that is none":  {`{"path": {"type": "ReplaceFullPath", "replaceFullPath": "//a\\b"}}`, "path"},
		"an unknown field":     {`{"query": "a"}`, "unknown field"},
		"303 to another place": {`{"hostname": "a.example.com", "statusCode": 303}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := registry.Check(snapshot.Filter{Name: redirect.Name, Config: json.RawMessage(tt.config)})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
