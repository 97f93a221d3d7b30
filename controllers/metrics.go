package controllers

import "github.com/prometheus/client_golang/prometheus"

// metrics measure the control plane of this replica.
type metrics struct {
	stale        prometheus.Gauge
	leader       prometheus.Gauge
	applies      prometheus.Counter
	endpoints    prometheus.Counter
	restarts     prometheus.Counter
	unanswered   prometheus.Counter
	corrections  prometheus.Counter
	translations prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	m := &metrics{
		stale:     gauge("gateway_snapshot_stale", "1 while the last good state from disk is served, for want of an API server."),
		leader:    gauge("gateway_leader", "1 while this replica writes statuses."),
		applies:   counter("gateway_snapshot_applies_total", "Snapshots that were applied."),
		endpoints: counter("gateway_endpoint_updates_total", "Lists of endpoints that were set, each of one cluster."),
		restarts:  counter("gateway_controller_restarts_total", "Times that the controller failed and was started again."),
		corrections: counter("gateway_translation_corrections_total",
			"Times that a full walk over all objects found a change of which no event had told."),
		unanswered: counter("gateway_controller_unanswered_requests_total", "Lists and watches that no API server answered."),
		translations: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gateway_translation_duration_seconds",
			Help:    "Time from the start of a translation to the end of the swap.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
	}
	r.MustRegister(m.translations)
	return m
}
