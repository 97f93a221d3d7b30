package standalone

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Three processes without a store allow one limit together.
func TestReplicasShareALimitWithoutAStore(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var peers []string
	for _, port := range freePorts(t, 3) {
		peers = append(peers, "127.0.0.1:"+port)
	}
	b := backend(t, echo("b"))
	var all []*gateway
	for _, bind := range peers {
		all = append(all, start(t, map[string]string{
			"r.yaml": route("r", "a", "/", b), "p.yaml": rateLimitPolicy("requests: 300, period: 24h, scope: Cluster"),
		}, "--rate-limit-peers-bind="+bind, "--rate-limit-peers="+strings.Join(peers, ","), "--rate-limit-peers-secret-file="+secret))
	}
	for _, g := range all {
		eventually(t, "two others to be heard", func() bool {
			return strings.Contains(g.getAdmin(t, "/metrics").body, "\ngateway_rate_limit_peers 2\n")
		})
	}
	allowed := 0
	ask := func(g *gateway) {
		if g.get(t, "a", "/", "X-Client-ID: alice").StatusCode == http.StatusOK {
			allowed++
		}
	}
	// All requests of the client come to one replica: it gets what the others don't use.
	eventually(t, "nearly all of the limit to be allowed by one replica", func() bool {
		ask(all[0])
		return allowed >= 270
	})
	for range 200 {
		for _, g := range all {
			ask(g)
		}
	}
	if allowed > 300 {
		t.Errorf("%d requests were allowed, want at most 300", allowed)
	}
}
