package controllers

import (
	"log/slog"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestPendingIsTakenOnce(t *testing.T) {
	var p pending
	name := types.NamespacedName{Namespace: "shop", Name: "users"}
	p.add("GatewayRoute", name)
	p.add("GatewayRoute", name)
	p.add("Service", name)
	if names, all := p.take(); all || len(names["GatewayRoute"]) != 1 || len(names["Service"]) != 1 {
		t.Errorf("took %v, all %v", names, all)
	}
	p.addAll()
	if names, all := p.take(); !all || len(names) != 0 {
		t.Errorf("took %v, all %v", names, all)
	}
	if names, all := p.take(); all || len(names) != 0 {
		t.Errorf("took %v, all %v again", names, all)
	}
}

// TestTheCheckFindsWhatNoEventTold puts a route into the cache behind the session's back.
func TestTheCheckFindsWhatNoEventTold(t *testing.T) {
	s := newIdleSession()
	s.options.Log = slog.New(slog.DiscardHandler)
	hold(s, exampleRoute(1, 1))
	s.renew(t.Context())
	steps := []struct {
		name        string
		missed      client.Object
		check       bool
		routes      int
		corrections float64
	}{
		{"nothing was missed", nil, true, 1, 0},
		{"what was missed is not seen", exampleRoute(2, 1), false, 1, 0},
		{"the check finds it", nil, true, 2, 1},
		{"and then there is nothing to find", nil, true, 2, 1},
	}
	for _, step := range steps {
		if step.missed != nil {
			hold(s, step.missed)
			s.pending.take()
		}
		s.checkDue.Store(step.check)
		reports := s.renew(t.Context()).Reports
		if got := reports.Len(); got != step.routes {
			t.Errorf("%s: %d routes have reports, want %d", step.name, got, step.routes)
		}
		if got := value(t, s.metrics.corrections); got != step.corrections {
			t.Errorf("%s: %v corrections, want %v", step.name, got, step.corrections)
		}
	}
}
