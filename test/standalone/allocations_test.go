package standalone

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// What escapes to the heap depends on what is inlined, and that on the profile: only the shipped binary shows it.
func TestRequestsAllocateNothingInTheShippedBinary(t *testing.T) {
	l := newLogin(t)
	paths := []struct{ name, filters, field string }{
		{"plain", "", "Accept: */*"},
		{"limited", "", "X-Client-ID: alice"},
		{"key", "apiKey: {secretName: partners}", "X-API-Key: 6c1f7f3e0d6b4f0a"},
		{"password", "basicAuth: {secretName: users}", "Authorization: Basic YW5uYTpjb3JyZWN0IGhvcnNl"},
		{"token", "jwt: {providers: [{name: login, issuer: login, " + keysInConfigMap + "}]}", l.token(t)},
	}
	rules, to := "", endpoint(backend(t, echo("b")))
	for _, p := range paths {
		rules += fmt.Sprintf("  - {name: %s, matches: [{path: {value: /%[1]s}}], filters: {%s}, backends: [%s]}\n", p.name, p.filters, to)
	}
	g := start(t, map[string]string{
		"r.yaml": manifest("r", rules), "login.yaml": l.configMap(),
		"limit.yaml":    strings.Replace(rateLimitPolicy("requests: 1000000, period: 1h"), "name: r}", "name: r, sectionName: limited}", 1),
		"partners.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: partners}\nstringData: {acme: 6c1f7f3e0d6b4f0a}\n",
		"users.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: users}\n" +
			"stringData: {.htpasswd: \"anna:$5$abcdefgh$ruMep1ijHnJPZbETDNiumskxcX3kN4lzZd5VlsqE7eB\"}\n",
	})
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) {
			c := g.dial(t)
			c.ask(p.name, p.field, 200) // Pools are warm then.
			const requests = 5000
			read := g.mallocs(t)
			before := g.mallocs(t)
			c.ask(p.name, p.field, requests)
			// What else the process does is among them.
			if each := (g.mallocs(t) - before - (before - read)) / requests; each > 0.1 {
				t.Errorf("%.3f allocations a request", each)
			}
		})
	}
}

// ask makes so many requests, some at once, which must all be answered well.
func (c *client) ask(path, field string, times int) {
	c.t.Helper()
	const atOnce = 50
	requests := strings.Repeat("GET /"+path+" HTTP/1.1\r\nHost: a\r\n"+field+"\r\n\r\n", atOnce)
	for range times / atOnce {
		c.send("%s", requests)
		for range atOnce {
			if r := c.receive(); r.StatusCode != http.StatusOK {
				c.t.Fatalf("%d: %s", r.StatusCode, r.body)
			}
		}
	}
}

// mallocs is how many objects the process has allocated, to the last one.
func (g *gateway) mallocs(t *testing.T) float64 {
	t.Helper()
	page, err := http.Get("http://" + g.debug + "/debug/pprof/allocs?debug=1")
	_, rest, _ := strings.Cut(whole(t, page, err).body, "\n# Mallocs = ")
	text, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
