package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/penstock/penstock/controllers/replicas"
)

const (
	// peerPatience is how long a replica waits to learn what the others serve.
	peerPatience = 10 * time.Second
	// catchUpPatience is how long a replica stays unready because others have seen more than it has.
	catchUpPatience = 30 * time.Second
	// beat is how often a replica makes sure that it runs.
	beat = time.Second
)

// level knows whether this replica serves what the others do. It may not, without any of them waiting for it, when it has just started, and
// when its process or its whole machine did not run for a while: nobody counts on a replica that is silent. Before it is ready it must
// catch up. It is safe for concurrent use.
type level struct {
	mu       sync.Mutex
	standing standing
	since    time.Time          // when it last began to catch up
	target   replicas.Positions // what has to be reached, while it is behind
	ran      time.Time          // when this process was last known to run
}

// standing is what is known of a replica beside the others.
type standing uint8

const (
	starting standing = iota // the first translation asks how far the others are
	resumed                  // it did not run: how far the others are has to be asked
	behind                   // it has not reached the target, as far as is known
	even
)

// run notes that the process runs now. It reports for how long it did not, if that was so long that the others may no longer count on it.
func (l *level) run(now time.Time) (gap time.Duration, resumes bool) {
	now = now.Round(0) // The wall clock goes on while a machine is suspended; the monotonic one does not.
	l.mu.Lock()
	defer l.mu.Unlock()
	gap = now.Sub(l.ran)
	resumes = !l.ran.IsZero() && gap > replicas.Renewal
	l.ran = now
	if resumes {
		l.standing, l.since = resumed, now
	}
	return gap, resumes
}

// asks reports whether somebody has to find out how far the others are, since it is of that standing, and since when.
func (l *level) asks(s standing) (since time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, l.standing == s
}

// aim says how far the others are, to who has asked since then. It makes no difference if that must be asked anew meanwhile.
func (l *level) aim(since time.Time, target replicas.Positions, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since != since {
		return
	}
	if l.standing == starting {
		l.since = now.Round(0)
	}
	l.standing, l.target = behind, target
}

// compare asks whether what is served has caught up with the others.
func (l *level) compare(at replicas.Positions) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.standing == behind && at.Reached(l.target) {
		l.standing, l.target = even, nil
	}
}

// within reports whether positions that are not served yet would be enough.
func (l *level) within(at replicas.Positions) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standing == behind && at.Reached(l.target)
}

// giveUp ends a wait for the others that has lasted long enough, and reports whether it did.
func (l *level) giveUp(of standing, after time.Duration, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.standing != of || now.Round(0).Sub(l.since) < after {
		return false
	}
	l.standing, l.target = even, nil
	return true
}

func (l *level) isEven() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standing == even
}

// caughtUp reports whether this replica knows what the others knew when it started or went on. A probe may be the first thing that happens
// when it goes on, so that is looked for here too.
func (p *peers) caughtUp() bool {
	p.noteRun()
	return p.level.isEven()
}

func (p *peers) noteRun() {
	if gap, resumes := p.level.run(p.options.Now()); resumes {
		p.options.Log.Warn("this process did not run for a while, and is not ready until it has caught up with the other replicas", "gap", gap)
	}
}

// keepLevel catches up with the others whenever that is necessary, until ctx ends.
func (p *peers) keepLevel(ctx context.Context) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		p.noteRun()
		p.catchUp(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// catchUp does what can be done to catch up.
func (p *peers) catchUp(ctx context.Context) {
	if since, ok := p.level.asks(resumed); ok {
		target, err := p.askOthers(ctx)
		switch {
		case err == nil:
			p.options.Log.Debug("catching up with the other replicas", "positions", target)
			p.level.aim(since, target, p.options.Now())
			p.enqueue()
		case p.level.giveUp(resumed, peerPatience, p.options.Now()):
			p.options.Log.Warn("ready without knowing what the other replicas serve", "error", err, "waited", peerPatience)
		}
	}
	// No event tells of what a bookmark does. A walk over all objects takes it into account.
	if s := p.session.Load(); s != nil && p.level.within(s.progress.held(s.stores, s.grants.informers())) {
		s.pending.addAll()
		s.enqueue()
	}
	// They may have seen it of an API server whose state is lost.
	if p.level.giveUp(behind, catchUpPatience, p.options.Now()) {
		p.options.Log.Warn("ready although other replicas have seen more", "waited", catchUpPatience)
	}
}

// askOthers asks the API server itself how far the others are: what has been watched is as old as what is served.
func (p *peers) askOthers(ctx context.Context) (replicas.Positions, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	leases, err := p.reporter.Leases.List(ctx, metav1.ListOptions{LabelSelector: p.leasesOfClass().String()})
	if err != nil {
		return nil, fmt.Errorf("ask what other replicas serve: %w", err)
	}
	out := replicas.Positions{}
	for i := range leases.Items {
		// The View complains of what is not understood.
		if r, err := replicas.Parse(&leases.Items[i]); err == nil && r.Name != p.options.Election.Identity {
			out = replicas.Furthest(out, r.Latest())
		}
	}
	return out.Where(p.options.watches), nil
}

// leasesOfClass selects those of the replicas of this installation.
func (p *peers) leasesOfClass() labels.Selector {
	return labels.SelectorFromSet(labels.Set{replicas.ClassLabel: p.options.Translate.ClassName})
}
