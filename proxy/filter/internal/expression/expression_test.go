package expression

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/proxytest"
)

const token = `{"sub": "42", "admin": true, "level": 3, "big": 9007199254740993, "roles": ["read", "write"], "org": {"id": "acme", "units": ["a", "b"]}}`

func request(tb testing.TB) *exchange.Exchange {
	tb.Helper()
	x := proxytest.Exchange(tb, "PUT /users/./42?a=b%20c&d=1&d=2&=e&f HTTP/1.1\nHost: Shop.Example.com:8080\nX-Tenant: blue\nX-Tenant: red\nCookie: a=b\n")
	x.Request.Path = "/users/42" // as the engine normalises it
	x.Request.Host = "shop.example.com"
	x.Client = netip.MustParseAddr("192.0.2.7")
	c, err := exchange.ParseClaims([]byte(token))
	if err != nil {
		tb.Fatal(err)
	}
	x.Subject = exchange.Subject{Kind: exchange.ByToken, ID: "42", Issuer: "https://id.example.com", Client: "shop-app", Scopes: []string{"orders:read"}, Claims: c}
	return x
}

func TestExpressionsSeeTheRequest(t *testing.T) {
	for text, want := range map[string]bool{
		`request.method == 'PUT'`:                                       true,
		`request.method in ['GET', 'HEAD']`:                             false,
		`request.path == '/users/42'`:                                   true,
		`request.path.startsWith('/users/' + claims.sub)`:               true,
		`request.path.matches('^/users/[0-9]+$')`:                       true,
		`request.host == 'shop.example.com'`:                            true,
		`request.scheme == 'http'`:                                      true,
		`request.headers['x-tenant'] == 'blue, red'`:                    true,
		`request.headers['cookie'] == 'a=b'`:                            true,
		`'cookie' in request.headers`:                                   true,
		`'Cookie' in request.headers`:                                   false,
		`'x-none' in request.headers`:                                   false,
		`has(request.headers.cookie) && !has(request.headers.host)`:     true,
		`request.headers.exists(name, name.startsWith('x-'))`:           true,
		`size(request.headers) == 2`:                                    true,
		`request.query.a == ['b c']`:                                    true,
		`request.query['d'] == ['1', '2']`:                              true,
		`request.query[''] == ['e'] && request.query.f == ['']`:         true,
		`request.query.all(name, size(request.query[name]) < 3)`:        true,
		`'z' in request.query`:                                          false,
		`client.address == '192.0.2.7'`:                                 true,
		`cidr('192.0.2.0/24').containsIP(client.address)`:               true,
		`cidr('2001:db8::/32').containsIP(client.address)`:              false,
		`subject.kind == 'JWT' && subject.id == '42'`:                   true,
		`subject.issuer.endsWith('example.com')`:                        true,
		`subject.client == 'shop-app'`:                                  true,
		`'orders:read' in subject.scopes`:                               true,
		`'orders:write' in subject.scopes`:                              false,
		`claims.admin == true`:                                          true,
		`claims.level > 2`:                                              true,
		`claims.level >= 3.5`:                                           false,
		`claims.big == 9007199254740993`:                                true,
		`claims.big == 9007199254740992`:                                false,
		`'write' in claims.roles`:                                       true,
		`claims.roles.exists(r, r.startsWith('w'))`:                     true,
		`claims.org.id == 'acme' && 'b' in claims.org.units`:            true,
		`has(claims.org) && !has(claims.nobody)`:                        true,
		`has(claims.nobody) && claims.nobody == 1`:                      false,
		`request.path.split('/')[2] == claims.sub`:                      true,
		`string(claims.level) == '3'`:                                   true,
		`request.headers == {'cookie': 'a=b', 'x-tenant': 'blue, red'}`: true,
	} {
		p, err := Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		x := request(t)
		for range 2 { // the second time from the pool
			if got, err := p.Test(x); err != nil || got != want {
				t.Errorf("%s: %v, error %v; want %v", text, got, err, want)
			}
		}
	}
}

