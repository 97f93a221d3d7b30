package expression

import (
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/proxytest"
)

func TestTexts(t *testing.T) {
	for text, want := range map[string]string{
		`request.method`:                                    "PUT",
		`request.path.split('/')[1]`:                        "users",
		`request.host + '/' + request.headers['x-tenant']`:  "shop.example.com/blue, red",
		`'x-none' in request.headers`:                       "false",
		`has(claims.nobody) ? string(claims.nobody) : ''`:   "",
		`size(request.query)`:                               "4",
		`0.5`:                                               "0.5",
		`claims.sub`:                                        "42",
		`claims.level`:                                      "3",
		`claims.big`:                                        "9007199254740993",
		`claims.admin`:                                      "true",
		`claims.org.id + ':' + subject.client`:              "acme:shop-app",
		`claims.level > 2 ? 'gold' : 'tin'`:                 "gold",
		`client.address`:                                    "192.0.2.7",
		`claims.roles.join(' ')`:                            "read write",
		`request.path.startsWith('/users/') ? 'users' : ''`: "users",
	} {
		e, err := CompileText(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := e.Append([]byte("before "), request(t)); err != nil || string(got) != "before "+want {
			t.Errorf("%s: %q, error %v; want %q", text, got, err, want)
		}
	}
}

func TestWhatHasNoTextIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		`claims.nobody`:                   "no such key",
		`request.headers['x-none']`:       "no such key",
		`request.path.split('/')[7]`:      "index",
		`claims.roles`:                    "no string",
		`claims.org`:                      "no string",
		`dyn(null)`:                       "no string",
		`dyn(request.headers)`:            "no string",
		`claims.sub + claims.level`:       "no such overload",
		`claims.org.units[0].nobody`:      "no such",
		`request.query['z'][0] + 'a'`:     "no such key",
		`int(claims.org.id) + 1`:          "error",
		`timestamp(claims.sub) == dyn(1)`: "",
	} {
		e, err := CompileText(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := e.Append([]byte("before"), request(t)); err == nil || string(got) != "before" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, error %v; want %q", text, got, err, want)
		}
	}
}

func TestTextsAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		``:               "Syntax error",
		`request.query`:  "of type map(string, list(string)), not string",
		`subject.scopes`: "of type list(string), not string",
		`null`:           "of type null_type, not string",
		`duration('1s')`: "of type google.protobuf.Duration, not string",
		`request.target`: "undeclared reference",
		`string(claims.a.all(a, claims.a.all(b, a == b)))`: "it could cost up to",
	} {
		if _, err := CompileText(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q in one line", text, err, want)
		}
	}
}

func TestTextsSayWhetherTheyNeedAnIdentity(t *testing.T) {
	for text, want := range map[string]bool{
		`request.path + client.address + request.query.a[0]`: false,
		`claims.sub`:        true,
		`'a' + .claims.sub`: true,
		`claims['sub']`:     true,
		`subject.id`:        true,
		`subject.kind == '' ? client.address : subject.id`:    true,
		`size(subject.scopes)`:                                true,
		`request.path == '/' ? request.host : subject.client`: true,
		// The name of another thing.
		`['a'].exists(claims, claims == request.path)`: false,
		`request.headers['claims.sub']`:                false,
	} {
		e, err := CompileText(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if e.NeedsIdentity != want {
			t.Errorf("%s: %t, want %t", text, e.NeedsIdentity, want)
		}
	}
}

func TestTheTextOfAnAnonymousRequest(t *testing.T) {
	e, err := CompileText(`subject.id`)
	if err != nil {
		t.Fatal(err)
	}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	x.Subject = exchange.Subject{}
	if got, err := e.Append(nil, x); err != nil || len(got) > 0 {
		t.Errorf("%q, error %v, want nothing", got, err)
	}
}

// Expressions are compiled once for all who have them.
func TestExpressionsAreShared(t *testing.T) {
	const text = `request.path + claims.sub`
	a, err := CompileText(text)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := CompileText(text); a != b {
		t.Error("the same text is compiled twice")
	}
}
