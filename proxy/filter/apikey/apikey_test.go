package apikey

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

const (
	acme   = "6c1f7f3e0d6b4f0a"
	globex = "9a70cd5e2b1c4d33"
)

func handler(tb testing.TB, config string, last exchange.Handler) exchange.Handler {
	tb.Helper()
	value := snapshot.MarshalEntries(map[string][]byte{"acme": []byte(acme + "\n"), "globex": []byte(globex)})
	f, err := Definition(nil).Build(json.RawMessage(config), filter.Env{Secret: func(ref snapshot.Ref) ([]byte, error) {
		if ref != (snapshot.Ref{Name: "partners"}) {
			tb.Errorf("asks for %s", ref)
		}
		return value, nil
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return f.Wrap(last)
}

func TestKeysAreFoundWhereTheyAre(t *testing.T) {
	for name, c := range map[string]struct{ from, target, field, want string }{
		"by default":    {``, "/", "x-api-key: " + acme, "GET / HTTP/1.1\nHost: a\n"},
		"a scheme":      {`[{"header": "Authorization", "scheme": "ApiKey"}]`, "/", "Authorization: apikey  " + acme, "GET / HTTP/1.1\nHost: a\n"},
		"a query":       {`[{"query": "key"}]`, "/?a=b&key=" + acme + "&c", "", "GET /?a=b&c HTTP/1.1\nHost: a\n"},
		"escaped":       {`[{"query": "key"}]`, "/?k%65y=%36" + acme[1:], "", "GET / HTTP/1.1\nHost: a\n"},
		"a cookie":      {`[{"cookie": "key"}]`, "/", "Cookie: a=b; key=\"" + acme + "\"; c=d", "GET / HTTP/1.1\nHost: a\nCookie: a=b; c=d\n"},
		"a lone cookie": {`[{"cookie": "key"}]`, "/", "Cookie: key=" + acme, "GET / HTTP/1.1\nHost: a\n"},
	} {
		config := `{"secretName": "partners"}`
		if c.from != "" {
			config = `{"secretName": "partners", "from": ` + c.from + `}`
		}
		upstream := &proxytest.Upstream{}
		x := proxytest.Exchange(t, "GET "+c.target+" HTTP/1.1\nHost: a\n"+c.field+"\n")
		if err := handler(t, config, upstream).Serve(x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := exchange.Subject{Kind: exchange.ByAPIKey, ID: "acme", Client: "acme"}
		if x.Subject.ID != want.ID || x.Subject.Kind != want.Kind || x.Subject.Client != want.Client || upstream.Got != c.want {
			t.Errorf("%s: %+v\n%s", name, x.Subject, upstream.Got)
		}
	}
}

func TestOtherKeysAreRefused(t *testing.T) {
	upstream := &proxytest.Upstream{}
	h := handler(t, `{"secretName": "partners"}`, upstream)
	for name, c := range map[string]struct {
		fields string
		want   error
	}{
		"none":      {"", credential.ErrRequired},
		"wrong":     {"X-API-Key: 6c1f7f3e0d6b4f0b\n", credential.ErrInvalid},
		"short":     {"X-API-Key: 6c1f\n", credential.ErrInvalid},
		"empty":     {"X-API-Key:\n", credential.ErrInvalid},
		"long":      {"X-API-Key: " + strings.Repeat("6", maxKey+1) + "\n", credential.ErrInvalid},
		"two":       {"X-API-Key: " + acme + "\nX-API-Key: " + globex + "\n", credential.ErrAmbiguous},
		"elsewhere": {"Authorization: " + acme + "\n", credential.ErrRequired},
	} {
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n"+c.fields)
		err := h.Serve(x)
		if got, _ := x.FailureHead.Lookup("WWW-Authenticate"); !errors.Is(err, c.want) || got != "ApiKey" || upstream.Got != "" {
			t.Errorf("%s: %v, challenge %q, backend %q", name, err, got, upstream.Got)
		}
	}
}

func TestAClientMayHaveSeveralKeysWhileOneChanges(t *testing.T) {
	const fresh = "0b5f7a1c9e3d2468"
	f, err := Definition(nil).Build(json.RawMessage(`{"secretName": "partners"}`), filter.Env{Secret: func(snapshot.Ref) ([]byte, error) {
		return snapshot.MarshalEntries(map[string][]byte{"acme": []byte(acme + "\r\n  " + fresh + "\n"), "globex": []byte(globex)}), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{acme: "acme", fresh: "acme", globex: "globex"} {
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-API-Key: "+key+"\n")
		if err := f.Wrap(&proxytest.Upstream{}).Serve(x); err != nil || x.Subject.Client != want {
			t.Errorf("%s is of %s, want %s: %v", key, x.Subject.Client, want, err)
		}
	}
}

func TestAKeyIsNotWhereItsClientsNameIs(t *testing.T) {
	if _, err := Definition(nil).Check(json.RawMessage(`{"secretName": "partners", "clientHeader": "x_api_key"}`)); err == nil || !strings.Contains(err.Error(), "clientHeader: x_api_key is where") {
		t.Error(err)
	}
}

func TestOptionalForwardAndDisabled(t *testing.T) {
	upstream := &proxytest.Upstream{}
	h := handler(t, `{"secretName": "partners", "optional": true, "forward": true, "clientHeader": "X-Client"}`, upstream)
	if err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX_Client: globex\n")); err != nil || strings.Contains(upstream.Got, "globex") {
		t.Errorf("%v\n%s", err, upstream.Got)
	}
	if err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-API-Key: wrong\n")); !errors.Is(err, credential.ErrInvalid) {
		t.Errorf("optional, and wrong: %v", err)
	}
	err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-Client: globex\nX-API-Key: "+acme+"\n"))
	if want := "GET / HTTP/1.1\nHost: a\nX-API-Key: " + acme + "\nX-Client: acme\n"; err != nil || upstream.Got != want {
		t.Errorf("forwarded: %v\n%s", err, upstream.Got)
	}
	h = handler(t, `{"disabled": true, "clientHeader": "X-Client"}`, upstream)
	if err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-Client: globex\n")); err != nil || strings.Contains(upstream.Got, "globex") {
		t.Errorf("disabled: %v\n%s", err, upstream.Got)
	}
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	for name, c := range map[string]struct {
		entries map[string]string
		want    string
	}{
		"short":         {map[string]string{"acme": "hunter2"}, "key acme of Secret shop/partners"},
		"long":          {map[string]string{"acme": strings.Repeat("6", maxKey+1)}, "16 to 512"},
		"twice its own": {map[string]string{"acme": acme + "\n" + acme}, "client acme has the same"},
		"a line short":  {map[string]string{"acme": acme + "\nhunter2"}, "16 to 512"},
		"an empty line": {map[string]string{"acme": acme + "\n\n" + globex}, "16 to 512"},
		"with space":    {map[string]string{"acme": "hunter2 hunter2 hunter2"}, "visible ASCII"},
		"twice":         {map[string]string{"acme": acme, "globex": acme}, "client acme has the same"},
	} {
		entries := map[string][]byte{}
		for name, key := range c.entries {
			entries[name] = []byte(key)
		}
		err := Definition(nil).Inspect(json.RawMessage(`{"secretName": "partners"}`), func(snapshot.Ref) ([]byte, error) { return snapshot.MarshalEntries(entries), nil })
		var bad *filter.Unusable
		if !errors.As(err, &bad) {
			t.Fatalf("%s: %v", name, err)
		}
		bad.Ref.Namespace = "shop"
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// cycle returns a function that serves one request.
func cycle(tb testing.TB) func() {
	tb.Helper()
	h := handler(tb, `{"secretName": "partners", "clientHeader": "X-Client"}`, exchange.HandlerFunc(func(*exchange.Exchange) error { return nil }))
	x := &exchange.Exchange{}
	return func() {
		x.Reset()
		x.Request.Head.AddID(exchange.UserAgent, "curl/8.5.0")
		x.Request.Head.Add("X-API-Key", globex)
		if err := h.Serve(x); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestAKnownKeyDoesNotAllocate(t *testing.T) {
	serve := cycle(t)
	if n := testing.AllocsPerRun(1000, serve); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkKnownKey(b *testing.B) {
	serve := cycle(b)
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}