func TestAnonymousRequestsHaveNoClaims(t *testing.T) {
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	for text, want := range map[string]bool{
		`subject.kind == '' && subject.id == '' && size(subject.scopes) == 0`: true,
		`has(claims.sub)`:               false,
		`size(claims) == 0`:             true,
		`request.query == {}`:           true,
		`client.address == '192.0.2.1'`: false,
	} {
		p, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Test(x); err != nil || got != want {
			t.Errorf("%s: %v, error %v; want %v", text, got, err, want)
		}
	}
}

func TestWhatCannotBeEvaluatedIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		`claims.nobody == 'a'`:                        "no such key",
		`claims.org.nobody == 'a'`:                    "no such key",
		`claims.sub > 3`:                              "no such overload",
		`request.headers['x-none'] == 'a'`:            "no such key",
		`request.query.z == ['a']`:                    "no such key",
		`int(claims.org.id) == 1`:                     "error",
		`cidr(claims.sub).containsIP(client.address)`: "",
		`claims.roles[7] == 'a'`:                      "index",
	} {
		p, err := Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := p.Test(request(t)); err == nil || got || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, error %v; want %q", text, got, err, want)
		}
	}
}

func TestExpressionsAreChecked(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":                  {``, "Syntax error"},
		"a word too many":          {`true true`, "Syntax error"},
		"another type":             {`request.path`, "of type string, not bool"},
		"a type that is not known": {`claims.admin`, "of type dyn, not bool"},
		"an unknown variable":      {`req.path == '/'`, "undeclared reference to 'req'"},
		"an unknown field":         {`request.target == '/'`, "undeclared reference"},
		"types that don't fit":     {`request.path == 1`, "no matching overload"},
		"a bad regular expression": {`request.path.matches('(')`, "invalid matches argument"},
		"a bad network":            {`cidr('10.0.0.0/33').containsIP(client.address)`, ""},
		"loops over loops":         {`request.headers.all(a, request.headers.all(b, request.headers.all(c, a + b != c)))`, "it could cost up to"},
		"too long":                 {`'` + strings.Repeat("a", 5000) + `' == ''`, "size exceeds limit"},
		"too deep":                 {strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000), "recursion"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Compile(tt.text); tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("error %v, want %q in one line", err, tt.want)
			}
		})
	}
}

// A claim longer than the estimate takes meets the limit when it is evaluated.
func TestTheCostIsBoundedAtRunTime(t *testing.T) {
	p, err := Compile(`claims.list.exists(a, a == 'b')`)
	if err != nil {
		t.Fatal(err)
	}
	x := request(t)
	text := `{"list": ["a"` + strings.Repeat(`, "a"`, 50_000) + `]}`
	if x.Subject.Claims, err = exchange.ParseClaims([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Test(x); got || err == nil || !strings.Contains(err.Error(), "cost limit") {
		t.Errorf("%v, error %v, want one about the cost", got, err)
	}
}

var benchmarked = []struct{ name, text string }{
	{"method", `request.method == 'PUT'`},
	{"header", `request.headers['cookie'] == 'a=b'`},
	{"claim", `'write' in claims.roles`},
	{"usual", `request.method in ['GET', 'HEAD'] || request.path.startsWith('/users/' + claims.sub) && 'write' in claims.roles`},
}

// maxAllocations bounds what the usual expression allocates: cel-go makes values of its own of what it reads.
const maxAllocations = 30

func TestAllocationsAreBounded(t *testing.T) {
	x := request(t)
	for _, b := range benchmarked {
		p, err := Compile(b.text)
		if err != nil {
			t.Fatal(err)
		}
		n := testing.AllocsPerRun(100, func() { _, _ = p.Test(x) })
		if n > maxAllocations {
			t.Errorf("%s: %v allocations, want at most %d", b.name, n, maxAllocations)
		}
	}
}

func BenchmarkTest(b *testing.B) {
	x := request(b)
	for _, bb := range benchmarked {
		b.Run(bb.name, func(b *testing.B) {
			p, err := Compile(bb.text)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Test(x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := compile(benchmarked[3].text, cel.BoolType); err != nil {
			b.Fatal(err)
		}
	}
}
