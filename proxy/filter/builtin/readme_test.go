package builtin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.yaml.in/yaml/v3"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/filter/extauth"
	"github.com/penstock/penstock/proxy/filter/ratelimit"
	"github.com/penstock/penstock/proxy/filter/redirecthttp"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

// A README's example consists of code blocks. Their kinds are the words after the fence.
const (
	ruleBlock     = "yaml"          // the rule, or the policy that holds for it, in the form of the API; base filters have none
	secretBlock   = "yaml secret"   // the Secret that the filter names
	requestBlock  = "http request"  // what the client sends; under a policy, twice
	upstreamBlock = "http upstream" // what the backend gets
	answerBlock   = "http answer"   // what the backend answers; "hello" without it
	responseBlock = "http response" // what the client gets
	logBlock      = "json"          // what is logged
	metricsBlock  = "text"          // lines of /metrics
)

var sections = []string{"## Fields", "## Errors", "## Metrics", "## Example"}

// readmes returns the READMEs of all filters by folder.
func readmes(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "builtin" || e.Name() == "internal" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", e.Name(), "README.md"))
		if err != nil {
			t.Errorf("filter without README: %v", err)
		}
		all[e.Name()] = string(text)
	}
	return all
}

// names are the filters that a README is about: its title.
func names(readme string) []string {
	title, _, _ := strings.Cut(strings.TrimPrefix(readme, "# "), "\n")
	return strings.Split(title, ", ")
}

func TestEveryFilterIsListedAndDocumented(t *testing.T) {
	documented := map[string]bool{}
	for folder, readme := range readmes(t) {
		for _, name := range names(readme) {
			documented[name] = true
			if _, ok := builtin.Registry(builtin.Deps{}).Lookup(name); !ok {
				t.Errorf("filter %s of folder %s is not listed", name, folder)
			}
		}
		at := 0
		for _, section := range sections {
			i := strings.Index(readme[at:], "\n"+section+"\n")
			if i < 0 {
				t.Fatalf("%s/README.md lacks %q, or has it out of order", folder, section)
			}
			at += i
		}
	}
	for _, d := range builtin.Registry(builtin.Deps{}) {
		if !documented[d.Name] {
			t.Errorf("filter %s has no README", d.Name)
		}
	}
}

func TestExamplesOfTheREADMEsAreTrue(t *testing.T) {
	for folder, readme := range readmes(t) {
		t.Run(folder, func(t *testing.T) {
			_, example, _ := strings.Cut(readme, "\n## Example\n")
			e := newExample(t, blocks(example))
			if folder == "localreply" {
				e.upstream.Err = &exchange.Error{Status: 503, Code: "upstream.no_endpoint", Source: exchange.FromUpstream}
			}
			e.run(t)
		})
	}
}

var block = regexp.MustCompile("(?ms)^```([a-z ]+)\n(.*?)^```$")

func blocks(text string) map[string]string {
	all := map[string]string{}
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		all[m[1]] = m[2]
	}
	return all
}

type example struct {
	blocks   map[string]string
	rule     rule
	upstream proxytest.Upstream
}

// rule is what examples need of a GatewayRoute's rule, or of its spec.
type rule struct {
	Matches []struct{ Path struct{ Value string } }
	Filters map[string]json.RawMessage
	TLS     struct{ RedirectHTTP bool }
	Limits  []ratelimit.Limit
}

func newExample(t *testing.T, blocks map[string]string) *example {
	t.Helper()
	e := &example{blocks: blocks, upstream: proxytest.Upstream{Body: "hello\n"}}
	// By way of JSON, which is what filters are configured with.
	var plain any
	if err := yaml.Unmarshal([]byte(blocks[ruleBlock]), &plain); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(asJSON, &e.rule); err != nil {
		t.Fatal(err)
	}
	if answer, ok := blocks[answerBlock]; ok {
		head, body, _ := strings.Cut(answer, "\n\n")
		lines := strings.Split(head, "\n")
		status, err := strconv.Atoi(strings.Fields(lines[0])[1])
		if err != nil {
			t.Fatal(err)
		}
		e.upstream.Status, e.upstream.Body = status, body
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(line, ": ")
			e.upstream.Head = append(e.upstream.Head, name, value)
		}
	}
	return e
}

