package observe_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/proxy/observe"
)

// sink records what is written; while it is held, writes wait.
type sink struct {
	mu   sync.Mutex
	text bytes.Buffer
	err  error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.text.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func dropped(t *testing.T, l *observe.AccessLog) float64 {
	t.Helper()
	return series(t, l.Metrics(), "gateway_access_log_dropped_total")[""]
}

func TestLinesAreWrittenTogetherAfterAShortDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		l := observe.NewAccessLog(&s)
		defer l.Close()
		for round := range 3 {
			l.Add([]byte("a\n"))
			l.Add([]byte("b\n"))
			synctest.Wait()
			if got := s.String(); got != strings.Repeat("a\nb\n", round) {
				t.Errorf("written at once: %q", got)
			}
			<-time.After(200 * time.Millisecond) // of the bubble's clock
			synctest.Wait()
			if got, want := s.String(), strings.Repeat("a\nb\n", round+1); got != want {
				t.Errorf("written: %q, want %q", got, want)
			}
		}
	})
}

func TestManyLinesAreWrittenWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		l := observe.NewAccessLog(&s)
		defer l.Close()
		line := []byte(strings.Repeat("x", 1023) + "\n")
		for range 300 {
			l.Add(line)
		}
		synctest.Wait() // the clock stands still
		if s.String() == "" {
			t.Error("300 KiB wait for the clock")
		}
	})
}

func TestClosingWritesWhatWaits(t *testing.T) {
	var s sink
	l := observe.NewAccessLog(&s)
	l.Add([]byte("a\n"))
	l.Close()
	l.Add([]byte("late\n"))
	l.Close()
	if got := s.String(); got != "a\n" {
		t.Errorf("written: %q, want a line", got)
	}
	if got := dropped(t, l); got != 1 {
		t.Errorf("%v lines dropped, want the late one", got)
	}
}

func TestAStuckWriterCostsLinesNotTime(t *testing.T) {
	var s sink
	l := observe.NewAccessLog(&s)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	const sent = 5 << 10
	s.mu.Lock() // as a full disk or a pipe that nobody reads
	for range sent {
		l.Add(line)
	}
	s.mu.Unlock()
	l.Close()
	written := strings.Count(s.String(), "\n")
	if n := int(dropped(t, l)); n == 0 || written == 0 || written+n != sent {
		t.Errorf("%d lines written, %d dropped, want both and %d in all", written, n, sent)
	}
}

func TestLinesThatCannotBeWrittenCountAsDropped(t *testing.T) {
	s := sink{err: errors.New("disk full")}
	l := observe.NewAccessLog(&s)
	l.Add([]byte("a\n"))
	l.Add([]byte("b\n"))
	l.Close()
	if got := dropped(t, l); got != 2 {
		t.Errorf("%v lines dropped, want 2", got)
	}
}

func TestLinesStayWholeUnderConcurrency(t *testing.T) {
	var s sink
	l := observe.NewAccessLog(&s)
	var wg sync.WaitGroup
	for writer := range 8 {
		wg.Go(func() {
			for i := range 100 {
				l.Add(fmt.Appendf(nil, "%d-%d\n", writer, i))
			}
		})
	}
	wg.Wait()
	l.Close()
	seen := map[string]bool{}
	for line := range strings.Lines(s.String()) {
		seen[line] = true
	}
	for writer := range 8 {
		for i := range 100 {
			if !seen[fmt.Sprintf("%d-%d\n", writer, i)] {
				t.Fatalf("line %d-%d is missing", writer, i)
			}
		}
	}
}

func TestAddingDoesNotAllocate(t *testing.T) {
	l := observe.NewAccessLog(&sink{})
	defer l.Close()
	line := []byte("a line\n")
	if n := testing.AllocsPerRun(10_000, func() { l.Add(line) }); n != 0 {
		t.Errorf("%v allocations a line, want none", n)
	}
}
