package observe

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
)

// Requests counts requests and measures how long they took. It hands out meters, which a chain resolves once, when it is
// built, so that counting takes a few atomic operations and neither lock, map nor allocation.
//
// A series lives as long as a meter that counts into it: equal routes share it over any number of tables, and when the last
// chain of a removed route is collected, after its last exchange, so is the series. Late exchanges on an old table can't
// bring it back, because only building a chain makes a series.
//
// Requests is safe for concurrent use.
type Requests struct {
	max      int64
	used     atomic.Int64
	overflow struct {
		count    atomic.Uint64
		duration histogram
	}

	mu        sync.Mutex // guards what follows
	patterns  map[patternKey]weak.Pointer[pattern]
	durations map[string]weak.Pointer[duration]
}

// defaultMaxSeries bounds the time series of a Requests unless told otherwise.
const defaultMaxSeries = 50_000

const (
	// none labels what no route matched.
	none = "none"
	// other labels what was counted beyond the bound on series.
	other = "other"
)

// buckets are the upper bounds of gateway_request_duration_seconds.
var buckets = [...]time.Duration{
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// histogramSeries is what one histogram costs: its buckets with +Inf, sum and count.
const histogramSeries = int64(len(buckets)) + 3

var (
	requestsDesc = prometheus.NewDesc("gateway_requests_total",
		"Requests answered, by route, method, path pattern and status.", []string{"route", "method", "path", "status"}, nil)
	durationDesc = prometheus.NewDesc("gateway_request_duration_seconds",
		"Time from the head of a request to the last byte of its answer, by route.", []string{"route"}, nil)
	seriesDesc = prometheus.NewDesc("gateway_request_series",
		"Time series in use by the request metrics. At the bound, new ones are counted with all labels \"other\".", nil, nil)
)

// NewRequests returns an empty Requests that keeps at most maxSeries time series; 0 means defaultMaxSeries.
func NewRequests(maxSeries int) *Requests {
	if maxSeries == 0 {
		maxSeries = defaultMaxSeries
	}
	return &Requests{
		max: int64(maxSeries), patterns: map[patternKey]weak.Pointer[pattern]{}, durations: map[string]weak.Pointer[duration]{},
	}
}

type patternKey struct{ route, pattern string }

// pattern holds the counters of one path pattern of a route: a list that only grows, by method and status. The first one is
// part of it: most routes are asked with one method and answer with one status, and what is not touched need not be fetched.
type pattern struct {
	first   atomic.Pointer[counter]
	held    *atomic.Int64
	claimed atomic.Bool
	own     counter
}

// counter returns memory for a counter.
func (p *pattern) counter() *counter {
	if p.claimed.CompareAndSwap(false, true) {
		return &p.own
	}
	return new(counter)
}

type counter struct {
	key   labels
	count atomic.Uint64
	next  *counter
}

type labels struct {
	method Method
	status uint16
}

// duration holds the histogram of one route.
type duration struct {
	// counts says that the histogram is in use, once the route has seen a request.
	counts atomic.Bool
	held   *atomic.Int64
	histogram
}

type histogram struct {
	sum     atomic.Int64 // nanoseconds
	buckets [len(buckets) + 1]atomic.Uint64
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(buckets) && d > buckets[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// Meter counts the requests of one route.
type Meter struct {
	requests *Requests
	duration *duration
	// first and others are the patterns.
	first  *pattern
	others []*pattern
}

// Meter returns the meter of a route with these path patterns, or, with an empty route, of what no route matches.
func (r *Requests) Meter(route string, patterns []string) Meter {
	if route == "" {
		route, patterns = none, []string{none}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := Meter{requests: r}
	m.duration = share(r, r.durations, route, func(held *atomic.Int64) *duration { return &duration{held: held} })
	for i, text := range patterns {
		p := share(r, r.patterns, patternKey{route, text}, func(held *atomic.Int64) *pattern { return &pattern{held: held} })
		if i == 0 {
			m.first = p
		} else {
			m.others = append(m.others, p)
		}
	}
	return m
}

// share returns the live value of a key, or a new one whose collection removes the key and gives back the series that it held.
func share[K comparable, V any](r *Requests, all map[K]weak.Pointer[V], key K, create func(held *atomic.Int64) *V) *V {
	if v := all[key].Value(); v != nil {
		return v
	}
	held := new(atomic.Int64)
	v := create(held)
	all[key] = weak.Make(v)
	runtime.AddCleanup(v, func(key K) {
		r.used.Add(-held.Load())
		r.mu.Lock()
		defer r.mu.Unlock()
		if all[key].Value() == nil { // else a new chain took the key in the meantime
			delete(all, key)
		}
	}, key)
	return v
}

// Count counts one request. match indexes the meter's patterns; a status that is none is counted as 0.
func (m *Meter) Count(match int, method Method, status int, took time.Duration) {
	if status < 100 || status > 599 {
		status = 0
	}
	p := m.first
	if match > 0 {
		p = m.others[match-1]
	}
	m.requests.count(p, labels{method, uint16(status)}).Add(1)
	m.requests.duration(m.duration).observe(took)
}

func (r *Requests) count(p *pattern, key labels) *atomic.Uint64 {
	first := p.first.Load()
	for c := first; c != nil; c = c.next {
		if c.key == key {
			return &c.count
		}
	}
	if !r.take(1, p.held) {
		return &r.overflow.count
	}
	c := p.counter()
	c.key, c.next = key, first
	if p.first.CompareAndSwap(first, c) {
		return &c.count
	}
	r.take(-1, p.held) // somebody else added one, perhaps the same
	return r.count(p, key)
}

func (r *Requests) duration(d *duration) *histogram {
	if d.counts.Load() {
		return &d.histogram
	}
	if !r.take(histogramSeries, d.held) {
		return &r.overflow.duration
	}
	if !d.counts.CompareAndSwap(false, true) {
		r.take(-histogramSeries, d.held)
	}
	return &d.histogram
}

// take reserves n series, held by one of their owners; a negative n gives them back.
func (r *Requests) take(n int64, held *atomic.Int64) bool {
	if r.used.Add(n) > r.max && n > 0 {
		r.used.Add(-n)
		return false
	}
	held.Add(n)
	return true
}

// Describe names the metrics.
func (r *Requests) Describe(ch chan<- *prometheus.Desc) {
	ch <- requestsDesc
	ch <- durationDesc
	ch <- seriesDesc
}

// Collect sends the present values.
func (r *Requests) Collect(ch chan<- prometheus.Metric) {
	patterns, durations := live(r, r.patterns), live(r, r.durations)
	for key, p := range patterns {
		for c := p.first.Load(); c != nil; c = c.next {
			ch <- counted(c.count.Load(), key.route, c.key.method.String(), key.pattern, strconv.Itoa(int(c.key.status)))
		}
	}
	for route, d := range durations {
		if d.counts.Load() {
			ch <- d.metric(route)
		}
	}
	if n := r.overflow.count.Load(); n > 0 {
		ch <- counted(n, other, other, other, other)
		ch <- r.overflow.duration.metric(other)
	}
	ch <- prometheus.MustNewConstMetric(seriesDesc, prometheus.GaugeValue, float64(r.used.Load()))
}

// live copies what is alive, so that a slow scrape doesn't hold up the building of chains.
func live[K comparable, V any](r *Requests, all map[K]weak.Pointer[V]) map[K]*V {
	r.mu.Lock()
	defer r.mu.Unlock()
	alive := make(map[K]*V, len(all))
	for key, p := range all {
		if v := p.Value(); v != nil {
			alive[key] = v
		}
	}
	return alive
}

func counted(n uint64, values ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(n), values...)
}

// metric is the histogram as of now. Its count is the sum of its buckets, however many requests end meanwhile.
func (h *histogram) metric(route string) prometheus.Metric {
	cumulative := make(map[float64]uint64, len(buckets))
	var n uint64
	for i := range buckets {
		n += h.buckets[i].Load()
		cumulative[buckets[i].Seconds()] = n
	}
	n += h.buckets[len(buckets)].Load()
	return prometheus.MustNewConstHistogram(durationDesc, n, time.Duration(h.sum.Load()).Seconds(), cumulative, route)
}
