package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// latency adds routes one by one, and asks for each until it answers. Those present are kubectl's; the ones whose time is taken are
// a client's requests, for to start a kubectl takes longer than what is measured.
func latency(ctx context.Context, l *lab) error {
	n := cmp.Or(l.routes, 3000)
	const measured = 300
	if err := l.fill(ctx, 0, n, true); err != nil {
		return err
	}
	p, err := newProbe()
	if err != nil {
		return err
	}
	var took []time.Duration
	for i := n; i < n+measured; i++ {
		r := route(i, true, "1")
		host := string(r.Spec.Hostnames[0])
		start := time.Now()
		if err := l.Create(ctx, r); err != nil {
			return err
		}
		err := eventually(ctx, 10*time.Second, host, func() (bool, error) {
			status, _, err := p.get(host, "/")
			if err == nil && status != 200 && status != 404 {
				err = fmt.Errorf("answer %d before the first 200", status)
			}
			return status == 200, err
		})
		if err != nil {
			return err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	var sum time.Duration
	for _, t := range took {
		sum += t
	}
	fmt.Printf("latency: %d routes present, %d added: mean %s, p50 %s, p99 %s, max %s\n", n, measured,
		sum/measured, took[measured/2], took[measured*99/100], took[measured-1])
	return nil
}

// churn changes a route and its endpoints while clients ask; every change must be seen, and no request may fail.
func churn(ctx context.Context, l *lab) error {
	if err := l.fill(ctx, 0, cmp.Or(l.routes, 1000), true); err != nil {
		return err
	}
	var sent, failed atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() { ask(stop, &sent, &failed) })
	}
	err := l.changes(ctx)
	close(stop)
	clients.Wait()
	if err != nil {
		return err
	}
	fmt.Printf("churn: 100 route changes and 100 endpoint changes seen, %d requests sent, %d failed\n", sent.Load(), failed.Load())
	if failed.Load() > 0 {
		return errors.New("requests failed")
	}
	return nil
}

// ask sends request after request to the route that changes until stop, reconnecting only after a failure.
func ask(stop <-chan struct{}, sent, failed *atomic.Int64) {
	p, err := newProbe()
	for {
		select {
		case <-stop:
			return
		default:
		}
		sent.Add(1)
		status := 0
		if err == nil {
			status, _, err = p.get("r00000.example.com", "/")
		}
		if err != nil || status != 200 {
			failed.Add(1)
			p, err = newProbe()
		}
	}
}

// changes edits the first route, and after each edit the endpoints, and waits until both serve.
func (l *lab) changes(ctx context.Context) error {
	p, err := newProbe()
	if err != nil {
		return err
	}
	sets := [][]string{{"192.0.2.2", "192.0.2.3"}, {"192.0.2.4"}, {"192.0.2.2", "192.0.2.3", "192.0.2.4"}, {"192.0.2.3", "192.0.2.4"}}
	for i := range 100 {
		revision := fmt.Sprint("c", i)
		if err := l.change(ctx, 0, true, revision); err != nil {
			return err
		}
		if err := seen(ctx, p, "r00000.example.com", "/", revision); err != nil {
			return err
		}
		ips := sets[i%len(sets)]
		s := slice(ips...)
		if err := l.Patch(ctx, s, client.Merge); err != nil {
			return err
		}
		if err := eventually(ctx, 10*time.Second, fmt.Sprint("endpoints ", ips), func() (bool, error) { return l.serves(ips) }); err != nil {
			return err
		}
	}
	return nil
}

// memory fills the table and then changes as many routes again, twice: what grows with the number of changes grows twice.
func memory(ctx context.Context, l *lab) error {
	n := cmp.Or(l.routes, 10000)
	if err := l.fill(ctx, 0, n, true); err != nil {
		return err
	}
	var resident [3]int64
	for i := range resident {
		if i > 0 {
			if err := l.rewrite(ctx, n, fmt.Sprint("again", i)); err != nil {
				return err
			}
		}
		err := l.settle(ctx)
		if err != nil {
			return err
		}
		if resident[i], err = l.resident(); err != nil {
			return err
		}
	}
	fmt.Printf("memory: %d routes: %d MiB resident; after %d changes %d MiB, after as many again %d MiB\n",
		n, resident[0]>>20, n, resident[1]>>20, resident[2]>>20)
	return nil
}

func seen(ctx context.Context, p *probe, host, path, revision string) error {
	return eventually(ctx, 10*time.Second, host+path+" at revision "+revision, func() (bool, error) {
		_, got, err := p.get(host, path)
		return got == revision, err
	})
}
