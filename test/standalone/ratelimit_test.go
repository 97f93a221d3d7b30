package standalone

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/penstock/penstock/test/testredis"
)

// rateLimitPolicy is a policy on the route r. Its limit is in the flow style of YAML.
func rateLimitPolicy(limit string) string {
	return `apiVersion: gateway.penstock.io/v1alpha1
kind: RateLimitPolicy
metadata: {name: per-client}
spec:
  targetRefs: [{group: gateway.penstock.io, kind: GatewayRoute, name: r}]
  limits:
  - {name: per-client, key: [{type: Header, name: X-Client-ID}], ` + limit + `}
`
}

func TestEachClientMaySend100RequestsIn60Seconds(t *testing.T) {
	b := backend(t, echo("b"))
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", b), "p.yaml": rateLimitPolicy("requests: 100, period: 1h")})
	for n := range 100 {
		if r := g.get(t, "a", "/", "X-Client-ID: alice"); r.StatusCode != http.StatusOK || r.Header.Get("RateLimit") != "" {
			t.Fatalf("request %d: %d, %v", n+1, r.StatusCode, r.Header)
		}
	}
	r := g.get(t, "a", "/", "X-Client-ID: alice")
	if got := r.problem(t); got.Status != 429 || got.Code != "ratelimit.exceeded" {
		t.Errorf("request 101: %+v", got)
	}
	if r.Header.Get("Retry-After") == "" || r.Header.Get("RateLimit-Policy") != `"per-client/per-client";q=100;w=3600` {
		t.Errorf("request 101 has the fields %v", r.Header)
	}
	if r := g.get(t, "a", "/", "X-Client-ID: bob"); r.StatusCode != http.StatusOK {
		t.Errorf("another client: %d", r.StatusCode)
	}

	// Neither another table nor an edit of the policy gives anything back.
	g.write(t, "r.yaml", route("r", "a", "/", b)+"---\n"+route("more", "b", "/", b))
	g.write(t, "p.yaml", rateLimitPolicy("requests: 200, period: 2h, burst: 100"))
	eventually(t, "the edit to be served", func() bool {
		r := g.get(t, "a", "/", "X-Client-ID: alice")
		if r.StatusCode != 429 {
			t.Fatalf("after an edit: %d", r.StatusCode)
		}
		return strings.HasSuffix(r.Header.Get("RateLimit-Policy"), ";w=7200")
	})
	if m := g.getAdmin(t, "/metrics"); !strings.Contains(m.body, `gateway_rate_limit_decisions_total{decision="allowed",limit="per-client",policy="default/per-client"} 101`) {
		t.Errorf("the metrics don't have 101 allowed requests")
	}
}

func TestWhoLeavesMakesRoomForOthers(t *testing.T) {
	g := start(t, map[string]string{
		"r.yaml": route("r", "a", "/slow", raw(t, swallow)) + "---\n" + route("quick", "a", "/quick", backend(t, echo("b"))),
		"p.yaml": strings.Replace(rateLimitPolicy("requests: 1, algorithm: Concurrency"), "name: r}", "name: r}, {group: gateway.penstock.io, kind: GatewayRoute, name: quick}", 1),
	})
	c := g.dial(t)
	c.send("GET /slow HTTP/1.1\r\nHost: a\r\nX-Client-ID: alice\r\n\r\n")
	// Who asked before that might be in flight when it comes, and have it refused.
	eventually(t, "the request to be in flight", func() bool {
		return strings.Contains(g.getAdmin(t, "/metrics").body, `gateway_rate_limit_decisions_total{decision="allowed",limit="per-client",policy="default/per-client"} 1`)
	})
	if r := g.get(t, "a", "/quick", "X-Client-ID: alice"); r.StatusCode != 429 {
		t.Errorf("beside the request in flight: %d", r.StatusCode)
	}
	c.Close()
	eventually(t, "its end", func() bool { return g.get(t, "a", "/quick", "X-Client-ID: alice").StatusCode == http.StatusOK })
}

func TestReplicasShareALimitInRedis(t *testing.T) {
	server := testredis.Start(t)
	manifests := map[string]string{
		"r.yaml": route("r", "a", "/", backend(t, echo("b"))), "p.yaml": rateLimitPolicy("requests: 50, period: 24h, scope: Cluster, failureMode: Closed"),
	}
	var replicas []*gateway
	for range 3 {
		g := start(t, manifests, "--rate-limit-store=redis://"+server.Address)
		// On a busy machine an answer may be late, which is what Closed is for here: it is none of those counted below.
		eventually(t, "the store to decide", func() bool { return g.get(t, "a", "/", "X-Client-ID: "+g.admin).StatusCode == http.StatusOK })
		replicas = append(replicas, g)
	}
	counts := map[int]int{}
	for n := 0; counts[200]+counts[429] < 120; n++ {
		counts[replicas[n%3].get(t, "a", "/", "X-Client-ID: alice").StatusCode]++
	}
	if counts[200] > 50 || counts[200]+counts[503] < 50 {
		t.Errorf("answers by status: %v, want 50 that passed", counts)
	}
	server.Kill(t)
	eventually(t, "the failure mode", func() bool { return replicas[0].get(t, "a", "/", "X-Client-ID: bob").StatusCode == 503 })
	server.Start(t)
	eventually(t, "the store again", func() bool { return replicas[0].get(t, "a", "/", "X-Client-ID: bob").StatusCode == http.StatusOK })
}

func TestFlagsOfTheRateLimitStoreAreChecked(t *testing.T) {
	for flag, want := range map[string]string{
		"--rate-limit-store=http://a":                                            "--rate-limit-store: scheme",
		"--rate-limit-keys=0":                                                    "--rate-limit-keys",
		"--rate-limit-store=redis://a,b":                                         "--rate-limit-store: several hosts",
		"--rate-limit-store=redis://user:secret@a":                               "--rate-limit-store: a password",
		"--rate-limit-store=redis://a --rate-limit-store-ca-file=/":              "--rate-limit-store-ca-file",
		"--rate-limit-store=redis://a --rate-limit-store-password-file=/nowhere": "--rate-limit-store-password-file",
	} {
		out, err := exec.Command(binary, append([]string{"standalone", "-f", t.TempDir()}, strings.Fields(flag)...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) || strings.Contains(string(out), "secret") {
			t.Errorf("%s: %v, %s", flag, err, out)
		}
	}
}
