package standalone

import (
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// examples are the blocks of YAML of a document, in order.
func examples(t *testing.T, path string) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		all = append(all, b[1])
	}
	return all
}

// service is a Service with one endpoint, as manifests.
func service(name, address string) string {
	host, port, _ := net.SplitHostPort(address)
	return `apiVersion: v1
kind: Service
metadata: {name: ` + name + `}
spec: {ports: [{name: http, port: 80, targetPort: ` + port + `}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ` + name + `, labels: {kubernetes.io/service-name: ` + name + `}}
addressType: IPv4
endpoints: [{addresses: [` + host + `], conditions: {ready: true}}]
ports: [{name: http, port: ` + port + `}]
`
}

// The first two manifests of the guide, as they stand there but for the provider, keep what is said about them.
func TestTheGuideLimitsEachClientBehindAToken(t *testing.T) {
	p := newProvider(t)
	guide := examples(t, "docs/guides/rate-limiting.md")
	here := strings.NewReplacer("https://login.example.com/.well-known", p.url+"/.well-known", "https://login.example.com/", p.url)
	g := start(t, map[string]string{"route.yaml": here.Replace(guide[0]), "policy.yaml": guide[1], "users.yaml": service("users", backend(t, echo("users")))})
	token := p.token(t, nil)
	ask := func(client, token string) *response {
		return g.get(t, "api.example.com", "/users/42", "X-Client-ID: "+client, "Authorization: Bearer "+token)
	}
	eventually(t, "the provider's keys", func() bool { return ask("carol", token).StatusCode == http.StatusOK })

	// Whoever has no good token takes nothing of what alice may send.
	for _, bad := range []string{token + "x", p.token(t, map[string]any{"aud": "bank"}), newProvider(t).token(t, nil)} {
		for range 50 {
			if r := ask("alice", bad); r.StatusCode != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Fatalf("a bad token: %d, %v", r.StatusCode, r.Header)
			}
		}
	}
	began, passed := time.Now(), 0
	var refusal *response
	for refusal == nil {
		switch r := ask("alice", token); r.StatusCode {
		case http.StatusOK:
			passed++
		case http.StatusTooManyRequests:
			refusal = r
		default:
			t.Fatalf("request %d: %d %s", passed+1, r.StatusCode, r.body)
		}
	}
	// A request that the machine is slow with finds what has flowed back meanwhile.
	if most := 101 + int(time.Since(began)*100/time.Minute); passed < 100 || passed > most {
		t.Errorf("%d requests passed, want from 100 to %d", passed, most)
	}
	h := refusal.Header
	if got := refusal.problem(t); got.Code != "ratelimit.exceeded" || h.Get("Retry-After") != "1" ||
		h.Get("RateLimit-Policy") != `"per-client/per-client";q=100;w=60` || !strings.HasPrefix(h.Get("RateLimit"), `"per-client/per-client";r=0;t=`) {
		t.Errorf("refused with %+v, %v", got, h)
	}
	if r := ask("bob", token); r.StatusCode != http.StatusOK {
		t.Errorf("another client: %d", r.StatusCode)
	}
	if r := ask("alice", token+"x"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a bad token of a client beyond its limit: %d", r.StatusCode)
	}
	if r := g.get(t, "api.example.com", "/users/42", "Authorization: Bearer "+token); r.StatusCode != http.StatusBadRequest {
		t.Errorf("without X-Client-ID: %d", r.StatusCode)
	}
}

// An expression over claims is asked behind the token, one over the request before it.
func TestLimitsByExpression(t *testing.T) {
	p := newProvider(t)
	route := strings.NewReplacer("https://login.example.com/.well-known", p.url+"/.well-known", "https://login.example.com/", p.url).
		Replace(examples(t, "docs/guides/rate-limiting.md")[0])
	policy := func(expression string) string {
		return strings.NewReplacer("name: r}", "name: users}", "{type: Header, name: X-Client-ID}", "{type: Expression, expression: "+expression+"}").
			Replace(rateLimitPolicy("requests: 1, period: 1h, onMissingKey: Refuse"))
	}
	for _, tt := range []struct {
		name, expression string
		// statuses of a bad token, ada of acme, ada of acme again, ada of no tenant
		want [4]int
	}{
		{"over claims", `"claims.tenant + request.method"`, [4]int{401, 200, 429, 400}},
		{"over the request", `"request.path.split('/')[2]"`, [4]int{401, 429, 429, 429}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, map[string]string{"route.yaml": route, "users.yaml": service("users", backend(t, echo("users")))})
			ask := func(token string) int {
				return g.get(t, "api.example.com", "/users/42", "Authorization: Bearer "+token).StatusCode
			}
			acme := p.token(t, map[string]any{"tenant": "acme"})
			eventually(t, "the provider's keys", func() bool { return ask(acme) == http.StatusOK })
			g.write(t, "policy.yaml", policy(tt.expression))
			eventually(t, "the policy", func() bool {
				r := g.get(t, "api.example.com", "/users/", "Authorization: Bearer "+p.token(t, nil))
				return r.StatusCode == http.StatusBadRequest
			})
			got := [4]int{ask("bad"), ask(acme), ask(acme), ask(p.token(t, nil))}
			if got != tt.want {
				t.Errorf("statuses %v, want %v", got, tt.want)
			}
		})
	}
}
