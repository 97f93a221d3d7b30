package live

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Ejection: an endpoint that fails again and again is left alone for a while, which doubles with each further failure.
const (
	// ejectAfter is how many failures without a success between them eject an endpoint.
	ejectAfter = 5
	// ejectFirst is the first time that an endpoint is ejected for.
	ejectFirst = time.Second
	// ejectMost bounds the doubling: how late a recovered endpoint may be noticed.
	ejectMost = 30 * time.Second
)

// latencyShare is the weight of a new latency in the moving average, as a power of two: 1/8.
const latencyShare = 3

// Endpoint is one address of a cluster, what is known of it, and the connections to it. It lives as long as its address is
// in the cluster, whatever tables come and go. Its methods are safe for concurrent use.
type Endpoint struct {
	Address netip.AddrPort
	Conns   Conns

	inFlight     atomic.Int64
	latency      atomic.Int64 // ns
	failures     atomic.Int32
	ejectedUntil atomic.Int64 // ns since the epoch; 0: never ejected
}

// Begin counts a request that is sent to the endpoint; End must follow.
func (e *Endpoint) Begin() { e.inFlight.Add(1) }

// End counts a request as over, its answer's body included.
func (e *Endpoint) End() { e.inFlight.Add(-1) }

// InFlight is the number of requests that the endpoint is serving now, as far as this gateway knows.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Succeeded notes that the endpoint answered, with whatever status, after that time to the head of its answer.
// The failures before are forgotten.
func (e *Endpoint) Succeeded(latency time.Duration) {
	// A concurrent update may be lost: it is an average.
	if old := e.latency.Load(); old != 0 {
		latency = time.Duration(old) + (latency-time.Duration(old))>>latencyShare
	}
	e.latency.Store(int64(latency))
	if e.failures.Load() != 0 {
		e.failures.Store(0)
		e.ejectedUntil.Store(0)
	}
}

// Failed notes that the endpoint took no connection, or broke one off without an answer. Five times in a row, and it is
// ejected: for a second, and for twice as long with each further failure, up to half a minute.
func (e *Endpoint) Failed(now time.Time) {
	if e.Ejected(now) {
		return // Of requests that were on their way already: they tell nothing new.
	}
	n := e.failures.Add(1)
	if n < ejectAfter {
		return
	}
	doublings := min(n-ejectAfter, 5) // The fifth exceeds ejectMost.
	e.ejectedUntil.Store(now.Add(min(ejectFirst<<doublings, ejectMost)).UnixNano())
}

// Failures is the number of failures since the last success.
func (e *Endpoint) Failures() int { return int(e.failures.Load()) }

// Latency is the moving average of the time to the head of an answer; 0 before the first.
func (e *Endpoint) Latency() time.Duration { return time.Duration(e.latency.Load()) }

// Ejected reports whether the endpoint is to be avoided now. If all are, they are used anyway.
func (e *Endpoint) Ejected(now time.Time) bool {
	until := e.ejectedUntil.Load()
	return until != 0 && now.UnixNano() < until
}
