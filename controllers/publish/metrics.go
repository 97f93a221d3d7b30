package publish

import "github.com/prometheus/client_golang/prometheus"

// Metrics measure how statuses are written. They outlive Writers.
type Metrics struct {
	writes  *prometheus.CounterVec
	pending prometheus.Gauge
}

// NewMetrics makes and registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_status_writes_total",
			Help: "Statuses written to the API server, by result: success or error.",
		}, []string{"result"}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_status_pending",
			Help: "Objects whose status waits to be compared and written.",
		}),
	}
	r.MustRegister(m.writes, m.pending)
	return m
}

func (m *Metrics) count(err error) {
	if err != nil {
		m.writes.WithLabelValues("error").Inc()
		return
	}
	m.writes.WithLabelValues("success").Inc()
}
