package forwarded_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/forwarded"
	"github.com/penstock/penstock/proxy/proxytest"
)

var trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}

func TestForwardingIsToldAndClaimsAreBelievedOnlyFromTrustedProxies(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trusted []netip.Prefix
		peer    string
		head    []string // what the peer sent besides Host
		want    []string // what the backend gets besides Host
		client  string
	}{
		{
			name: "a client is told about",
			peer: "192.0.2.1",
			want: []string{
				"Forwarded: for=192.0.2.1;host=shop.example.com;proto=http", "X-Forwarded-For: 192.0.2.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "192.0.2.1",
		},
		{
			name: "an IPv6 address is quoted and in brackets in Forwarded alone",
			peer: "2001:db8::7",
			want: []string{
				`Forwarded: for="[2001:db8::7]";host=shop.example.com;proto=http`, "X-Forwarded-For: 2001:db8::7",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "2001:db8::7",
		},
		{
			name: "an IPv4 address mapped into IPv6 is an IPv4 address",
			peer: "::ffff:192.0.2.1",
			want: []string{
				"Forwarded: for=192.0.2.1;host=shop.example.com;proto=http", "X-Forwarded-For: 192.0.2.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "192.0.2.1",
		},
		{
			name: "a client's claims are dropped, whatever their case and number",
			peer: "192.0.2.1",
			head: []string{
				"X-Forwarded-For: 10.0.0.1", "x-forwarded-for: 127.0.0.1", "X-FORWARDED-PROTO: https", "X-Forwarded-Host: admin.example.com",
				"Forwarded: for=10.0.0.1;proto=https", "X-Forwarded-Prefix: /admin", "X-Forwarded-Port: 443",
				"X-Forwarded-Client-Cert: Subject=admin", "x-real-ip: 127.0.0.1", "X_Forwarded_For: 127.0.0.1", "X-Forwarded: 1", "X-Forward: kept",
			},
			want: []string{
				"X-Forwarded: 1", "X-Forward: kept",
				"Forwarded: for=192.0.2.1;host=shop.example.com;proto=http", "X-Forwarded-For: 192.0.2.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "192.0.2.1",
		},
		{
			name: "claims spelled with underscores are dropped, even from a trusted proxy", trusted: trusted, peer: "10.0.0.1",
			head: []string{"X_Forwarded_For: 127.0.0.1", "x-forwarded_proto: https", "X_REAL_IP: 127.0.0.1", "X-Real-IP: 192.0.2.9", "X_Forward: kept"},
			want: []string{
				"X-Real-IP: 192.0.2.9", "X_Forward: kept",
				"Forwarded: for=10.0.0.1;host=shop.example.com;proto=http", "X-Forwarded-For: 10.0.0.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "10.0.0.1",
		},
		{
			name: "without a list nobody is trusted", peer: "10.0.0.1",
			head: []string{"X-Forwarded-For: 192.0.2.9"},
			want: []string{
				"Forwarded: for=10.0.0.1;host=shop.example.com;proto=http", "X-Forwarded-For: 10.0.0.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "10.0.0.1",
		},
		{
			name: "a trusted proxy's report is continued", trusted: trusted, peer: "10.0.0.1",
			head: []string{
				"X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: www.example.com",
				"Forwarded: for=192.0.2.9;proto=https", "X-Forwarded-Port: 443",
			},
			want: []string{
				"X-Forwarded-Port: 443",
				"Forwarded: for=192.0.2.9;proto=https, for=10.0.0.1;host=shop.example.com;proto=http", "X-Forwarded-For: 192.0.2.9, 10.0.0.1",
				"X-Forwarded-Proto: https", "X-Forwarded-Host: www.example.com",
			},
			client: "192.0.2.9",
		},
		{
			name: "several fields are one list, and the right-most untrusted address is the client", trusted: trusted, peer: "10.0.0.1",
			head: []string{"X-Forwarded-For: 127.0.0.1, 192.0.2.9", "X-Forwarded-For: 10.9.9.9 ,2001:db8:1::5"},
			want: []string{
				"Forwarded: for=10.0.0.1;host=shop.example.com;proto=http",
				"X-Forwarded-For: 127.0.0.1, 192.0.2.9, 10.9.9.9 ,2001:db8:1::5, 10.0.0.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "192.0.2.9",
		},
		{
			name: "ports are no part of addresses", trusted: trusted, peer: "10.0.0.1",
			head: []string{"X-Forwarded-For: [2001:db8::9]:4711, 10.0.0.2:80, [2001:db8:1::1]"},
			want: []string{
				"Forwarded: for=10.0.0.1;host=shop.example.com;proto=http",
				"X-Forwarded-For: [2001:db8::9]:4711, 10.0.0.2:80, [2001:db8:1::1], 10.0.0.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "2001:db8::9",
		},
		{
			name: "beyond what can't be read nothing is believed", trusted: trusted, peer: "10.0.0.1",
			head: []string{"X-Forwarded-For: 192.0.2.9, unknown, 10.0.0.2"},
			want: []string{
				"Forwarded: for=10.0.0.1;host=shop.example.com;proto=http", "X-Forwarded-For: 192.0.2.9, unknown, 10.0.0.2, 10.0.0.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "10.0.0.2",
		},
		{
			name: "if all are trusted the first is the client", trusted: trusted, peer: "10.0.0.1",
			head: []string{"X-Forwarded-For: 10.0.0.3,10.0.0.2"},
			want: []string{
				"Forwarded: for=10.0.0.1;host=shop.example.com;proto=http", "X-Forwarded-For: 10.0.0.3,10.0.0.2, 10.0.0.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "10.0.0.3",
		},
		{
			name: "a scheme that is none is not passed on", trusted: trusted, peer: "10.0.0.1",
			head: []string{"X-Forwarded-Proto: gopher", "X-Forwarded-For:"},
			want: []string{
				"Forwarded: for=10.0.0.1;host=shop.example.com;proto=http", "X-Forwarded-For: 10.0.0.1",
				"X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example.com",
			},
			client: "10.0.0.1",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			upstream := &proxytest.Upstream{}
			chain := build(t, tt.trusted, upstream)
			x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: shop.example.com\n"+strings.Join(tt.head, "\n"))
			x.Peer = netip.AddrPortFrom(netip.MustParseAddr(tt.peer), 50123)
			if err := chain.Serve(x); err != nil {
				t.Fatal(err)
			}
			got := strings.Split(strings.TrimSpace(upstream.Got), "\n")[2:]
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("fields at the backend (-want +got):\n%s", diff)
			}
			if got := x.Client.String(); got != tt.client {
				t.Errorf("client %s, want %s", got, tt.client)
			}
		})
	}
}

func build(t *testing.T, trusted []netip.Prefix, last exchange.Handler) exchange.Handler {
	t.Helper()
	chain, err := filter.Registry{forwarded.Definition(trusted)}.Chain(true, nil, filter.Env{}, last)
	if err != nil {
		t.Fatal(err)
	}
	return chain.Handler
}

func TestAHostWithAPortIsQuoted(t *testing.T) {
	upstream := &proxytest.Upstream{}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: [2001:db8::1]:8080")
	if err := build(t, nil, upstream).Serve(x); err != nil {
		t.Fatal(err)
	}
	if want := `Forwarded: for=192.0.2.1;host="[2001:db8::1]:8080";proto=http`; !strings.Contains(upstream.Got, want) {
		t.Errorf("backend got\n%s\nwithout %s", upstream.Got, want)
	}
}

func TestWithoutHostNoneIsForwarded(t *testing.T) {
	upstream := &proxytest.Upstream{}
	x := proxytest.Exchange(t, "GET / HTTP/1.0\nX-Forwarded-Host: admin.example.com")
	if err := build(t, nil, upstream).Serve(x); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(upstream.Got, "X-Forwarded-Host") || strings.Contains(upstream.Got, ";host") {
		t.Errorf("backend got a host:\n%s", upstream.Got)
	}
}

func TestTheSchemeOfATrustedProxyIsTheRequests(t *testing.T) {
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-Forwarded-Proto: https")
	if err := build(t, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, &proxytest.Upstream{}).Serve(x); err != nil {
		t.Fatal(err)
	}
	if x.Request.Scheme != "https" {
		t.Errorf("scheme %s, want https", x.Request.Scheme)
	}
}

func TestARefusedRequestIsNotLookedAt(t *testing.T) {
	x := &exchange.Exchange{Peer: proxytest.Peer, Refusal: &exchange.Error{Status: 400, Code: "request.malformed"}}
	refuse := exchange.HandlerFunc(func(x *exchange.Exchange) error { return x.Refusal })
	if err := build(t, trusted, refuse).Serve(x); !errors.Is(err, x.Refusal) {
		t.Errorf("error %v, want the refusal", err)
	}
	if x.Client != proxytest.Peer.Addr() || x.Request.Head.Len() != 0 {
		t.Errorf("client %s and %d fields, want the peer and none", x.Client, x.Request.Head.Len())
	}
}
