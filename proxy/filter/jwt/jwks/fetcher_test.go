package jwks

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/proxy/filter/jwt/jws"
)

// script answers fetches in a bubble of its own time.
type script struct {
	*fetcher
	set *jws.Set
	age time.Duration
	// fails says why a fetch, by its number, fails; nil: none does.
	fails   atomic.Pointer[func(fetch int32) error]
	fetches atomic.Int32
	// changes are how often somebody was told that there is something else to say.
	changes atomic.Int32
}

// play has a fetcher run beside a test, whose answers are as old as the route and they themselves permit.
func play(t *testing.T, maxAge, age time.Duration, f func(*script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &script{set: setOf(t, "a"), age: age}
		store := NewStore(slog.New(slog.DiscardHandler), Reach{})
		store.OnChange(func() { s.changes.Add(1) })
		s.fetcher = newFetcher(Options{URL: "https://login.example.com/keys", MaxAge: maxAge}, store, func(context.Context) (*jws.Set, time.Duration, error) {
			n := s.fetches.Add(1)
			if fails := s.fails.Load(); fails != nil {
				return nil, 0, (*fails)(n)
			}
			return s.set, s.age, nil
		})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.run(ctx) })
		f(s)
		stop()
		running.Wait()
		if left := store.Failing(); len(left) > 0 {
			t.Errorf("what nobody refers to fails still: %v", left)
		}
	})
}

// fail has fetches fail for a reason; "" has them succeed.
func (s *script) fail(why string) {
	if why == "" {
		s.fails.Store(nil)
	} else {
		s.fails.Store(new(func(int32) error { return errors.New(why) }))
	}
}

// pass lets a time pass in a bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// after lets a time pass, and returns what there is to say then.
func (s *script) after(d time.Duration) string {
	pass(d)
	return s.store.Failing()[s.ID()]
}

func TestKeysAreFetchedBeforeTheyAreTooOld(t *testing.T) {
	for name, tt := range map[string]struct {
		maxAge, age time.Duration
		// fetches are those of the first hour, at the least and at the most: each is up to a tenth early.
		least, most int32
	}{
		"as old as the route says":   {10 * time.Minute, 0, 6, 7},
		"as old as the answer says":  {10 * time.Minute, 5 * time.Minute, 12, 14},
		"never older than the route": {10 * time.Minute, time.Hour, 6, 7},
		"never a flood":              {10 * time.Minute, time.Nanosecond, 360, 401},
	} {
		play(t, tt.maxAge, tt.age, func(s *script) {
			if what, n := s.after(time.Hour), s.fetches.Load(); what != "" || n < tt.least || n > tt.most {
				t.Errorf("%s: %d fetches, want %d to %d; %s", name, n, tt.least, tt.most, what)
			}
		})
	}
}

func TestAFailureIsShownOnceItLasts(t *testing.T) {
	play(t, 10*time.Second, 0, func(s *script) {
		if what := s.after(time.Second); what != "" || s.changes.Load() != 0 {
			t.Errorf("without trouble: %q", what)
		}
		s.fail("the connection was refused")
		if what := s.after(9500 * time.Millisecond); what != "" || s.fetches.Load() < 2 {
			t.Errorf("after %d fetches: %q", s.fetches.Load(), what)
		}
		want := "the connection was refused; the last good ones count until they can"
		if what := s.after(5 * time.Second); what != want || s.changes.Load() != 1 {
			t.Errorf("after some seconds: %q", what)
		}
		if s.keys.Load() == nil {
			t.Error("the keys are lost")
		}
		s.fail("")
		if what := s.after(lastRetry); what != "" || s.changes.Load() != 2 {
			t.Errorf("after all is well: %q, %d changes", what, s.changes.Load())
		}
	})
}

