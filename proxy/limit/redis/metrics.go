package redis

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

type counters struct{ batches, asks, failures, degraded, dropped atomic.Uint64 }

var (
	upDesc = prometheus.NewDesc("gateway_rate_limit_store_up",
		"1 while the store of the limits of scope Cluster answers in time; 0 while each limit's failureMode holds.", nil, nil)
	replicasDesc = prometheus.NewDesc("gateway_rate_limit_store_replicas",
		"Replicas that share the store, as it said last; limits are divided by it while it fails.", nil, nil)
	batchesDesc = prometheus.NewDesc("gateway_rate_limit_store_round_trips_total",
		"Round trips to the store. Decisions that are wanted at the same time share one.", nil, nil)
	asksDesc = prometheus.NewDesc("gateway_rate_limit_store_requests_total",
		"Decisions and charges that the store was asked for.", nil, nil)
	failuresDesc = prometheus.NewDesc("gateway_rate_limit_store_failures_total",
		"Failures of the store: errors, and answers that did not come in time.", nil, nil)
	degradedDesc = prometheus.NewDesc("gateway_rate_limit_store_degraded_total",
		"Decisions of limits of scope Cluster that were made without the store, by the limit's failureMode.", nil, nil)
	droppedDesc = prometheus.NewDesc("gateway_rate_limit_store_dropped_total",
		"Charges that the store was not told of because it does not keep up.", nil, nil)
)

// Describe names the metrics.
func (s *Store) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{upDesc, replicasDesc, batchesDesc, asksDesc, failuresDesc, degradedDesc, droppedDesc} {
		ch <- d
	}
}

// Collect sends the present values.
func (s *Store) Collect(ch chan<- prometheus.Metric) {
	up := 0.0
	if s.up.Load() {
		up = 1
	}
	ch <- prometheus.MustNewConstMetric(upDesc, prometheus.GaugeValue, up)
	ch <- prometheus.MustNewConstMetric(replicasDesc, prometheus.GaugeValue, float64(s.replicas.Load()))
	c := &s.counters
	ch <- prometheus.MustNewConstMetric(batchesDesc, prometheus.CounterValue, float64(c.batches.Load()))
	ch <- prometheus.MustNewConstMetric(asksDesc, prometheus.CounterValue, float64(c.asks.Load()))
	ch <- prometheus.MustNewConstMetric(failuresDesc, prometheus.CounterValue, float64(c.failures.Load()))
	ch <- prometheus.MustNewConstMetric(degradedDesc, prometheus.CounterValue, float64(c.degraded.Load()))
	ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(c.dropped.Load()))
}
