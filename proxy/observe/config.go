package observe

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config shows which snapshot serves. It is safe for concurrent use; the zero value shows none.
type Config struct {
	applied atomic.Pointer[applied]
}

type applied struct {
	version string
	at      time.Time
}

var (
	infoDesc = prometheus.NewDesc("gateway_config_info",
		"Always 1; version is the digest of the snapshot that serves.", []string{"version"}, nil)
	appliedDesc = prometheus.NewDesc("gateway_config_applied_timestamp_seconds",
		"When the snapshot that serves was swapped in.", nil, nil)
)

// Applied tells that the snapshot of this version serves from now on.
func (c *Config) Applied(version string, at time.Time) {
	c.applied.Store(&applied{version, at})
}

// Describe names the metrics.
func (c *Config) Describe(ch chan<- *prometheus.Desc) {
	ch <- infoDesc
	ch <- appliedDesc
}

// Collect sends the present values; none before the first snapshot.
func (c *Config) Collect(ch chan<- prometheus.Metric) {
	a := c.applied.Load()
	if a == nil {
		return
	}
	ch <- prometheus.MustNewConstMetric(infoDesc, prometheus.GaugeValue, 1, a.version)
	ch <- prometheus.MustNewConstMetric(appliedDesc, prometheus.GaugeValue, float64(a.at.UnixNano())/1e9)
}
