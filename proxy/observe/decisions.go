package observe

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Decisions counts what filters decided about requests, by filter and outcome. Both are names that the code has, so there are
// few series, and they last as long as the process. It is safe for concurrent use.
type Decisions struct {
	mu       sync.Mutex
	counters map[decision]*Decision
}

type decision struct{ filter, outcome string }

// Decision counts one outcome of one filter. A nil Decision counts nothing.
type Decision struct{ count atomic.Uint64 }

// Inc counts one request.
func (d *Decision) Inc() {
	if d != nil {
		d.count.Add(1)
	}
}

var decisionsDesc = prometheus.NewDesc("gateway_filter_decisions_total",
	"Requests that a filter decided about, by filter and outcome.", []string{"filter", "outcome"}, nil)

// NewDecisions returns an empty Decisions.
func NewDecisions() *Decisions { return &Decisions{counters: map[decision]*Decision{}} }

// Decision returns the counter of an outcome, to be asked for when a filter is built. A nil Decisions has none.
func (d *Decisions) Decision(filter, outcome string) *Decision {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key := decision{filter, outcome}
	if d.counters[key] == nil {
		d.counters[key] = new(Decision)
	}
	return d.counters[key]
}

// Describe names the metric.
func (d *Decisions) Describe(ch chan<- *prometheus.Desc) { ch <- decisionsDesc }

// Collect sends the present values.
func (d *Decisions) Collect(ch chan<- prometheus.Metric) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, c := range d.counters {
		ch <- prometheus.MustNewConstMetric(decisionsDesc, prometheus.CounterValue, float64(c.count.Load()), key.filter, key.outcome)
	}
}
