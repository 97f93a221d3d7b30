package filter_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/snapshot"
)

// config is a configuration with a rule of its own and a Secret.
type config struct {
	Mark   string       `json:"mark,omitempty"`
	Secret snapshot.Ref `json:"secret,omitzero"`
}

func (c *config) Validate() error {
	if c.Mark == "bad" {
		return errors.New("mark: it is bad")
	}
	return nil
}

// marker writes down when its handler and its Done are called.
type marker struct {
	name, mark string
	trail      *[]string
}

func (m *marker) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		*m.trail = append(*m.trail, m.name+m.mark)
		return next.Serve(x)
	})
}

// finisher is a marker that wants to know how exchanges end.
type finisher struct{ marker }

func (f *finisher) Done(*exchange.Exchange) { *f.trail = append(*f.trail, f.name+" done") }

// registry has two base filters and two that are configured, in the order a c b d. a and c are finishers.
func registry(trail *[]string) filter.Registry {
	base := func(name string) filter.Definition {
		return filter.DefineBase(name, func(filter.Env) filter.Filter { return &finisher{marker{name, "", trail}} })
	}
	configured := func(name string) filter.Definition {
		return filter.Define(name, func(c config, env filter.Env) (filter.Filter, error) {
			if c.Secret != (snapshot.Ref{}) {
				if _, err := env.Secret(c.Secret); err != nil {
					return nil, err
				}
			}
			return &marker{name, c.Mark, trail}, nil
		}, func(c config) []snapshot.Ref {
			if c.Secret == (snapshot.Ref{}) {
				return nil
			}
			return []snapshot.Ref{c.Secret}
		})
	}
	return filter.Registry{base("a"), base("c"), configured("b"), configured("d")}
}

