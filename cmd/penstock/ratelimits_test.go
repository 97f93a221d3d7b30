package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestFlagsOfRateLimitsThatMeanNothingAreRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags rateLimits
		want  string
	}{
		{"no keys", rateLimits{}, "--rate-limit-keys: 0"},
		{"not a URL of Redis", rateLimits{keys: 1, store: "memcached://a:1"}, "--rate-limit-store: "},
		{"a password for no store", rateLimits{keys: 1, passwordFile: "password"}, "need --rate-limit-store"},
		{"an authority for no store", rateLimits{keys: 1, caFile: "ca.crt"}, "need --rate-limit-store"},
		{"an authority for cleartext", rateLimits{keys: 1, store: "redis://127.0.0.1:6379", caFile: "ca.crt"}, "--rate-limit-store-ca-file: "},
		{"a store and peers", rateLimits{keys: 1, store: "redis://127.0.0.1:6379", peers: peerFlags{bind: ":0"}}, "exclude each other"},
		{"peers of nobody", rateLimits{keys: 1, peers: peerFlags{secretFile: "secret"}}, "need --rate-limit-peers-bind"},
	} {
		_, err := c.flags.build(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}
