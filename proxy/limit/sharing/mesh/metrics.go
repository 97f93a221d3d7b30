package mesh

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/proxy/observe"
)

// Metrics are those of the Mesh and of its Limiter.
func (m *Mesh) Metrics() []prometheus.Collector {
	l := m.options.Limiter
	return []prometheus.Collector{
		observe.Gauge("gateway_rate_limit_peers", "Other replicas that are heard, with which limits are shared.",
			func() float64 { return float64(l.Heard()) }),
		observe.Gauge("gateway_rate_limit_shared_keys", "Keys whose use is told to other replicas.",
			func() float64 { return float64(l.Keys()) }),
		observe.Counter("gateway_rate_limit_shared_keys_dropped_total", "Times that a key was not shared for want of room: each replica gave its even part.", l.Dropped),
		observe.Counter("gateway_rate_limit_peer_messages_total", "Messages sent to other replicas.", m.sent.Load),
		observe.Counter("gateway_rate_limit_peer_failures_total", "Messages to other replicas that were not answered.", m.failed.Load),
		observe.Counter("gateway_rate_limit_peer_refusals_total", "Messages refused because their sender is not trusted any more.", m.refused.Load),
	}
}
