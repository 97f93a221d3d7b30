package snapshot

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/radix"
)

func predicates(n int) []Predicate {
	return slices.Repeat([]Predicate{{Name: "n", Type: ValuePresent}}, n)
}

func TestCompareOrdersByPrecedence(t *testing.T) {
	path := func(kind PathType, value string) Match { return Match{Path: Path{kind, value}} }
	prefix := path(Prefix, "/a")
	with := func(change func(*Match)) Match {
		m := prefix
		change(&m)
		return m
	}
	for _, tt := range []struct {
		name          string
		first, second Match
	}{
		{"an exact path before any regular expression", path(Exact, "/"), path(Regex, "/.*")},
		{"a regular expression before any prefix", path(Regex, "/"), path(Prefix, "/a/b/c")},
		{"a longer exact path first", path(Exact, "/ab"), path(Exact, "/b")},
		{"a longer regular expression first", path(Regex, "/.*"), path(Regex, "/a")},
		{"a longer prefix first", path(Prefix, "/a/b"), path(Prefix, "/a")},
		{"a longer prefix before a method", path(Prefix, "/a/b"), with(func(m *Match) { m.Methods = []string{"GET"} })},
		{"a method before none", with(func(m *Match) { m.Methods = []string{"GET"} }), prefix},
		{"a method before headers", with(func(m *Match) { m.Methods = []string{"GET"} }), with(func(m *Match) { m.Headers = predicates(2) })},
		{"more headers first", with(func(m *Match) { m.Headers = predicates(2) }), with(func(m *Match) { m.Headers = predicates(1) })},
		{"headers before query", with(func(m *Match) { m.Headers = predicates(1) }), with(func(m *Match) { m.Query = predicates(2) })},
		{"more query first", with(func(m *Match) { m.Query = predicates(2) }), with(func(m *Match) { m.Query = predicates(1) })},
		{"query before cookies", with(func(m *Match) { m.Query = predicates(1) }), with(func(m *Match) { m.Cookies = predicates(2) })},
		{"more cookies first", with(func(m *Match) { m.Cookies = predicates(2) }), with(func(m *Match) { m.Cookies = predicates(1) })},
		{"cookies before none", with(func(m *Match) { m.Cookies = predicates(1) }), prefix},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.first.Compare(&tt.second) >= 0 || tt.second.Compare(&tt.first) <= 0 {
				t.Errorf("compare %d, and the other way round %d", tt.first.Compare(&tt.second), tt.second.Compare(&tt.first))
			}
		})
	}
}

func TestCompareFindsTies(t *testing.T) {
	a := Match{
		Path: Path{Prefix, "/a"}, Methods: []string{"GET"},
		Headers: []Predicate{{Name: "x", Type: ValueExact, Value: "1"}},
	}
	b := Match{
		Path: Path{Prefix, "/b"}, Methods: []string{"PUT", "POST"},
		Headers: []Predicate{{Name: "y", Type: ValueRegex, Value: ".*", Invert: true}},
	}
	if got := a.Compare(&b); got != 0 {
		t.Errorf("compare %d: the number of methods, the type of a predicate and its inversion must not count", got)
	}
}

func exampleRoute() *Route {
	return &Route{
		ID: "shop/users/0", Origin: Origin{Kind: "GatewayRoute", Namespace: "shop", Name: "users", Generation: 1},
		Listeners: []string{ListenerHTTP}, Hosts: []string{"shop.example.com"},
		Matches:  []Match{{Path: Path{Prefix, "/users"}, Methods: []string{"GET"}}},
		Filters:  []Filter{{Name: "rewrite", Config: RawJSON(`{"path":"/"}`)}},
		Backends: []Backend{{Cluster: "shop/users:80", Weight: 1}},
		Timeouts: Timeouts{Request: Duration(time.Second)},
	}
}

func TestDigestDependsOnContentOnly(t *testing.T) {
	sealed, equal := exampleRoute().Seal(), exampleRoute().Seal()
	if sealed.Digest() != equal.Digest() {
		t.Error("equal routes have different digests")
	}
	if before := sealed.Digest(); sealed.Seal().Digest() != before {
		t.Error("a second seal changes the digest")
	}
}

