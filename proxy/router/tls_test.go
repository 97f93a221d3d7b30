package router

import (
	"crypto/tls"
	"errors"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

// secured returns a snapshot with one route for any host and these policies, by host.
func secured(list ...*snapshot.TLSPolicy) *snapshot.Snapshot {
	s := *parse("* /")
	s.TLS = proxytest.Snapshot(proxytest.Parts{TLS: list}).TLS
	return snapshot.New(s)
}

func tlsPolicyOf(host, secret string, least snapshot.TLSVersion) *snapshot.TLSPolicy {
	ref := snapshot.Ref{Namespace: "ns", Name: secret, Key: "tls.crt"}
	return (&snapshot.TLSPolicy{Host: host, Certificate: ref, MinVersion: least}).Seal()
}

var policiesOfAll = secured(
	tlsPolicyOf("", "default", snapshot.TLS12),
	tlsPolicyOf("*.example.com", "wild", snapshot.TLS12),
	tlsPolicyOf("a.example.com", "a", snapshot.TLS12),
	tlsPolicyOf("b.example.com", "wild", snapshot.TLS12),
	tlsPolicyOf("strict.example.com", "wild", snapshot.TLS13),
)

func TestRequestsGoNoFurtherThanTheirConnectionIsSecured(t *testing.T) {
	const old, current = tls.VersionTLS12, tls.VersionTLS13
	for _, tt := range []struct {
		name         string
		server, host string
		version      uint16
		misdirected  bool
	}{
		{"the host that was named", "a.example.com", "a.example.com", current, false},
		{"the host that was named, by the older version", "a.example.com", "a.example.com", old, false},
		{"another host of the same wildcard", "x.example.com", "y.example.com", current, false},
		{"a host with an equal policy of its own", "x.example.com", "b.example.com", current, false},
		{"a host with another certificate", "a.example.com", "b.example.com", current, true},
		{"a host with another certificate, the other way round", "b.example.com", "a.example.com", current, true},
		{"a host with another minimum version", "b.example.com", "strict.example.com", current, true},
		{"the host that was named, by a version that is too old by now", "strict.example.com", "strict.example.com", old, true},
		{"a host without policy after one that has one", "a.example.com", "other.org", current, true},
		{"a host without policy after another one", "one.org", "other.org", current, false},
		{"no host named, one without policy asked for", "", "other.org", current, false},
		{"no host named, one with a policy asked for", "", "a.example.com", current, true},
		{"a host named, none asked for", "a.example.com", "", current, true},
		{"the name of the wildcard's own domain", "x.example.com", "example.com", current, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := New(compile(t, nil, policiesOfAll))
			x := get(tt.host, "/")
			x.TLS = &exchange.TLS{ServerName: tt.server, Version: tt.version}
			err := r.Serve(x)
			if tt.misdirected != errors.Is(err, errMisdirected) || !tt.misdirected && err != nil {
				t.Errorf("error %v", err)
			}
			if got := values(x, "tag"); len(got) != 1 || got[0] != "base" {
				t.Errorf("tags %v, want those of the base filters", got)
			}
		})
	}
}

func TestRequestsWithoutTLSAreNotMisdirected(t *testing.T) {
	if err := New(compile(t, nil, policiesOfAll)).Serve(get("strict.example.com", "/")); err != nil {
		t.Error(err)
	}
}

func TestPoliciesAreThoseOfTheTable(t *testing.T) {
	first := compile(t, nil, secured(tlsPolicyOf("a.org", "one", snapshot.TLS12), tlsPolicyOf("b.org", "two", snapshot.TLS12)))
	x := get("b.org", "/")
	x.TLS = &exchange.TLS{ServerName: "a.org", Version: tls.VersionTLS13}
	r := New(first)
	if err := r.Serve(x); !errors.Is(err, errMisdirected) {
		t.Errorf("two policies: %v", err)
	}
	x.Refusal = nil
	r.Swap(compile(t, first, secured(tlsPolicyOf("a.org", "one", snapshot.TLS12), tlsPolicyOf("b.org", "one", snapshot.TLS12))))
	if err := r.Serve(x); err != nil {
		t.Errorf("after a change that makes them equal: %v", err)
	}
}

func TestUnchangedPoliciesAreNotCompiledAgain(t *testing.T) {
	first := compile(t, nil, policiesOfAll)
	routes := *parse("* /", "* /b")
	routes.TLS = policiesOfAll.TLS
	second := compile(t, first, snapshot.New(routes))
	a, b := first.policies.of("a.example.com"), second.policies.of("a.example.com")
	if a != b {
		t.Error("a change of routes compiled the policies again")
	}
}

func TestLookingForMisdirectionAllocatesNothing(t *testing.T) {
	p := compile(t, nil, policiesOfAll).policies
	x := get("deep.below.b.example.com", "/")
	x.TLS = &exchange.TLS{ServerName: "x.example.com", Version: tls.VersionTLS12}
	if n := testing.AllocsPerRun(100, func() { p.misdirects(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
