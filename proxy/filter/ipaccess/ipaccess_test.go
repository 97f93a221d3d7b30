package ipaccess_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/filtertest"
	"github.com/penstock/penstock/proxy/filter/ipaccess"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
)

func build(tb testing.TB, config string, last exchange.Handler) exchange.Handler {
	tb.Helper()
	return filtertest.Wrap(tb, ipaccess.Definition(observe.NewDecisions()), config, last)
}

func TestClientsAreServedByTheirAddress(t *testing.T) {
	const (
		allow = `{"allow": ["192.0.2.0/24", "2001:db8::/32"]}`
		deny  = `{"deny": ["192.0.2.0/24", "2001:db8::1"]}`
		both  = `{"allow": ["192.0.2.0/24"], "deny": ["192.0.2.128/25"]}`
	)
	for _, tt := range []struct {
		name, config, client string
		served               bool
	}{
		{"in allow", allow, "192.0.2.7", true},
		{"IPv6 in allow", allow, "2001:db8::7", true},
		{"not in allow", allow, "198.51.100.1", false},
		{"IPv6 not in allow", allow, "2001:db9::1", false},
		{"in deny", deny, "192.0.2.7", false},
		{"a single address in deny", deny, "2001:db8::1", false},
		{"not in deny", deny, "198.51.100.1", true},
		{"beside a single address", deny, "2001:db8::2", true},
		{"in both", both, "192.0.2.129", false},
		{"in allow alone", both, "192.0.2.1", true},
		{"in neither", both, "198.51.100.1", false},
		{"unknown, with allow", allow, "", false},
		{"unknown, with deny alone", deny, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			upstream := &proxytest.Upstream{}
			x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
			x.Client, _ = netip.ParseAddr(tt.client)
			err := build(t, tt.config, upstream).Serve(x)
			if served := err == nil && upstream.Got != ""; served != tt.served {
				t.Errorf("served %v, error %v", served, err)
			}
			if e, ok := errors.AsType[*exchange.Error](err); !tt.served && (!ok || e.Status != 403 || e.Code != "ipaccess.denied") {
				t.Errorf("error %v, want 403 ipaccess.denied", err)
			}
		})
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	filtertest.Validate(t, ipaccess.Definition(nil), map[string]filtertest.Validation{
		"both":                {`{"allow": ["0.0.0.0/0"], "deny": ["::/0"]}`, ""},
		"nothing":             {`{}`, "at least one of"},
		"empty lists":         {`{"allow": [], "deny": []}`, "at least one of"},
		"a name":              {`{"allow": ["10.0.0.0/8", "a"]}`, `allow[1]: "a" is neither`},
		"bits beyond":         {`{"deny": ["10.0.0.1/8"]}`, "deny[0]: "},
		"an unknown field":    {`{"block": []}`, "unknown field"},
		"a list of something": {`{"allow": [1]}`, "allow"},
	})
}

// nothing answers at no cost.
var nothing = exchange.HandlerFunc(func(*exchange.Exchange) error { return nil })

func cycle(tb testing.TB, client string) func() {
	tb.Helper()
	h := build(tb, `{"allow": ["192.0.2.0/24", "2001:db8::/32"], "deny": ["192.0.2.128/25"]}`, nothing)
	x := proxytest.Exchange(tb, "GET / HTTP/1.1\nHost: a\n")
	x.Client = netip.MustParseAddr(client)
	return func() { _ = h.Serve(x) }
}

func TestNothingIsAllocated(t *testing.T) {
	for _, client := range []string{"192.0.2.1", "192.0.2.129", "2001:db8::1", "198.51.100.1"} {
		if n := testing.AllocsPerRun(100, cycle(t, client)); n != 0 {
			t.Errorf("%s: %v allocations", client, n)
		}
	}
}

func BenchmarkServe(b *testing.B) {
	serve := cycle(b, "192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}
