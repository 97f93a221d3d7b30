package jwks

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/filter/jwt/jws"
)

const (
	// grace is how long fetches have failed before that is shown: a server that is restarted is no news.
	grace = 2 * time.Second
	// calm is the time between two things that are shown of one source, but for the end of its failing. Many routes may have to say
	// so, and a server that comes and goes must not flood the API server.
	calm = time.Minute
)

// fetcher fetches for a source, one request at a time. It does not refer to the source.
type fetcher struct {
	Options
	store *Store
	get   func(context.Context) (*jws.Set, time.Duration, error)
	keys  atomic.Pointer[jws.Set]
	// wanted asks run for another fetch.
	wanted chan struct{}
	trouble

	mu sync.Mutex
	// began is when the last fetch began, flying says that it has not ended, and done is closed and replaced when it has.
	began  time.Time
	flying bool
	done   chan struct{}
}

// trouble is what run has seen go wrong.
type trouble struct {
	// why is the error of the last fetch, since is when the first one began that failed like all after it; zero if the last one did not.
	why   string
	since time.Time
	// shown is what the store was told, at is when.
	shown string
	at    time.Time
}

func newFetcher(o Options, s *Store, get func(context.Context) (*jws.Set, time.Duration, error)) *fetcher {
	return &fetcher{Options: o, store: s, get: get, wanted: make(chan struct{}, 1), done: make(chan struct{})}
}

func (f *fetcher) run(ctx context.Context) {
	defer f.show("") // nobody refers to it any more
	retry := firstRetry
	for ctx.Err() == nil {
		rest, err := f.fetch(ctx)
		if err != nil {
			rest, retry = retry, min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		// Some earlier than others, so that many replicas don't ask at once.
		timer := time.NewTimer(rest - time.Duration(rand.Int64N(int64(rest)/10+1)))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-f.wanted:
		}
		timer.Stop()
	}
}

// fetch makes one request and takes over what it brings. It returns how long that is good for.
func (f *fetcher) fetch(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	f.mu.Lock()
	f.began, f.flying = began, true
	f.mu.Unlock()
	set, age, err := f.get(ctx)
	if err == nil {
		f.take(set)
	}
	f.mu.Lock()
	f.flying = false
	close(f.done)
	f.done = make(chan struct{})
	f.mu.Unlock()
	// Only now: whoever hears of it may take time, and requests wait for keys.
	if ctx.Err() == nil {
		f.note(err, began)
	}
	if age <= 0 || age > f.MaxAge {
		age = f.MaxAge
	}
	return max(age, minAge), err
}

// take makes set the keys, unless they are the same: tokens that were verified with them then need not be verified again.
func (f *fetcher) take(set *jws.Set) {
	if old := f.keys.Load(); old == nil || !old.Equal(set) {
		f.keys.Store(set)
		f.store.log.Info("keys fetched", "url", f.URL, "keys", set.Len())
	}
}

// note takes the outcome of a fetch.
func (f *fetcher) note(err error, began time.Time) {
	if err == nil {
		if !f.since.IsZero() {
			f.store.log.Info("keys can be fetched again", "url", f.URL)
		}
		f.why, f.since = "", time.Time{}
		f.show("")
		return
	}
	if f.since.IsZero() {
		f.since = began
	}
	if why := err.Error(); why != f.why {
		f.why = why
		f.store.log.Warn("keys can't be fetched", "url", f.URL, "error", why, "cause", errors.Unwrap(err))
	}
	if now := time.Now(); now.Sub(f.since) >= grace && (f.at.IsZero() || now.Sub(f.at) >= calm) {
		f.show(f.why + f.consequence())
	}
}

func (f *fetcher) consequence() string {
	if f.keys.Load() == nil {
		return "; tokens are answered with 503 until they can"
	}
	return "; the last good ones count until they can"
}

// show tells the store what there is to say, if that is news.
func (f *fetcher) show(what string) {
	if what != f.shown {
		f.shown, f.at = what, time.Now()
		f.store.fail(f.ID(), what)
	}
}
