package limit

import "github.com/prometheus/client_golang/prometheus"

var (
	keysDesc = prometheus.NewDesc("gateway_rate_limit_keys",
		"Keys that this replica's rate limits have memory for.", nil, nil)
	evictionsDesc = prometheus.NewDesc("gateway_rate_limit_evictions_total",
		"Keys that were forgotten to make room for others though they had used some of their allowance.", nil, nil)
)

// Describe names the metrics.
func (s *Local) Describe(ch chan<- *prometheus.Desc) {
	ch <- keysDesc
	ch <- evictionsDesc
}

// Collect sends the present values.
func (s *Local) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(keysDesc, prometheus.GaugeValue, float64(s.Keys()))
	ch <- prometheus.MustNewConstMetric(evictionsDesc, prometheus.CounterValue, float64(s.Evictions()))
}
