// Package jwks keeps the keys of token issuers: it fetches JWK Sets in the background, and keeps the last good one while a new one
// can't be had.
package jwks

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/filter/internal/shared"
	"github.com/penstock/penstock/proxy/filter/jwt/jws"
)

// Options say where keys are and when they are fetched.
type Options struct {
	// URL has a JWK Set; its scheme is http or https.
	URL string
	// MaxAge is how long a set is used before it is fetched again. A Cache-Control max-age of the answer that is shorter counts instead.
	MaxAge time.Duration
	// CA has the roots, in PEM, that the server's certificate leads to; empty: those of the system.
	CA string
}

const (
	// minAge keeps an answer's max-age from making a flood of requests.
	minAge = 10 * time.Second
	// coolDown is the time between two fetches that unknown key IDs ask for.
	coolDown = 10 * time.Second
	// firstRetry and lastRetry are the rests after failures.
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// Store has the sources that routes refer to. What was fetched for one table serves the next. It is safe for concurrent use.
type Store struct {
	log     *slog.Logger
	sources shared.Pool[Options, Source]
	// changed is called when a source begins or ceases to fail.
	changed func()
}

// NewStore returns a store without sources. Changed, which may be nil, is called when Failures returns something else.
func NewStore(log *slog.Logger, changed func()) *Store {
	if changed == nil {
		changed = func() {}
	}
	return &Store{log: log, changed: changed}
}

// Get returns the source of these options, and begins to fetch if there was none. It fails if CA is no PEM.
func (s *Store) Get(o Options) (*Source, error) {
	return s.sources.Get(o, func() (*Source, error) {
		client, err := newClient(o.CA)
		if err != nil {
			return nil, err
		}
		f := &fetcher{
			Options: o, client: client, log: s.log, changed: s.changed,
			wanted: make(chan struct{}, 1), done: make(chan struct{}),
		}
		ctx, stop := context.WithCancel(context.Background())
		go f.run(ctx)
		source := &Source{f}
		runtime.AddCleanup(source, func(stop context.CancelFunc) { stop() }, stop)
		return source, nil
	})
}

// Failures returns, by URL, why keys can't be fetched at present.
func (s *Store) Failures() map[string]string {
	out := map[string]string{}
	for _, source := range s.sources.All() {
		if why := source.failure.Load(); why != nil {
			out[source.URL] = *why
		}
	}
	return out
}

// Source is the keys of one URL. Fetching ends when nobody refers to it any more.
type Source struct{ *fetcher }

// Keys are the last good ones; nil before the first.
func (s *Source) Keys() *jws.Set { return s.keys.Load() }

// Refresh asks for newer keys, because there are none yet or a token names one that is not among them. The channel is closed after
// the next fetch; nil says that it is too early for another.
func (s *Source) Refresh() <-chan struct{} {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flying || s.began.IsZero() || s.keys.Load() == nil && now.Sub(s.began) < firstRetry {
		return s.done
	}
	if now.Sub(s.began) < coolDown {
		return nil
	}
	select {
	case s.wanted <- struct{}{}:
	default: // somebody else has asked
	}
	return s.done
}

// fetcher fetches for a source, one request at a time. It does not refer to the source.
type fetcher struct {
	Options
	client  *client
	log     *slog.Logger
	changed func()
	keys    atomic.Pointer[jws.Set]
	// failure is why the last fetch failed; nil if it did not.
	failure atomic.Pointer[string]
	wanted  chan struct{}

	mu sync.Mutex
	// began is when the last fetch began, flying says that it has not ended, and done is closed and replaced when it has.
	began  time.Time
	flying bool
	done   chan struct{}
}

func (f *fetcher) run(ctx context.Context) {
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
	f.mu.Lock()
	f.began, f.flying = time.Now(), true
	f.mu.Unlock()
	set, age, err := f.client.get(ctx, f.URL)
	if err == nil {
		f.take(set)
	}
	if ctx.Err() == nil {
		f.note(err)
	}
	f.mu.Lock()
	f.flying = false
	close(f.done)
	f.done = make(chan struct{})
	f.mu.Unlock()
	if age <= 0 || age > f.MaxAge {
		age = f.MaxAge
	}
	return max(age, minAge), err
}

// take makes set the keys, unless they are the same: tokens that were verified with them then need not be verified again.
func (f *fetcher) take(set *jws.Set) {
	if old := f.keys.Load(); old == nil || !old.Equal(set) {
		f.keys.Store(set)
		f.log.Info("keys fetched", "url", f.URL, "keys", set.Len())
	}
}

func (f *fetcher) note(err error) {
	before := f.failure.Load()
	switch {
	case err == nil && before == nil:
		return
	case err == nil:
		f.failure.Store(nil)
		f.log.Info("keys can be fetched again", "url", f.URL)
	default:
		why := err.Error()
		if before != nil && *before == why {
			return
		}
		f.failure.Store(&why)
		f.log.Warn("keys can't be fetched", "url", f.URL, "error", err)
	}
	f.changed()
}

// Hasten ends the cool-down of all sources. It is for tests, which have no time to wait.
func (s *Store) Hasten() {
	for _, source := range s.sources.All() {
		source.mu.Lock()
		source.began = source.began.Add(-coolDown)
		source.mu.Unlock()
	}
}
