package observe_test

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/penstock/penstock/proxy/observe"
)

// series renders what a collector exports, a line a series: its labels and its value, of a histogram the number of samples.
func series(t *testing.T, c prometheus.Collector, name string) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			all[labels(m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func labels(m *dto.Metric) string {
	var values []string
	for _, l := range m.GetLabel() {
		values = append(values, l.GetName()+"="+l.GetValue())
	}
	return strings.Join(values, " ")
}

const (
	total    = "gateway_requests_total"
	duration = "gateway_request_duration_seconds"
	used     = "gateway_request_series"
)

func TestRequestsAreCountedByRouteMethodPatternAndStatus(t *testing.T) {
	r := observe.NewRequests(0)
	users := r.Meter("shop/users/0", []string{"/users", "= /me", "/users"})
	unmatched := r.Meter("", nil)
	get, brew := observe.MethodOf("GET"), observe.MethodOf("BREW")
	users.Count(0, get, 200, time.Millisecond)
	users.Count(2, get, 200, time.Millisecond)
	users.Count(1, get, 404, time.Millisecond)
	users.Count(1, brew, 200, time.Millisecond)
	unmatched.Count(0, get, 404, time.Millisecond)
	unmatched.Count(0, get, 0, time.Millisecond)

	want := map[string]float64{
		"method=GET path=/users route=shop/users/0 status=200":  2,
		"method=GET path== /me route=shop/users/0 status=404":   1,
		"method=OTHER path== /me route=shop/users/0 status=200": 1,
		"method=GET path=none route=none status=404":            1,
		"method=GET path=none route=none status=0":              1,
	}
	if diff := cmp.Diff(want, series(t, r, total)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", total, diff)
	}
	if diff := cmp.Diff(map[string]float64{"route=shop/users/0": 4, "route=none": 2}, series(t, r, duration)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", duration, diff)
	}
	runtime.KeepAlive(users)
	runtime.KeepAlive(unmatched)
}

func TestDurationsFallIntoBuckets(t *testing.T) {
	r := observe.NewRequests(0)
	m := r.Meter("a/b/0", []string{"/"})
	for _, d := range []time.Duration{0, observe.Buckets[0], observe.Buckets[0] + 1, 2 * observe.Buckets[len(observe.Buckets)-1]} {
		m.Count(0, 0, 200, d)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == duration })
	h := families[i].GetMetric()[0].GetHistogram()
	var got []uint64
	for _, b := range h.GetBucket() {
		got = append(got, b.GetCumulativeCount())
	}
	want := append([]uint64{2}, slices.Repeat([]uint64{3}, len(observe.Buckets)-1)...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cumulative counts (-want +got):\n%s", diff)
	}
	if h.GetBucket()[0].GetUpperBound() != 0.001 || h.GetSampleCount() != 4 || h.GetSampleSum() != 60.002000001 {
		t.Errorf("histogram %v, want 4 samples, one of them beyond all buckets", h)
	}
	runtime.KeepAlive(m)
}

func TestEqualRoutesShareTheirSeries(t *testing.T) {
	r := observe.NewRequests(0)
	before := r.Meter("a/b/0", []string{"/old", "/kept"})
	before.Count(1, 0, 200, 0)
	after := r.Meter("a/b/0", []string{"/kept", "/new"})
	after.Count(0, 0, 200, 0)
	before.Count(1, 0, 200, 0) // a late exchange on the old table
	want := map[string]float64{"method=GET path=/kept route=a/b/0 status=200": 3}
	if diff := cmp.Diff(want, series(t, r, total)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", total, diff)
	}
	runtime.KeepAlive(before)
	runtime.KeepAlive(after)
}

func TestSeriesGoWithTheLastChainThatCountsIntoThem(t *testing.T) {
	r := observe.NewRequests(0)
	kept := r.Meter("kept/a/0", []string{"/"})
	kept.Count(0, 0, 200, 0)
	removed := r.Meter("removed/a/0", []string{"/"})
	removed.Count(0, 0, 200, 0)
	held := series(t, r, used)[""]
	runtime.KeepAlive(removed)

	// Cleanups run on a goroutine of the runtime after a collection.
	for series(t, r, used)[""] == held {
		runtime.GC()
		runtime.Gosched()
	}
	want := map[string]float64{"method=GET path=/ route=kept/a/0 status=200": 1}
	if diff := cmp.Diff(want, series(t, r, total)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", total, diff)
	}
	if diff := cmp.Diff(map[string]float64{"route=kept/a/0": 1}, series(t, r, duration)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", duration, diff)
	}
	again := r.Meter("removed/a/0", []string{"/"})
	again.Count(0, 0, 200, 0)
	if got := series(t, r, total)["method=GET path=/ route=removed/a/0 status=200"]; got != 1 {
		t.Errorf("a route that came back counts %v, want 1", got)
	}
	runtime.KeepAlive(kept)
	runtime.KeepAlive(again)
}

func TestSeriesAreBounded(t *testing.T) {
	const most = 100
	r := observe.NewRequests(most)
	var meters []observe.Meter
	for i := range 50 {
		m := r.Meter("a/"+string(rune('a'+i))+"/0", []string{"/"})
		meters = append(meters, m)
		for status := 200; status < 250; status++ {
			m.Count(0, 0, status, 0)
			m.Count(0, 0, status, 0)
		}
	}
	counts, histograms := series(t, r, total), series(t, r, duration)
	beyond := counts["method=other path=other route=other status=other"]
	sum := 0.0
	for _, n := range counts {
		sum += n
	}
	if lines := len(counts) - 1 + (len(histograms)-1)*(len(observe.Buckets)+3); lines > most || beyond == 0 || sum != 50*50*2 {
		t.Errorf("%d series with %v requests, %v of them as other; want at most %d with %d", lines, sum, beyond, most, 50*50*2)
	}
	if histograms["route=other"] == 0 {
		t.Errorf("no durations as other: %v", histograms)
	}
	runtime.KeepAlive(meters)
}

func TestCountingIsConcurrentAndExact(t *testing.T) {
	r := observe.NewRequests(0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			m := r.Meter("a/b/0", []string{"/"})
			for i := range 1000 {
				m.Count(0, 0, 200+i%50, time.Duration(i))
			}
		})
	}
	m := r.Meter("a/b/0", []string{"/"})
	wg.Wait()
	counts := series(t, r, total)
	for labels, n := range counts {
		if n != 8*20 {
			t.Errorf("%s counts %v, want 160", labels, n)
		}
	}
	if want := float64(50 + len(observe.Buckets) + 3); len(counts) != 50 || series(t, r, used)[""] != want {
		t.Errorf("%d counters and %v series, want 50 and %v", len(counts), series(t, r, used)[""], want)
	}
	runtime.KeepAlive(m)
}

func TestCountingDoesNotAllocate(t *testing.T) {
	m := observe.NewRequests(0).Meter("a/b/0", []string{"/"})
	if n := testing.AllocsPerRun(1000, func() { m.Count(0, observe.MethodOf("GET"), 200, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations a request, want none", n)
	}
}

func BenchmarkCount(b *testing.B) {
	m := observe.NewRequests(0).Meter("a/b/0", []string{"/"})
	for b.Loop() {
		m.Count(0, observe.MethodOf("GET"), 200, 3*time.Millisecond)
	}
}
