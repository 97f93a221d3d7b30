package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// goodClients is how many clients ask side by side, each once in a goodPeriod, for goodTime.
	goodClients = 10
	goodPeriod  = 20 * time.Millisecond
	goodTime    = 6 * time.Second
)

// askWell returns the 99th percentile of what good clients wait for their answers, each on one kept connection. It fails
// if a single request does. A client that was kept waiting asks again at once, and what it lost counts.
func askWell(ctx context.Context) (p99 time.Duration, err error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []time.Duration
	var failures []error
	began := time.Now()
	for i := range goodClients {
		wg.Go(func() {
			waits, err := askSteadily(ctx, began.Add(time.Duration(i)*goodPeriod/goodClients), int(goodTime/goodPeriod))
			mu.Lock()
			defer mu.Unlock()
			all, failures = append(all, waits...), append(failures, err)
		})
	}
	wg.Wait()
	if err := errors.Join(failures...); err != nil {
		return 0, fmt.Errorf("a good client: %w", err)
	}
	slices.Sort(all)
	return all[len(all)*99/100], nil
}

// askSteadily makes that many requests, of which the first is due at a time and the others each a goodPeriod later, and returns how long
// each took. Clients don't ask at the same time, or most of what they wait would be for one another.
func askSteadily(ctx context.Context, due time.Time, requests int) (waits []time.Duration, err error) {
	t, err := dial(ctx, gatewayAddr)
	if err != nil {
		return nil, err
	}
	defer t.close()
	request := &http.Request{Method: http.MethodGet}
	for ; requests > 0; requests-- {
		asked := due
		if early := time.Until(due); early > 0 {
			time.Sleep(early)
			asked = time.Now() // a late timer is not the gateway's fault
		}
		_ = t.conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := fmt.Fprintf(t.conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", authority); err != nil {
			return nil, err
		}
		a, err := t.hear(request)
		if err != nil {
			return nil, err
		}
		if a.status != http.StatusOK {
			return nil, fmt.Errorf("was answered with %d", a.status)
		}
		waits = append(waits, time.Since(asked))
		due = due.Add(goodPeriod)
	}
	return waits, nil
}
