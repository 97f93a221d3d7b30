package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	loadConnections = 20
	loadRate        = 2000 // requests a second, all connections together
)

// sample is one request: when it was due, and how long its answer took from then.
type sample struct {
	due  time.Time
	took time.Duration
}

// load is requests at a steady rate over kept connections. A request that fails ends its connection's part: none is sent again.
type load struct {
	stopped chan struct{}
	running sync.WaitGroup
	mu      sync.Mutex
	sent    int
	err     error // the first
	samples []sample
}

// startLoad asks for the hosts in turn.
func startLoad(hosts []string) *load {
	l := &load{stopped: make(chan struct{})}
	begin := time.Now()
	for i := range loadConnections {
		l.running.Go(func() { l.connection(begin.Add(time.Duration(i)*time.Second/loadRate), hosts, i) })
	}
	return l
}

func (l *load) connection(due time.Time, hosts []string, turn int) {
	p, err := newProbe()
	var samples []sample
	sent := 0
	for ; err == nil && l.await(due); due = due.Add(loadConnections * time.Second / loadRate) {
		// A timer is up to a millisecond late, which is not the gateway's; that the last answer came after this request was due is.
		start := due
		if n := len(samples); n == 0 || samples[n-1].due.Add(samples[n-1].took).Before(due) {
			start = time.Now()
		}
		sent++
		if err = p.expect(hosts[(turn+sent*loadConnections)%len(hosts)]); err == nil {
			samples = append(samples, sample{start, time.Since(start)})
		}
	}
	if p != nil {
		_ = p.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent += sent
	l.samples = append(l.samples, samples...)
	if l.err == nil {
		l.err = err
	}
}

// await waits for a time and reports true, or false if the load is stopped before.
func (l *load) await(due time.Time) bool {
	select {
	case <-l.stopped:
		return false
	case <-time.After(time.Until(due)):
		return true
	}
}

// stop returns once all that was sent is answered, with an error if anything failed.
func (l *load) stop() error {
	close(l.stopped)
	l.running.Wait()
	if l.err != nil {
		return fmt.Errorf("%d requests sent, %d answered with 200: %w", l.sent, len(l.samples), l.err)
	}
	return nil
}

// expect is a get that 200 must answer.
func (p *probe) expect(host string) error {
	status, _, err := p.get(host, "/")
	if err == nil && status != 200 {
		err = fmt.Errorf("answer %d from %s", status, host)
	}
	return err
}

// span is a stretch of time.
type span struct{ from, to time.Time }

// within returns how long requests took that were under way in any of the spans, sorted.
func (l *load) within(spans []span) []time.Duration {
	var took []time.Duration
	for _, s := range l.samples {
		if slices.ContainsFunc(spans, func(w span) bool { return s.due.Before(w.to) && s.due.Add(s.took).After(w.from) }) {
			took = append(took, s.took)
		}
	}
	slices.Sort(took)
	return took
}
