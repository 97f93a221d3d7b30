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
	stale   bool
}

var (
	infoDesc = prometheus.NewDesc("gateway_config_info",
		"Always 1; version is the digest of the snapshot that serves.", []string{"version"}, nil)
	appliedDesc = prometheus.NewDesc("gateway_config_applied_timestamp_seconds",
		"When the snapshot that serves was swapped in.", nil, nil)
	staleDesc = prometheus.NewDesc("gateway_snapshot_stale",
		"1 while the snapshot that serves was loaded from disk and not confirmed by its source, else 0.", nil, nil)
)

// Applied tells that the snapshot of this version serves from now on. stale: it is the last good one, from disk.
func (c *Config) Applied(version string, at time.Time, stale bool) {
	c.applied.Store(&applied{version, at, stale})
}

// Describe names the metrics.
func (c *Config) Describe(ch chan<- *prometheus.Desc) {
	ch <- infoDesc
	ch <- appliedDesc
	ch <- staleDesc
}

// Collect sends the present values; none before the first snapshot.
func (c *Config) Collect(ch chan<- prometheus.Metric) {
	a := c.applied.Load()
	if a == nil {
		return
	}
	stale := 0.0
	if a.stale {
		stale = 1
	}
	ch <- prometheus.MustNewConstMetric(infoDesc, prometheus.GaugeValue, 1, a.version)
	ch <- prometheus.MustNewConstMetric(appliedDesc, prometheus.GaugeValue, float64(a.at.UnixNano())/1e9)
	ch <- prometheus.MustNewConstMetric(staleDesc, prometheus.GaugeValue, stale)
}
