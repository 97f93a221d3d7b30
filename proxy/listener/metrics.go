package listener

import (
	"net"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/proxy/observe"
)

// counters count what the set does. They never wait for one another.
type counters struct {
	accepted   atomic.Uint64
	refused    [len(refusals)]atomic.Uint64
	handshakes [len(outcomes)]atomic.Uint64
}

// refusal is why a connection was closed before HTTP began.
type refusal uint8

const (
	admitted refusal = iota // it was not
	overConnections
	overClient
	noProxyHeader
	slowProxyHeader
)

// refusals are the values of the label reason.
var refusals = [...]string{
	overConnections: "connections", overClient: "client_connections", noProxyHeader: "proxy_header", slowProxyHeader: "proxy_header_timeout",
}

// refuse closes a connection that nobody has read from, without the farewell that would make the kernel remember it for a minute.
func (c *counters) refuse(conn *net.TCPConn, why refusal) {
	c.refused[why].Add(1)
	_ = conn.SetLinger(0) // If it fails the kernel remembers.
	conn.Close()
}

// outcome is how a handshake ended.
type outcome uint8

const (
	full outcome = iota
	resumed
	unknownHost
	oldVersion
	alerted
	timedOut
	closed
	malformed
)

// outcomes are the values of the label result.
var outcomes = [...]string{
	full: "full", resumed: "resumed", unknownHost: "unknown_host", oldVersion: "version",
	alerted: "client_alert", timedOut: "timeout", closed: "closed", malformed: "malformed",
}

// Metrics are the metrics of connections before HTTP, and of certificates.
func (s *Set) Metrics() []prometheus.Collector {
	all := []prometheus.Collector{
		observe.Counter("gateway_connections_total", "Connections accepted from clients.", s.counters.accepted.Load),
		observe.Gauge("gateway_connections_open", "Connections of clients that are open.", func() float64 { return float64(s.Open()) }),
		&expiry{&s.secrets},
	}
	for why := overConnections; int(why) < len(refusals); why++ {
		all = append(all, labelled(prometheus.CounterOpts{
			Name: "gateway_connections_refused_total", Help: "Connections that were closed before HTTP began, by reason.",
			ConstLabels: prometheus.Labels{"reason": refusals[why]},
		}, &s.counters.refused[why]))
	}
	for how, name := range outcomes {
		all = append(all, labelled(prometheus.CounterOpts{
			Name: "gateway_tls_handshakes_total", Help: "TLS handshakes with clients, by result.",
			ConstLabels: prometheus.Labels{"result": name},
		}, &s.counters.handshakes[how]))
	}
	return all
}

func labelled(o prometheus.CounterOpts, n *atomic.Uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(o, func() float64 { return float64(n.Load()) })
}

// expiry shows the certificates that serve.
type expiry struct{ *certificates }

var (
	expiryDesc = prometheus.NewDesc("gateway_tls_certificate_expiry_timestamp_seconds",
		"When the certificate that serves a host expires.", []string{"host"}, nil)
	statesDesc = prometheus.NewDesc("gateway_tls_certificates",
		"Hosts with a TLS policy, by the state of their certificate.", []string{"state"}, nil)
)

// Describe implements prometheus.Collector.
func (e *expiry) Describe(out chan<- *prometheus.Desc) {
	out <- expiryDesc
	out <- statesDesc
}

// Collect implements prometheus.Collector.
func (e *expiry) Collect(out chan<- prometheus.Metric) {
	t := e.current.Load()
	stale := 0
	for host, p := range t.hosts {
		if p.stale {
			stale++
		}
		if host == "" || host[0] == '.' {
			host = "*" + host
		}
		out <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(p.pair.parsed.Leaf.NotAfter.Unix()), host)
	}
	for state, n := range map[string]int{"current": len(t.hosts) - stale, "stale": stale, "missing": t.missing} {
		out <- prometheus.MustNewConstMetric(statesDesc, prometheus.GaugeValue, float64(n), state)
	}
}
