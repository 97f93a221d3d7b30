package mesh

import "github.com/prometheus/client_golang/prometheus"

// Metrics are those of the Mesh and of its Limiter.
func (m *Mesh) Metrics() []prometheus.Collector {
	l := m.options.Limiter
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	counter := func(name, help string, value func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	return []prometheus.Collector{
		gauge("gateway_rate_limit_peers", "Other replicas that are heard, with which limits are shared.", l.Heard),
		gauge("gateway_rate_limit_shared_keys", "Keys whose use is told to other replicas.", l.Keys),
		counter("gateway_rate_limit_shared_keys_dropped_total", "Times that a key was not shared for want of room: each replica gave its even part.", l.Dropped),
		counter("gateway_rate_limit_peer_messages_total", "Messages sent to other replicas.", m.sent.Load),
		counter("gateway_rate_limit_peer_failures_total", "Messages to other replicas that were not answered.", m.failed.Load),
		counter("gateway_rate_limit_peer_refusals_total", "Messages refused because their sender is not trusted any more.", m.refused.Load),
	}
}
