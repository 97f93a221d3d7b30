package authorization_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/authorization"
	"github.com/penstock/penstock/proxy/filter/internal/filtertest"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
)

func build(tb testing.TB, config string, last exchange.Handler) exchange.Handler {
	tb.Helper()
	return filtertest.Wrap(tb, authorization.Definition(observe.NewDecisions()), config, last)
}

const token = `{"sub": "42", "admin": true, "level": 3, "ratio": 0.5, "roles": ["read", "write", 7], "org": {"id": "acme"}, "https://example.com/tier": "gold", "none": null}`

// request is a GET of /orders/42 from 192.0.2.7 with that token.
func request(tb testing.TB, method string) *exchange.Exchange {
	tb.Helper()
	x := proxytest.Exchange(tb, method+" /orders/42 HTTP/1.1\nHost: a\n")
	x.Client = netip.MustParseAddr("192.0.2.7")
	claims, err := exchange.ParseClaims([]byte(token))
	if err != nil {
		tb.Fatal(err)
	}
	x.Subject = exchange.Subject{Kind: exchange.ByToken, ID: "42", Scopes: []string{"orders:read", "orders:write"}, Claims: claims}
	return x
}

func TestConditions(t *testing.T) {
	for rule, want := range map[string]bool{
		`"methods": ["GET"]`:                                                                                            true,
		`"methods": ["POST", "PUT"]`:                                                                                    false,
		`"methods": ["get"]`:                                                                                            false,
		`"clientCIDRs": ["198.51.100.0/24", "192.0.2.0/24"]`:                                                            true,
		`"clientCIDRs": ["198.51.100.0/24"]`:                                                                            false,
		`"scopes": ["orders:read"]`:                                                                                     true,
		`"scopes": ["orders:write", "orders:read"]`:                                                                     true,
		`"scopes": ["orders:read", "orders:delete"]`:                                                                    false,
		`"claims": [{"path": "sub", "equals": "42"}]`:                                                                   true,
		`"claims": [{"path": "sub", "equals": "4"}]`:                                                                    false,
		`"claims": [{"path": "sub", "equals": ""}]`:                                                                     false,
		`"claims": [{"path": "admin", "equals": "true"}]`:                                                               true,
		`"claims": [{"path": "level", "equals": "3"}]`:                                                                  true,
		`"claims": [{"path": "level", "equals": "3.0"}]`:                                                                false,
		`"claims": [{"path": "ratio", "equals": "0.5"}]`:                                                                true,
		`"claims": [{"path": "org.id", "equals": "acme"}]`:                                                              true,
		`"claims": [{"path": "org", "equals": "acme"}]`:                                                                 false,
		`"claims": [{"path": "https://example.com/tier", "equals": "gold"}]`:                                            true,
		`"claims": [{"path": "none", "equals": "null"}]`:                                                                false,
		`"claims": [{"path": "nobody", "equals": ""}]`:                                                                  false,
		`"claims": [{"path": "roles", "equals": "read"}]`:                                                               false,
		`"claims": [{"path": "roles", "contains": "write"}]`:                                                            true,
		`"claims": [{"path": "roles", "contains": "7"}]`:                                                                true,
		`"claims": [{"path": "roles", "contains": "writ"}]`:                                                             false,
		`"claims": [{"path": "sub", "contains": "4"}]`:                                                                  false,
		`"claims": [{"path": "roles", "anyOf": ["admin", "read"]}]`:                                                     true,
		`"claims": [{"path": "roles", "anyOf": ["admin"]}]`:                                                             false,
		`"claims": [{"path": "org.id", "anyOf": ["acme", "other"]}]`:                                                    true,
		`"claims": [{"path": "sub", "equals": "42"}, {"path": "x", "equals": ""}]`:                                      false,
		`"expression": "request.path == '/orders/' + claims.sub"`:                                                       true,
		`"expression": "request.path == '/'"`:                                                                           false,
		`"methods": ["GET"], "scopes": ["orders:delete"]`:                                                               false,
		`"methods": ["GET"], "expression": "claims.level > 2", "scopes": ["orders:read"], "clientCIDRs": ["192.0.2.7"]`: true,
	} {
		t.Run(rule, func(t *testing.T) {
			for _, action := range []string{"Allow", "Deny"} {
				upstream := &proxytest.Upstream{}
				err := build(t, `{"rules": [{"action": "`+action+`", `+rule+`}]}`, upstream).Serve(request(t, "GET"))
				if served := err == nil && upstream.Got != ""; served != (want == (action == "Allow")) {
					t.Errorf("%s: served %v, error %v", action, served, err)
				}
			}
		})
	}
}

