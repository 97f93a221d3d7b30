package listener

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

func TestRotationReachesNewConnectionsAndClosesNone(t *testing.T) {
	s := listening(t, https, Options{Serve: repeat})
	first, second := issue(t, "first"), issue(t, "second")
	policies := []string{"a.example.com a"}
	s.secure(policies, map[string]secret{"a": first})
	open, err := shake(t, s, trusting("a.example.com"))
	if err != nil || !first.isShown(open.ConnectionState()) {
		t.Fatalf("error %v, or not the first certificate", err)
	}
	s.secure(policies, map[string]secret{"a": second})
	if c, err := shake(t, s, trusting("a.example.com")); err != nil || !second.isShown(c.ConnectionState()) {
		t.Errorf("error %v, or not the second certificate", err)
	} else {
		c.Close()
	}
	if got := exchanged(t, open, "still there"); got != "https a.example.com 127.0.0.1 still there" {
		t.Errorf("the connection from before got %q", got)
	}
	open.Close()
}

func TestTheLastGoodCertificateStays(t *testing.T) {
	good, other := issue(t, "good"), issue(t, "other")
	for _, tt := range []struct {
		name    string
		secrets map[string]secret
	}{
		{"the Secret is gone", nil},
		{"the Secret is empty", map[string]secret{"a": {}}},
		{"the certificate is no PEM", map[string]secret{"a": {[]byte("certificate"), good.key}}},
		{"the key belongs to another certificate", map[string]secret{"a": {good.certificate, other.key}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listening(t, https, Options{Serve: hello})
			policies := []string{"a.example.com a"}
			s.secure(policies, map[string]secret{"a": good})
			for range 2 { // a broken one must not become the last one
				s.secure(policies, tt.secrets)
				s.secure(append(policies, "b.example.com a"), tt.secrets)
			}
			c, err := shake(t, s, trusting("a.example.com"))
			if err != nil || !good.isShown(c.ConnectionState()) {
				t.Errorf("error %v, or not the last good certificate", err)
			}
			c.Close()
			if _, err := shake(t, s, trusting("b.example.com")); !isAlert(err, unrecognizedName) {
				t.Errorf("a host that never had one: %v", err)
			}
			for state, want := range map[string]float64{"current": 0, "stale": 1, "missing": 1} {
				if got := metric(t, s, "gateway_tls_certificates", state); got != want {
					t.Errorf("%v hosts are %s, want %v", got, state, want)
				}
			}
			s.secure(policies, map[string]secret{"a": other})
			c, err = shake(t, s, trusting("a.example.com"))
			if err != nil || !other.isShown(c.ConnectionState()) {
				t.Errorf("error %v, or not the certificate of the repaired Secret", err)
			}
			c.Close()
		})
	}
}

func TestAHostWithoutCertificateFallsBackToTheDefault(t *testing.T) {
	s := listening(t, https, Options{Serve: hello})
	fallback := issue(t, "fallback")
	s.secure([]string{"- fallback", "a.example.com missing"}, map[string]secret{"fallback": fallback})
	c, err := shake(t, s, trusting("a.example.com"))
	if err != nil || !fallback.isShown(c.ConnectionState()) {
		t.Errorf("error %v, or not the default certificate", err)
	}
	c.Close()
}

func TestWhatNothingUsesIsForgotten(t *testing.T) {
	s := set(t, Options{Serve: hello})
	policies := []string{"a.org a", "b.org a 1.3", "c.org missing"}
	for range 5 {
		s.secure(policies, map[string]secret{"a": issue(t, "a")})
		if pairs, made := len(s.secrets.pairs), len(s.secrets.configs); pairs != 2 || made != 2 {
			t.Errorf("%d pairs and %d configurations after rotation", pairs, made)
		}
	}
	s.secure(nil, nil)
	if pairs, made := len(s.secrets.pairs), len(s.secrets.configs); pairs != 0 || made != 0 {
		t.Errorf("%d pairs and %d configurations after the last policy went", pairs, made)
	}
}

func TestWhatHasNotChangedIsKept(t *testing.T) {
	s := set(t, Options{Serve: hello})
	a, b := issue(t, "a"), issue(t, "b")
	s.secure([]string{"a.org a", "b.org b"}, map[string]secret{"a": a, "b": b})
	before := s.secrets.current.Load().hosts
	s.secure([]string{"a.org a", "b.org b"}, map[string]secret{"a": a, "b": issue(t, "b")})
	after := s.secrets.current.Load().hosts
	if before["a.org"].configs != after["a.org"].configs {
		t.Error("a host whose Secret did not change has another configuration")
	}
	if before["b.org"].configs == after["b.org"].configs {
		t.Error("a host whose Secret changed has the old configuration")
	}
}

// BenchmarkRotateOne changes the certificate of one of many hosts. The others are neither parsed nor given new configurations.
func BenchmarkRotateOne(b *testing.B) {
	const n = 10_000
	s := New(Options{Log: slog.New(slog.DiscardHandler)})
	both := []secret{issue(b, "first"), issue(b, "second")}
	policies := make([]*snapshot.TLSPolicy, n)
	values := make([]*snapshot.Secret, 0, 2*n)
	for i := range policies {
		name := fmt.Sprintf("s%05d", i)
		policies[i] = policyFor(fmt.Sprintf("h%05d.example.com %s", i, name))
		values = append(values, sealed(name, both[0])...)
	}
	parts := proxytest.Snapshot(proxytest.Parts{TLS: policies, Secrets: values})
	s.Secure(parts.TLS, parts.Secrets)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		secrets := parts.Secrets
		for _, v := range sealed("s05000", both[i%2]) {
			secrets = secrets.Put(uint64(i+1), v.Ref.String(), v)
		}
		s.Secure(parts.TLS, secrets)
	}
}
