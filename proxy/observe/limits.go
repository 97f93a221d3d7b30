package observe

import (
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
)

// Verdict is what a limit did about a request.
type Verdict uint8

// The verdicts.
const (
	// Allowed: the limit had room.
	Allowed Verdict = iota
	// Refused: it had none.
	Refused
	// Shadowed: it would have refused, and only counts.
	Shadowed
	// Keyless: the request has no key, and the limit doesn't count such.
	Keyless
	verdicts
)

var verdictNames = [verdicts]string{Allowed: "allowed", Refused: "refused", Shadowed: "shadowed", Keyless: "keyless"}

var limitDecisionsDesc = prometheus.NewDesc("gateway_rate_limit_decisions_total",
	"Decisions of rate limits about requests, by policy, limit and decision: allowed, refused, shadowed (the limit would have refused, and only counts) or keyless.",
	[]string{"policy", "limit", "decision"}, nil)

// Limits counts the decisions of rate limits. A series lives as long as a filter that counts into it. Limits is safe for
// concurrent use.
type Limits struct {
	mu     sync.Mutex // guards all
	meters map[limitKey]weak.Pointer[LimitMeter]
}

type limitKey struct{ policy, limit string }

// NewLimits returns an empty Limits.
func NewLimits() *Limits { return &Limits{meters: map[limitKey]weak.Pointer[LimitMeter]{}} }

// LimitMeter counts the decisions of one limit. It is safe for concurrent use.
type LimitMeter struct{ counts [verdicts]atomic.Uint64 }

// Count counts one decision.
func (m *LimitMeter) Count(v Verdict) { m.counts[v].Add(1) }

// Meter returns the meter of a limit of a policy; equal ones share it. That of a nil Limits counts for nobody.
func (l *Limits) Meter(policy, limit string) *LimitMeter {
	if l == nil {
		return &LimitMeter{}
	}
	key := limitKey{policy, limit}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.meters[key].Value(); m != nil {
		return m
	}
	m := &LimitMeter{}
	l.meters[key] = weak.Make(m)
	runtime.AddCleanup(m, l.forget, key)
	return m
}

func (l *Limits) forget(key limitKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.meters[key].Value() == nil { // else a new filter took the key in the meantime
		delete(l.meters, key)
	}
}

// Describe names the metric.
func (l *Limits) Describe(ch chan<- *prometheus.Desc) { ch <- limitDecisionsDesc }

// Collect sends the present values.
func (l *Limits) Collect(ch chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, pointer := range l.meters {
		m := pointer.Value()
		if m == nil {
			continue
		}
		for v := range m.counts {
			if n := m.counts[v].Load(); n > 0 {
				ch <- prometheus.MustNewConstMetric(limitDecisionsDesc, prometheus.CounterValue, float64(n), key.policy, key.limit, verdictNames[v])
			}
		}
	}
}
