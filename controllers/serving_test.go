package controllers

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/lastgood"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

// countingGateway counts what it is told, and finds the same problems in everything.
type countingGateway struct {
	idleGateway
	applies  int
	problems []Problem
}

func (g *countingGateway) Apply(*snapshot.Snapshot) []Problem {
	g.applies++
	return g.problems
}

func snapshotOf(hosts ...string) *snapshot.Snapshot {
	r := &snapshot.Route{ID: "shop/users/0", Hosts: hosts}
	return proxytest.Snapshot(proxytest.Parts{Routes: []*snapshot.Route{r.Seal()}})
}

func TestServing(t *testing.T) {
	live := func(s *snapshot.Snapshot) func(*serving) { return func(v *serving) { v.apply(s) } }
	disk := func(s *snapshot.Snapshot) func(*serving) {
		return func(v *serving) { v.restore(lastgood.State{Snapshot: s}) }
	}
	a, b := snapshotOf("a.example.com"), snapshotOf("b.example.com")
	cases := []struct {
		name    string
		steps   []func(*serving)
		applies int
		changes int
		ready   bool
		stale   float64
		reason  string
	}{
		{"nothing is not ready", nil, 0, 0, false, 0, "waiting"},
		{"a live snapshot is served and kept", []func(*serving){live(a)}, 1, 1, true, 0, "serving"},
		{"an empty live snapshot is served too", []func(*serving){live(&snapshot.Snapshot{})}, 1, 1, true, 0, "serving"},
		{"the same again changes nothing", []func(*serving){live(a), live(snapshotOf("a.example.com"))}, 1, 1, true, 0, "serving"},
		{"another is served", []func(*serving){live(a), live(b)}, 2, 2, true, 0, "serving"},
		{"the last good state is served and not kept again", []func(*serving){disk(a)}, 1, 0, true, 1, "last good state"},
		{"a live snapshot replaces the last good state", []func(*serving){disk(a), live(b)}, 2, 1, true, 0, "serving"},
		{"an equal live snapshot confirms it", []func(*serving){disk(a), live(a)}, 1, 0, true, 0, "serving"},
		{"the last good state never replaces a live snapshot", []func(*serving){live(b), disk(a)}, 1, 1, true, 0, "serving"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g, changes := &countingGateway{}, 0
			s := &serving{gateway: g, metrics: newMetrics(prometheus.NewRegistry()), changed: func() { changes++ }}
			for _, step := range c.steps {
				step(s)
			}
			if g.applies != c.applies || changes != c.changes {
				t.Errorf("%d applies and %d changes to keep, want %d and %d", g.applies, changes, c.applies, c.changes)
			}
			if ok, reason := s.ready(); ok != c.ready || !strings.Contains(reason, c.reason) {
				t.Errorf("ready %v, %q; want %v, %q", ok, reason, c.ready, c.reason)
			}
			if got := value(t, s.metrics.stale); got != c.stale {
				t.Errorf("stale is %v, want %v", got, c.stale)
			}
		})
	}
}

func TestFaultsStayWithTheSnapshot(t *testing.T) {
	origin := snapshot.Origin{Kind: v1alpha1.KindGatewayRoute, Namespace: "shop", Name: "users"}
	g := &countingGateway{problems: []Problem{
		{RouteID: "shop/users/0", Origin: origin, Err: errors.New("first")},
		{RouteID: "shop/users/1", Origin: origin, Err: errors.New("second")},
	}}
	s := &serving{gateway: g, metrics: newMetrics(prometheus.NewRegistry()), changed: func() {}}
	key := status.Ref{Kind: origin.Kind, Namespace: origin.Namespace, Name: origin.Name}.Object()
	for range 2 { // the second time nothing is applied
		if got, want := s.apply(snapshotOf())[key], "Route shop/users/0 answers 500: first."; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// value reads a counter or a gauge.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.GetCounter().GetValue() + out.GetGauge().GetValue()
}