func TestDigestCoversEveryField(t *testing.T) {
	seen := map[Digest]string{exampleRoute().Seal().Digest(): "nothing", {}: "the zero digest"}
	for name, change := range map[string]func(*Route){
		"id":         func(r *Route) { r.ID = "x" },
		"generation": func(r *Route) { r.Origin.Generation = 2 },
		"listener":   func(r *Route) { r.Listeners[0] = "x" },
		"host":       func(r *Route) { r.Hosts[0] = "x" },
		"path":       func(r *Route) { r.Matches[0].Path.Value = "/x" },
		"path type":  func(r *Route) { r.Matches[0].Path.Type = Exact },
		"method":     func(r *Route) { r.Matches[0].Methods[0] = "PUT" },
		"header":     func(r *Route) { r.Matches[0].Headers = predicates(1) },
		"query":      func(r *Route) { r.Matches[0].Query = predicates(1) },
		"cookie":     func(r *Route) { r.Matches[0].Cookies = predicates(1) },
		"config":     func(r *Route) { r.Filters[0].Config = RawJSON(`{"path":"/x"}`) },
		"cluster":    func(r *Route) { r.Backends[0].Cluster = "x" },
		"weight":     func(r *Route) { r.Backends[0].Weight = 2 },
		"timeout":    func(r *Route) { r.Timeouts.Request++ },
		"reject":     func(r *Route) { r.Reject = 500 },
	} {
		r := exampleRoute()
		change(r)
		d := r.Seal().Digest()
		if other, ok := seen[d]; ok {
			t.Errorf("a change of %s has the digest of a change of %s", name, other)
		}
		seen[d] = name
	}
}

func TestVersionCoversEveryPartAndItsPlace(t *testing.T) {
	route := func(id string) *Route { return (&Route{ID: id}).Seal() }
	cluster := func(name string) *Cluster { return (&Cluster{Name: name}).Seal() }
	secret := func(value string) *Secret { return (&Secret{Ref: Ref{Name: "s"}, Value: PrivateBytes(value)}).Seal() }
	listener := &Listener{Name: ListenerHTTP, Port: 8080, Protocol: HTTP}
	seen := make(map[string]string)
	for name, s := range map[string]*Snapshot{
		"empty":         New(Snapshot{}),
		"listener":      New(Snapshot{Listeners: []*Listener{listener}}),
		"route":         New(Snapshot{Routes: listed(route("a"))}),
		"two routes":    New(Snapshot{Routes: listed(route("a"), route("b"))}),
		"other order":   New(Snapshot{Routes: listed(route("b"), route("a"))}),
		"cluster":       New(Snapshot{Clusters: listed(cluster("a"))}),
		"other cluster": New(Snapshot{Clusters: listed(cluster("b"))}),
		"secret":        New(Snapshot{Secrets: listed(secret("a"))}),
		"TLS":           New(Snapshot{TLS: listed((&TLSPolicy{Host: "a"}).Seal())}),
		"other TLS":     New(Snapshot{TLS: listed((&TLSPolicy{Host: "a", MinVersion: TLS13}).Seal())}),
		"other secret":  New(Snapshot{Secrets: listed(secret("b"))}),
	} {
		if other, ok := seen[s.Version]; ok {
			t.Errorf("%s has the version of %s", name, other)
		}
		seen[s.Version] = name
	}
	if a, b := New(Snapshot{Routes: listed(route("a"))}), New(Snapshot{Routes: listed(route("a"))}); a.Version != b.Version {
		t.Error("equal snapshots have different versions")
	}
}

// listed are parts by their place in the list.
func listed[T any](parts ...*T) *radix.Tree[T] {
	var b radix.Builder[T]
	for i, p := range parts {
		b.Put(fmt.Sprint(i), p)
	}
	return b.Tree()
}

func TestSecretsAreNeverShown(t *testing.T) {
	s := New(Snapshot{Secrets: listed((&Secret{Ref: Ref{Namespace: "ns", Name: "name", Key: "key"}, Value: PrivateBytes("hunter2")}).Seal())})
	marshalled, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":"` + s.Version + `","secrets":[{"ref":{"namespace":"ns","name":"name","key":"key"},"value":"[redacted]"}]}`
	if diff := cmp.Diff(want, string(marshalled)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, s.Secrets.Get("0").Value); got != redacted {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func TestDurationIsText(t *testing.T) {
	b, err := json.Marshal(Timeouts{Request: Duration(1500 * time.Millisecond)})
	if err != nil || string(b) != `{"request":"1.5s"}` {
		t.Errorf("got %s, %v", b, err)
	}
	var got Timeouts
	if err := json.Unmarshal(b, &got); err != nil || got.Request != Duration(1500*time.Millisecond) {
		t.Errorf("got %v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`{"request":"soon"}`), &got); err == nil {
		t.Error("no error for what is no duration")
	}
}
