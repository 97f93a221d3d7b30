package live_test

import (
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/live"
)

func TestEjection(t *testing.T) {
	now := time.Unix(1000, 0)
	fail := func(e *live.Endpoint, times int) {
		for range times {
			e.Failed(now)
		}
	}
	e := &live.Endpoint{}
	fail(e, 4)
	if e.Ejected(now) {
		t.Fatal("ejected after 4 failures")
	}
	e.Succeeded(time.Millisecond)
	fail(e, 4)
	if e.Ejected(now) {
		t.Fatal("a success between failures did not count")
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		// The further ones come from requests that were on their way: they don't prolong the time.
		fail(e, 5)
		if !e.Ejected(now.Add(want*time.Second - 1)) {
			t.Fatalf("not ejected for %d s", want)
		}
		if now = now.Add(want * time.Second); e.Ejected(now) {
			t.Fatalf("still ejected after %d s", want)
		}
	}
	fail(e, 1)
	e.Succeeded(time.Millisecond)
	if e.Ejected(now) || e.Failures() != 0 {
		t.Error("a success does not end the ejection")
	}
}

func TestLatencyIsAMovingAverage(t *testing.T) {
	e := &live.Endpoint{}
	e.Succeeded(80 * time.Millisecond)
	if got := e.Latency(); got != 80*time.Millisecond {
		t.Errorf("the first latency counts as %v, want it whole", got)
	}
	e.Succeeded(160 * time.Millisecond)
	if got := e.Latency(); got != 90*time.Millisecond {
		t.Errorf("the second latency makes %v, want 90ms", got)
	}
	for range 200 {
		e.Succeeded(time.Millisecond)
	}
	if got := e.Latency(); got > time.Millisecond+10 {
		t.Errorf("%v after many of 1ms", got)
	}
}

func TestInFlight(t *testing.T) {
	e := &live.Endpoint{}
	e.Begin()
	e.Begin()
	e.End()
	if got := e.InFlight(); got != 1 {
		t.Errorf("%d in flight, want 1", got)
	}
}