// run sends the request through the base chain, or through the filters of the rule alone, and checks what the blocks claim.
func (e *example) run(t *testing.T) {
	t.Helper()
	var log bytes.Buffer
	deps := newDeps(t, &log)
	route := &exchange.Route{ID: "shop/users/0", Patterns: []string{"/users"}, Prefixes: []string{"/users"}}
	if len(e.rule.Matches) > 0 {
		route.Prefixes[0] = e.rule.Matches[0].Path.Value
	}
	var configured []snapshot.Filter
	for name, config := range e.rule.Filters {
		f := snapshot.Filter{Name: name, Config: config}
		if name == extauth.Name {
			f.Clusters = []string{"service"}
		}
		configured = append(configured, f)
	}
	if e.rule.TLS.RedirectHTTP {
		configured = append(configured, snapshot.Filter{Name: redirecthttp.Name, Config: json.RawMessage(`{"port": 443}`)})
	}
	base := len(configured) == 0
	if limits := e.rule.Limits; limits != nil {
		configured = append(configured, snapshot.Filter{Name: ratelimit.Name, Config: limitConfig(t, limits)})
	}
	env := filter.Env{Route: route, Now: time.Now, Secret: e.value, Cluster: service}
	chain, err := builtin.Registry(deps).Chain(base, configured, env, &e.upstream)
	if err != nil {
		t.Fatal(err)
	}
	if e.rule.Limits != nil {
		if err := chain.Handler.Serve(proxytest.Exchange(t, e.blocks[requestBlock])); err != nil {
			t.Fatal(err)
		}
	}
	x := proxytest.Exchange(t, e.blocks[requestBlock])
	x.Route, x.Client = route, proxytest.Peer.Addr()
	if err := chain.Handler.Serve(x); err != nil {
		t.Fatal(err)
	}
	response := proxytest.ResponseText(t, x)
	x.Outcome = exchange.Outcome{ResponseBytes: 5, Duration: 1500 * time.Microsecond}
	x.SetFinishers(chain.Finishers)
	x.Finish()
	deps.AccessLog.Close()

	e.compare(t, upstreamBlock, e.upstream.Got, base)
	e.compare(t, responseBlock, response, base)
	e.compareJSON(t, log.Bytes())
	e.compare(t, metricsBlock, scrape(t, deps.Requests), true)
	runtime.KeepAlive(chain) // and with it the series
}

func limitConfig(t *testing.T, limits []ratelimit.Limit) json.RawMessage {
	t.Helper()
	config, err := json.Marshal(ratelimit.Config{Policies: []ratelimit.Policy{{Name: "shop/limits", Limits: limits}}})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// value finds the value of a Ref in the Secret of the example.
func (e *example) value(ref snapshot.Ref) ([]byte, error) {
	var secret struct {
		Metadata   struct{ Name string }
		StringData map[string]string `yaml:"stringData"`
	}
	if err := yaml.Unmarshal([]byte(e.blocks[secretBlock]), &secret); err != nil {
		return nil, err
	}
	if secret.Metadata.Name != ref.Name {
		return nil, fmt.Errorf("the example has no Secret %s", ref.Name)
	}
	if value, ok := secret.StringData[ref.Key]; ok {
		return []byte(value), nil
	}
	entries := map[string][]byte{}
	for key, value := range secret.StringData {
		entries[key] = []byte(value)
	}
	return snapshot.MarshalEntries(entries), nil
}

// service is what extAuth asks: it knows whoever has a cookie.
func service(string) (exchange.Handler, error) {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		if !x.Request.Head.Has(exchange.Cookie) {
			x.Reply(http.StatusUnauthorized)
			return nil
		}
		x.Reply(http.StatusAccepted)
		x.Response.Head.Add("X-Auth-Request-User", "ada")
		return nil
	}), nil
}

// compare checks one block, line by line. part: the block need not show all lines.
func (e *example) compare(t *testing.T, kind, got string, part bool) {
	t.Helper()
	want, ok := e.blocks[kind]
	if !ok {
		return
	}
	lines := strings.Split(got, "\n")
	if part {
		shown := strings.Split(want, "\n")
		lines = slices.DeleteFunc(lines, func(l string) bool { return !slices.Contains(shown, l) })
	}
	if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(strings.Join(lines, "\n"))); diff != "" {
		t.Errorf("%s (-want +got):\n%s\nin\n%s", kind, diff, got)
	}
}

func (e *example) compareJSON(t *testing.T, got []byte) {
	t.Helper()
	text, ok := e.blocks[logBlock]
	if !ok {
		return
	}
	var wantLine, gotLine any
	if err := json.Unmarshal([]byte(text), &wantLine); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &gotLine); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantLine, gotLine); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func scrape(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}