func TestBeforeTheFirstKeysAFailureSaysWhatThatMeans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := NewStore(slog.New(slog.DiscardHandler), Reach{})
		hanging := make(chan error)
		f := newFetcher(Options{URL: "https://a", MaxAge: time.Minute}, store, func(ctx context.Context) (*jws.Set, time.Duration, error) {
			select {
			case err := <-hanging:
				return nil, 0, err
			case <-ctx.Done():
				return nil, 0, ctx.Err()
			}
		})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { f.run(ctx) })
		pass(timeout)
		if all := store.Failing(); len(all) > 0 {
			t.Errorf("the first fetch has not ended, and fails: %v", all)
		}
		hanging <- errors.New("there was no answer")
		synctest.Wait()
		want := map[string]string{"https://a every 1m0s": "there was no answer; tokens are answered with 503 until they can"}
		if all := store.Failing(); !maps.Equal(all, want) {
			t.Errorf("failing are %v, want %v", all, want)
		}
		stop()
		running.Wait()
	})
}

func TestAServerThatComesAndGoesIsNoFlood(t *testing.T) {
	play(t, 10*time.Second, 0, func(s *script) {
		// For an hour it fails for 20 s, with other words each time, and answers for 20 s.
		const span = time.Hour
		for i := range int(span / (40 * time.Second)) {
			s.fail(string(rune('a' + i)))
			pass(20 * time.Second)
			s.fail("")
			pass(20 * time.Second)
		}
		if n, most := s.changes.Load(), int32(2*span/calm); n == 0 || n > most {
			t.Errorf("%d changes, want at most %d", n, most)
		}
	})
	play(t, 10*time.Second, 0, func(s *script) {
		// It fails for another reason each time that it is tried.
		s.fails.Store(new(func(fetch int32) error { return errors.New(string('a' + fetch%26)) }))
		s.after(time.Hour)
		if n, most := s.changes.Load(), int32(time.Hour/calm)+1; n == 0 || n > most {
			t.Errorf("%d changes, want at most %d", n, most)
		}
	})
}

func TestSourcesOfOneURLFailForThemselves(t *testing.T) {
	ids := map[string]bool{}
	for _, o := range []Options{
		{URL: "https://a", MaxAge: time.Minute},
		{URL: "https://a", MaxAge: time.Hour},
		{URL: "https://a", MaxAge: time.Minute, CA: "x"},
		{URL: "https://a", MaxAge: time.Minute, CA: "y"},
		{URL: "https://b", MaxAge: time.Minute},
	} {
		ids[o.ID()] = true
	}
	if len(ids) != 5 {
		t.Errorf("%d IDs: %v", len(ids), ids)
	}
}

func TestKeysOutliveOneWhoRefersToThem(t *testing.T) {
	requests := make(chan struct{}, 9)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { requests <- struct{}{}; answer("", keySet("a"))(w, r) })
	store := NewStore(slog.New(slog.DiscardHandler), *everywhere)
	o := Options{URL: s.URL, MaxAge: time.Hour}
	source, err := store.Get(o)
	if err != nil {
		t.Fatal(err)
	}
	if done := source.Refresh(); done != nil {
		<-done
	}
	again, err := store.Get(o)
	if err != nil || again != source || !source.Keys().Has("a") || len(requests) != 1 {
		t.Errorf("another source, %d requests: %v", len(requests), err)
	}
	if source.Refresh() != nil {
		t.Error("an unknown key is fetched at once, again and again")
	}
	store.Hasten()
	if done := source.Refresh(); done == nil {
		t.Error("an unknown key is not fetched")
	} else {
		<-done
	}
	runtime.KeepAlive(again)
}

func TestFetchingEndsWithTheLastWhoRefersToIt(t *testing.T) {
	asked, over := make(chan struct{}), make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done() // the client has left
		close(over)
	})
	store := NewStore(slog.New(slog.DiscardHandler), *everywhere)
	source, err := store.Get(Options{URL: s.URL, MaxAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	runtime.KeepAlive(source)
	for {
		runtime.GC()
		select {
		case <-over:
			if left := store.sources.All(); len(left) > 0 {
				t.Errorf("%d sources are left", len(left))
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}