func TestDenyComesFirst(t *testing.T) {
	const (
		reads    = `{"methods": ["GET"]}`
		admins   = `{"claims": [{"path": "admin", "equals": "true"}]}`
		never    = `{"action": "Deny", "methods": ["DELETE"]}`
		broken   = `{"expression": "claims.nobody == 'a'"}`
		brokenNo = `{"name": "guests", "action": "Deny", "expression": "claims.nobody == 'a'"}`
	)
	for _, tt := range []struct{ name, rules, method, why string }{
		{"one of several allows", reads + "," + admins, "POST", ""},
		{"none allows", reads, "POST", "no rule allows it"},
		{"what is allowed is denied", admins + "," + never, "DELETE", "rule 1 denies it"},
		{"nothing has to allow", never, "POST", ""},
		{"denied by name", `{"name": "no-deletes", "action": "Deny", "methods": ["DELETE"]}`, "DELETE", "rule no-deletes denies it"},
		{"a broken rule allows nothing", broken, "GET", "no rule allows it, and rule 0 can't be evaluated: no such key: nobody"},
		{"another rule allows", broken + "," + reads, "GET", ""},
		{"a broken rule denies", reads + "," + brokenNo, "GET", "rule guests can't be evaluated: no such key: nobody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			upstream := &proxytest.Upstream{}
			err := build(t, `{"rules": [`+tt.rules+`]}`, upstream).Serve(request(t, tt.method))
			if tt.why == "" {
				if err != nil || upstream.Got == "" {
					t.Errorf("error %v", err)
				}
				return
			}
			e, ok := errors.AsType[*exchange.Error](err)
			if !ok || e.Status != 403 || e.Code != "authorization.denied" || e.Err.Error() != tt.why || upstream.Got != "" {
				t.Errorf("error %v, want 403 because %s", err, tt.why)
			}
		})
	}
}

func TestWithoutIdentityThereIsNothingToGoBy(t *testing.T) {
	for _, rule := range []string{`"scopes": ["a"]`, `"claims": [{"path": "sub", "anyOf": ["", "42"]}]`, `"expression": "claims.sub != ''"`, `"clientCIDRs": ["0.0.0.0/0"]`} {
		upstream := &proxytest.Upstream{}
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
		if err := build(t, `{"rules": [{`+rule+`}]}`, upstream).Serve(x); err == nil || upstream.Got != "" {
			t.Errorf("%s: error %v", rule, err)
		}
	}
	// Nobody gets around a rule that denies a network by having no address.
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	if err := build(t, `{"rules": [{"action": "Deny", "clientCIDRs": ["192.0.2.0/24"]}]}`, &proxytest.Upstream{}).Serve(x); err == nil {
		t.Error("a client without address is served")
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	filtertest.Validate(t, authorization.Definition(nil), map[string]filtertest.Validation{
		"a rule":                  {`{"rules": [{"scopes": ["a"]}]}`, ""},
		"no rules":                {`{"rules": []}`, "rules: it is empty"},
		"a rule that is empty":    {`{"rules": [{"methods": ["GET"]}, {"action": "Deny"}]}`, "rules[1].methods, clientCIDRs"},
		"an action":               {`{"rules": [{"action": "Log", "methods": ["GET"]}]}`, "rules[0].action"},
		"a method":                {`{"rules": [{"methods": ["GET POST"]}]}`, "rules[0].methods[0]"},
		"a network":               {`{"rules": [{"clientCIDRs": ["10.0.0.0/8", "10.0.0.1/8"]}]}`, "rules[0].clientCIDRs[1]"},
		"a scope":                 {`{"rules": [{"scopes": [""]}]}`, "rules[0].scopes[0]"},
		"a claim without a path":  {`{"rules": [{"claims": [{"equals": "a"}]}]}`, "rules[0].claims[0].path"},
		"a claim without a value": {`{"rules": [{"claims": [{"path": "a"}]}]}`, "rules[0].claims[0]: exactly one"},
		"a claim with two values": {`{"rules": [{"claims": [{"path": "a", "equals": "a", "contains": "a"}]}]}`, "rules[0].claims[0]: exactly one"},
		"an expression":           {`{"rules": [{"expression": "request.path"}]}`, "rules[0].expression: it is of type string"},
		"an expression's cost":    {`{"rules": [{"expression": "claims.a.all(a, claims.a.all(b, a == b))"}]}`, "rules[0].expression: it could cost"},
		"an unknown field":        {`{"rules": [{"headers": []}]}`, "unknown field"},
	})
}

var nothing = exchange.HandlerFunc(func(*exchange.Exchange) error { return nil })

const plain = `{"rules": [
	{"action": "Deny", "clientCIDRs": ["198.51.100.0/24"]}, {"methods": ["GET"], "scopes": ["orders:read"]},
	{"claims": [{"path": "roles", "contains": "write"}, {"path": "org.id", "equals": "acme"}, {"path": "level", "anyOf": ["2", "3"]}]}]}`

func TestRulesWithoutExpressionAllocateNothing(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		h, x := build(t, plain, nothing), request(t, method)
		if n := testing.AllocsPerRun(100, func() { _ = h.Serve(x) }); n != 0 {
			t.Errorf("%s: %v allocations", method, n)
		}
	}
}

func BenchmarkServe(b *testing.B) {
	for name, config := range map[string]string{
		"claims": plain, "expression": `{"rules": [{"expression": "request.path.startsWith('/orders/') && 'write' in claims.roles"}]}`,
	} {
		b.Run(name, func(b *testing.B) {
			h, x := build(b, config, nothing), request(b, "POST")
			b.ReportAllocs()
			for b.Loop() {
				_ = h.Serve(x)
			}
		})
	}
}
