// Package jwks keeps the keys of token issuers: it fetches JWK Sets in the background, and keeps the last good one while a new one
// can't be had.
package jwks

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"sync"
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

// ID tells a source from all others: those of one URL that trust other roots fail for themselves.
func (o Options) ID() string {
	id := o.URL + " every " + o.MaxAge.String()
	if o.CA != "" {
		id += fmt.Sprintf(" by %x", sha256.Sum256([]byte(o.CA)))
	}
	return id
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
	reach   Reach
	sources shared.Pool[Options, Source]

	mu sync.Mutex
	// failing is what Failing returns: another one after each change. Changed is called then; it may be nil.
	failing map[string]string
	changed func()
}

// NewStore returns a store without sources.
func NewStore(log *slog.Logger, reach Reach) *Store { return &Store{log: log, reach: reach} }

// Get returns the source of these options, and begins to fetch if there was none. It fails if CA is no PEM.
func (s *Store) Get(o Options) (*Source, error) {
	return s.sources.Get(o, func() (*Source, error) {
		client, err := newClient(o.URL, o.CA, &s.reach)
		if err != nil {
			return nil, err
		}
		f := newFetcher(o, s, client.get)
		ctx, stop := context.WithCancel(context.Background())
		go f.run(ctx)
		source := &Source{f}
		runtime.AddCleanup(source, func(stop context.CancelFunc) { stop() }, stop)
		return source, nil
	})
}

// Failing returns, by the ID of their Options, why the keys of sources can't be fetched. It must not be written.
func (s *Store) Failing() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failing
}

// OnChange has f called, in any goroutine, after Failing has changed.
func (s *Store) OnChange(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = f
}

// fail says why a source fails; "" that it does not.
func (s *Store) fail(id, why string) {
	s.mu.Lock()
	next := maps.Clone(s.failing)
	if next == nil {
		next = map[string]string{}
	}
	if next[id] = why; why == "" {
		delete(next, id)
	}
	s.failing = next
	changed := s.changed
	s.mu.Unlock()
	if changed != nil {
		changed()
	}
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

// Hasten ends the cool-down of all sources. It is for tests, which have no time to wait.
func (s *Store) Hasten() {
	for _, source := range s.sources.All() {
		source.mu.Lock()
		source.began = source.began.Add(-coolDown)
		source.mu.Unlock()
	}
}
