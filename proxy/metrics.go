package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/upstream"
)

// Metrics are the metrics of connections, of clients and to upstreams.
func (g *Gateway) Metrics() []prometheus.Collector {
	engine := &g.engine.Counters
	total := func(name, help string, of func(upstream.Counters) uint64) prometheus.Collector {
		return observe.Counter(name, help, func() uint64 { return of(g.upstreams.Counters()) })
	}
	return append(g.listeners.Metrics(),
		observe.Gauge("gateway_requests_in_flight", "Requests that have begun and not ended.",
			func() float64 { return float64(engine.Serving.Load()) }),
		observe.Counter("gateway_overloads_total", "Requests refused because as many as may be were in flight.",
			func() uint64 { return uint64(engine.Overloads.Load()) }),
		observe.Gauge("gateway_buffers_lent_bytes", "Memory that large heads and bodies pass through at this moment.",
			func() float64 { return float64(g.buffers.Lent()) }),
		observe.Counter("gateway_panics_total", "Requests whose handling panicked; each is logged and answered 500.",
			func() uint64 { return uint64(engine.Panics.Load()) }),
		total("gateway_upstream_connects_total", "Connections opened to endpoints.",
			func(c upstream.Counters) uint64 { return c.Connects }),
		total("gateway_upstream_connect_failures_total", "Attempts to connect to an endpoint that failed.",
			func(c upstream.Counters) uint64 { return c.ConnectFailures }),
		total("gateway_upstream_reuses_total", "Requests sent on a connection that was open already.",
			func(c upstream.Counters) uint64 { return c.Reuses }),
		total("gateway_upstream_stale_total", "Idle connections to endpoints that were found closed, or with bytes that nobody had asked for.",
			func(c upstream.Counters) uint64 { return c.Stale }),
		total("gateway_upstream_replays_total", "Requests sent again because a kept connection closed under them.",
			func(c upstream.Counters) uint64 { return c.Replays }),
		total("gateway_upstream_denials_total", "Requests that failed because their cluster's budget had no further attempt.",
			func(c upstream.Counters) uint64 { return c.Denials }),
	)
}
