package listener

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

// gather returns all metrics of a set.
func gather(t *testing.T, s *Set) []*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(s.Metrics()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// metric returns a metric's value by the value of its only label, or without one.
func metric(t *testing.T, s *Set, name, label string) float64 {
	t.Helper()
	for _, f := range gather(t, s) {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

func TestExpiryIsShownByHost(t *testing.T) {
	s := listening(t, https, Options{Serve: hello})
	s.secure([]string{"- a", "*.example.com a", "a.example.com a"}, map[string]secret{"a": issue(t, "a")})
	for _, host := range []string{"*", "*.example.com", "a.example.com"} {
		if got := metric(t, s, "gateway_tls_certificate_expiry_timestamp_seconds", host); got != float64(validUntil.Unix()) {
			t.Errorf("%s expires at %v", host, got)
		}
	}
}

func TestNamesAndHelpAreAsPrometheusRecommends(t *testing.T) {
	s := listening(t, https, Options{Serve: hello})
	s.secure([]string{"a.example.com a"}, map[string]secret{"a": issue(t, "a")})
	problems, err := promlint.NewWithMetricFamilies(gather(t, s)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestEveryReasonAndResultHasAName(t *testing.T) {
	for why := overConnections; int(why) < len(refusals); why++ {
		if refusals[why] == "" {
			t.Errorf("refusal %d has no name", why)
		}
	}
	for how, name := range outcomes {
		if name == "" {
			t.Errorf("outcome %d has no name", how)
		}
	}
}
