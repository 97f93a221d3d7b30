package rewrite_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/rewrite"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

var registry = filter.Registry{rewrite.Definition}

func serve(t *testing.T, config string, x *exchange.Exchange, last exchange.Handler) error {
	t.Helper()
	chain, err := registry.Chain(false, []snapshot.Filter{{Name: rewrite.Name, Config: json.RawMessage(config)}}, filter.Env{}, last)
	if err != nil {
		t.Fatal(err)
	}
	x.Route = &exchange.Route{ID: "shop/users/0", Patterns: []string{"/users"}, Prefixes: []string{"/users"}}
	return chain.Handler.Serve(x)
}

func TestTheBackendSeesTheRewrittenRequest(t *testing.T) {
	for name, tt := range map[string]struct{ config, want string }{
		"a prefix; the query stays": {
			`{"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/people"}}`, "GET /people/42?full HTTP/1.1\nHost: shop.example.com:8080\n",
		},
		"a prefix is removed": {
			`{"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}`, "GET /42?full HTTP/1.1\nHost: shop.example.com:8080\n",
		},
		"the whole path": {
			`{"path": {"type": "ReplaceFullPath", "replaceFullPath": "/all"}}`, "GET /all?full HTTP/1.1\nHost: shop.example.com:8080\n",
		},
		"the host, and with it the port": {
			`{"hostname": "users.internal"}`, "GET /users/42?full HTTP/1.1\nHost: users.internal\n",
		},
		"both": {
			`{"hostname": "users.internal", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}}`, "GET /?full HTTP/1.1\nHost: users.internal\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			upstream := &proxytest.Upstream{}
			x := proxytest.Exchange(t, "GET /users/42?full HTTP/1.1\nHost: shop.example.com:8080\n")
			if err := serve(t, tt.config, x, upstream); err != nil {
				t.Fatal(err)
			}
			if upstream.Got != tt.want {
				t.Errorf("backend got\n%swant\n%s", upstream.Got, tt.want)
			}
		})
	}
}

func TestWhatStandsOutsideSeesTheClientsRequest(t *testing.T) {
	failure := &exchange.Error{Status: 502, Code: "test.failed"}
	for _, last := range []*proxytest.Upstream{{}, {Err: failure}} {
		x := proxytest.Exchange(t, "GET /users/42 HTTP/1.1\nHost: shop.example.com:8080\n")
		err := serve(t, `{"hostname": "users.internal", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}}`, x, last)
		if !errors.Is(err, last.Err) {
			t.Errorf("error %v, want %v", err, last.Err)
		}
		if got, want := proxytest.RequestText(x), "GET /users/42 HTTP/1.1\nHost: shop.example.com:8080\n"; got != want || x.Request.Host != "shop.example.com" {
			t.Errorf("afterwards the request is\n%swith host %s", got, x.Request.Host)
		}
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	for name, tt := range map[string]struct{ config, want string }{
		"nothing":             {`{}`, "at least one of path and hostname"},
		"wildcard":            {`{"hostname": "*.example.com"}`, "hostname"},
		"upper case":          {`{"hostname": "Example.com"}`, "hostname"},
		"host with a port":    {`{"hostname": "example.com:80"}`, "hostname"},
		"empty label":         {`{"hostname": "example..com"}`, "hostname"},
		"hyphen at the end":   {`{"hostname": "example-.com"}`, "hostname"},
		"too long":            {`{"hostname": "` + strings.Repeat("a.", 127) + `a"}`, "longer than"},
		"path without type":   {`{"path": {"replaceFullPath": "/"}}`, "type"},
		"host and path":       {`{"hostname": "a-1.example.com", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}}`, ""},
		"unknown field":       {`{"host": "a"}`, "unknown field"},
		"path without prefix": {`{"path": {"type": "ReplacePrefixMatch"}}`, "does not start with /"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := registry.Check(snapshot.Filter{Name: rewrite.Name, Config: json.RawMessage(tt.config)})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
