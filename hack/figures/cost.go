package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// costOfHosts measures what one change costs while each route has a host of its own.
func costOfHosts(ctx context.Context, l *lab) error { return l.cost(ctx, "a host a route", true) }

// costOfPaths measures it while all routes share one host.
func costOfPaths(ctx context.Context, l *lab) error { return l.cost(ctx, "one host", false) }

func (l *lab) cost(ctx context.Context, shape string, ownHost bool) error {
	have, all := 0, cmp.Or(l.routes, 10000)
	for _, n := range []int{all / 100, all / 10, all} {
		if err := l.fill(ctx, have, n, ownHost); err != nil {
			return err
		}
		have = n
		if err := l.costAt(ctx, shape, ownHost, n); err != nil {
			return err
		}
	}
	return nil
}

// costAt changes one of n routes after another and waits for each until it serves. The same number of routes is changed
// whatever n is, since several changes of one route may share a write of its status.
func (l *lab) costAt(ctx context.Context, shape string, ownHost bool, n int) error {
	const changes = 1000
	changed := min(100, n)
	if err := l.settle(ctx); err != nil {
		return err
	}
	before, scrape, err1 := l.spentAndScrape()
	p, err2 := newProbe()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	defer p.Close()
	for i := range changes {
		k, revision := i%changed*(n/changed), fmt.Sprintf("n%d-%d", n, i)
		if err := l.change(ctx, k, ownHost, revision); err != nil {
			return err
		}
		r := route(k, ownHost, "")
		if err := seen(ctx, p, string(r.Spec.Hostnames[0]), r.Spec.Rules[0].Matches[0].Path.Value, revision); err != nil {
			return err
		}
	}
	for i := range changed {
		if err := l.reported(ctx, i*(n/changed)); err != nil {
			return err
		}
	}
	if err := l.rest(ctx); err != nil {
		return err
	}
	after, err := l.spent()
	if err != nil {
		return err
	}
	in := after.minus(before)
	fmt.Printf("cost: %s, %d routes, a change: %.2f ms from event to swap; in all, with status, state on disk and probes, %.2f ms CPU and %.0f KiB allocated\n",
		shape, n, 1000*in.translating/in.translations,
		1000*(in.cpu-scrape.cpu).Seconds()/changes, (in.allocated-scrape.allocated)/changes/1024)
	return nil
}

// spent is what the gateway has spent since it started.
type spent struct {
	cpu                       time.Duration
	allocated                 float64 // bytes
	translating, translations float64 // seconds from the start of a translation to the end of the swap, and how often
}

func (s spent) minus(o spent) spent {
	return spent{s.cpu - o.cpu, s.allocated - o.allocated, s.translating - o.translating, s.translations - o.translations}
}

// spent asks the gateway, which has series for each route: that is much dearer than a change.
func (l *lab) spent() (s spent, err error) {
	if s.cpu, err = l.cpu(); err != nil {
		return s, err
	}
	m, err := l.metrics("go_memstats_alloc_bytes_total", "gateway_translation_duration_seconds_sum", "gateway_translation_duration_seconds_count")
	if err != nil {
		return s, err
	}
	s.allocated, s.translating, s.translations = m[0], m[1], m[2]
	return s, nil
}

// spentAndScrape returns also what it takes to ask.
func (l *lab) spentAndScrape() (now, scrape spent, err error) {
	var all [3]spent
	for i := range all {
		if all[i], err = l.spent(); err != nil {
			return now, scrape, err
		}
	}
	return all[2], all[2].minus(all[1]), nil
}
