package observe_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/penstock/penstock/proxy/observe"
)

func TestDecisionsAreCounted(t *testing.T) {
	d := observe.NewDecisions()
	d.Decision("cors", "allowed").Inc()
	d.Decision("cors", "allowed").Inc()
	d.Decision("cors", "foreign")
	want := `# HELP gateway_filter_decisions_total Requests that a filter decided about, by filter and outcome.
# TYPE gateway_filter_decisions_total counter
gateway_filter_decisions_total{filter="cors",outcome="allowed"} 2
gateway_filter_decisions_total{filter="cors",outcome="foreign"} 0
`
	if err := testutil.CollectAndCompare(d, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	// Where filters are only checked, nothing counts.
	var none *observe.Decisions
	none.Decision("cors", "allowed").Inc()
}