func TestChainsRunInTheRegistrysOrder(t *testing.T) {
	configured := []snapshot.Filter{{Name: "d", Config: json.RawMessage(`{"mark": "!"}`)}, {Name: "b"}}
	twice := append(slices.Clone(configured), snapshot.Filter{Name: "d", Config: json.RawMessage(`{"mark": "?"}`)})
	for name, tt := range map[string]struct {
		base       bool
		configured []snapshot.Filter
		want       []string
	}{
		"base filters alone":              {true, nil, []string{"a", "c", "last", "a done", "c done"}},
		"base and configured filters":     {true, configured, []string{"a", "c", "b", "d!", "last", "a done", "c done"}},
		"configured filters alone":        {false, configured, []string{"b", "d!", "last"}},
		"a filter twice":                  {false, twice, []string{"b", "d!", "d?", "last"}},
		"no filter leaves the last alone": {false, nil, []string{"last"}},
	} {
		t.Run(name, func(t *testing.T) {
			var trail []string
			last := exchange.HandlerFunc(func(*exchange.Exchange) error { trail = append(trail, "last"); return nil })
			chain, err := registry(&trail).Chain(tt.base, tt.configured, filter.Env{}, last)
			if err != nil {
				t.Fatal(err)
			}
			x := &exchange.Exchange{}
			if err := chain.Handler.Serve(x); err != nil {
				t.Fatal(err)
			}
			x.SetFinishers(chain.Finishers)
			x.Finish()
			if diff := cmp.Diff(tt.want, trail); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfigurationsAreDecodedStrictly(t *testing.T) {
	secret := snapshot.Ref{Namespace: "shop", Name: "keys", Key: "a"}
	for name, tt := range map[string]struct {
		filter snapshot.Filter
		refs   []snapshot.Ref
		want   string // part of the error; empty for none
	}{
		"none":                      {filter: snapshot.Filter{Name: "b"}},
		"valid":                     {filter: snapshot.Filter{Name: "b", Config: json.RawMessage(`{"mark": "x"}`)}},
		"Secrets are reported":      {filter: snapshot.Filter{Name: "d", Config: json.RawMessage(`{"secret": {"namespace": "shop", "name": "keys", "key": "a"}}`)}, refs: []snapshot.Ref{secret}},
		"an unknown filter":         {filter: snapshot.Filter{Name: "e"}, want: "filter e: no such filter"},
		"a base filter":             {filter: snapshot.Filter{Name: "a"}, want: "filter a: no such filter"},
		"an unknown field":          {filter: snapshot.Filter{Name: "b", Config: json.RawMessage(`{"marc": "x"}`)}, want: `filter b: json: unknown field "marc"`},
		"a value of the wrong type": {filter: snapshot.Filter{Name: "b", Config: json.RawMessage(`{"mark": 1}`)}, want: "filter b: json"},
		"two values":                {filter: snapshot.Filter{Name: "b", Config: json.RawMessage(`{} {}`)}, want: "more than one JSON value"},
		"broken JSON":               {filter: snapshot.Filter{Name: "b", Config: json.RawMessage(`{`)}, want: "filter b: unexpected EOF"},
		"a rule of its own":         {filter: snapshot.Filter{Name: "b", Config: json.RawMessage(`{"mark": "bad"}`)}, want: "filter b: mark: it is bad"},
	} {
		t.Run(name, func(t *testing.T) {
			refs, err := registry(new([]string)).Check(tt.filter)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if !slices.Equal(refs, tt.refs) {
				t.Errorf("Secrets %v, want %v", refs, tt.refs)
			}
		})
	}
}

func TestChainsThatCannotBeBuiltSayWhy(t *testing.T) {
	missing := errors.New("secret shop/keys: not found")
	env := filter.Env{Secret: func(snapshot.Ref) ([]byte, error) { return nil, missing }}
	for name, tt := range map[string]struct {
		filter snapshot.Filter
		want   string
	}{
		"an unknown filter":       {snapshot.Filter{Name: "e"}, "filter e: no such filter"},
		"a configured base":       {snapshot.Filter{Name: "c"}, "filter c: no such filter"},
		"an invalid one":          {snapshot.Filter{Name: "d", Config: json.RawMessage(`{"mark": "bad"}`)}, "filter d: mark: it is bad"},
		"a Secret that's missing": {snapshot.Filter{Name: "d", Config: json.RawMessage(`{"secret": {"name": "keys"}}`)}, "filter d: secret shop/keys: not found"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := registry(new([]string)).Chain(true, []snapshot.Filter{tt.filter}, env, nil)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestFiltersLearnTheirClusters(t *testing.T) {
	type reaching struct {
		Backend filter.Target `json:"backend"`
	}
	var got []string
	d := filter.Reaching(filter.Define("reaching", func(_ reaching, env filter.Env) (filter.Filter, error) {
		got = env.Clusters
		return pass{}, nil
	}, nil), func(c reaching) []filter.Target { return []filter.Target{c.Backend} })
	other := filter.Define("other", func(_ struct{}, env filter.Env) (filter.Filter, error) {
		if env.Clusters != nil {
			t.Errorf("another filter's clusters: %v", env.Clusters)
		}
		return pass{}, nil
	}, nil)
	for config, want := range map[string]filter.Target{
		`{"backend": {"service": "a", "namespace": "b", "port": 80}}`: {Service: "a", Namespace: "b", Port: filter.Port{Number: 80}},
		`{"backend": {"host": "a", "port": "http"}}`:                  {Host: "a", Port: filter.Port{Name: "http"}},
	} {
		targets := d.Targets(json.RawMessage(config))
		if diff := cmp.Diff([]filter.Target{want}, targets); diff != "" {
			t.Errorf("%s (-want +got):\n%s", config, diff)
		}
		if back, err := json.Marshal(reaching{want}); err != nil || len(d.Targets(back)) != 1 || d.Targets(back)[0] != want {
			t.Errorf("%s: not the same when read again, error %v", back, err)
		}
	}
	_, err := filter.Registry{other, d, other}.Chain(false, []snapshot.Filter{{Name: "other"}, {Name: "reaching", Clusters: []string{"b/a:80"}}},
		filter.Env{}, exchange.HandlerFunc(func(*exchange.Exchange) error { return nil }))
	if err != nil || !slices.Equal(got, []string{"b/a:80"}) {
		t.Errorf("clusters %v, error %v", got, err)
	}
}

// pass is a filter that does nothing.
type pass struct{}

func (pass) Wrap(next exchange.Handler) exchange.Handler { return next }
