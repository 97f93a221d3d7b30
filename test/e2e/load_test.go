//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// pace is the time from one request of a stream to the next.
	pace = 20 * time.Millisecond
	// answerTime bounds connecting, and the whole exchange.
	answerTime = 10 * time.Second
)

// streams is how many streams of requests a load consists of.
type streams struct {
	kept int // on connections that are kept as long as the server keeps them
	new  int // with a new connection for each request
}

func (s streams) all() int { return s.kept + s.new }

var (
	// usual is 600 requests/s, which two processors carry easily beside a cluster.
	usual = streams{kept: 8, new: 4}
	// heavy is 2,000 requests/s.
	heavy = streams{kept: 27, new: 13}
)

// load is several streams of requests to one address. It speaks to the socket itself and sends no request a second time:
// each that is sent is answered with 200 and its whole body, or counted as failed.
type load struct {
	address, host string
	stop          context.CancelFunc
	work          sync.WaitGroup

	mu      sync.Mutex
	figures figures
	last    time.Time // of an answer
}

// figures are what happened to the requests of a load.
type figures struct {
	sent, answered int
	connections    int // that were opened
	gap            time.Duration
	failures       []failure
	took           time.Duration
	streams        streams
}

// failure is a request that got no answer, or another one than 200.
type failure struct {
	at      time.Time
	connect bool // no connection was to be had, so that nothing was sent
	err     error
}

func (f failure) Error() string {
	if f.connect {
		return "connecting: " + f.err.Error()
	}
	return f.err.Error()
}

// startLoad sends requests for a host until the test or the load ends.
func startLoad(t *testing.T, address, host string, s streams) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{address: address, host: host, stop: cancel, last: time.Now(), figures: figures{streams: s}}
	began := time.Now()
	for range s.kept {
		l.work.Go(func() { l.stream(ctx, true) })
	}
	for range s.new {
		l.work.Go(func() { l.stream(ctx, false) })
	}
	t.Cleanup(func() { cancel(); l.work.Wait() })
	l.work.Go(func() { <-ctx.Done(); l.count(func(f *figures) { f.took = time.Since(began) }) })
	return l
}

// stream sends one request after another until ctx ends. A request that is under way then is finished. What slow answers
// kept from being sent in time is sent after them, so that a cluster that is busy is not offered less.
func (l *load) stream(ctx context.Context, keep bool) {
	var c *connection
	for due := time.Now(); ctx.Err() == nil; pause(ctx, due) {
		due = due.Add(pace)
		if c != nil && c.isClosed() {
			c = c.close()
		}
		if c == nil {
			l.count(func(f *figures) { f.connections++ })
			fresh, err := net.DialTimeout("tcp", l.address, answerTime)
			if err != nil {
				l.done(&failure{connect: true, err: err})
				continue
			}
			c = &connection{fresh.(*net.TCPConn), bufio.NewReader(fresh)}
		}
		kept, err := c.exchange(l.host, keep)
		if err != nil {
			l.done(&failure{err: err})
		} else {
			l.done(nil)
		}
		if !kept {
			c = c.close()
		}
	}
	if c != nil {
		c.close()
	}
}

// pause waits until the next request is due.
func pause(ctx context.Context, due time.Time) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(due)):
	}
}

// done counts a request that was sent.
func (l *load) done(failed *failure) {
	l.count(func(f *figures) {
		f.sent++
		now := time.Now()
		if failed != nil {
			failed.at = now
			f.failures = append(f.failures, *failed)
			return
		}
		f.answered++
		f.gap = max(f.gap, now.Sub(l.last))
		l.last = now
	})
}

func (l *load) count(change func(*figures)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.figures)
}

// awaitAnswers waits until so many more requests have been answered.
func (l *load) awaitAnswers(t *testing.T, more int) {
	t.Helper()
	answered := func() (n int) {
		l.count(func(f *figures) { n = f.answered })
		return n
	}
	want := answered() + more
	if err := wait.PollUntilContextTimeout(t.Context(), pace, patience, true, func(context.Context) (bool, error) {
		return answered() >= want, nil
	}); err != nil {
		t.Fatalf("waited in vain for %d answers from %s: %v", more, l.address, err)
	}
}

// awaitAnswer asks until it is answered with 200: before it is loaded, a new address or route may still be getting about.
func awaitAnswer(t *testing.T, address, host string) {
	t.Helper()
	var last error
	if err := wait.PollUntilContextTimeout(t.Context(), pace, patience, true, func(context.Context) (bool, error) {
		fresh, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			last = err
			return false, nil
		}
		c := &connection{fresh.(*net.TCPConn), bufio.NewReader(fresh)}
		defer c.close()
		_, last = c.exchange(host, false)
		return last == nil, nil
	}); err != nil {
		t.Fatalf("no answer for %s from %s: %v", host, address, last)
	}
}

// end stops and returns what happened.
func (l *load) end() figures {
	l.stop()
	l.work.Wait()
	return l.figures
}

// report prints the figures as a line, and at most ten failures.
func (f figures) report(t *testing.T, what string) {
	t.Helper()
	t.Logf("figure: %s: %d sent, %d answered, %d failed, in %.1f s on %d connections, longest gap between answers %d ms",
		what, f.sent, f.answered, len(f.failures), f.took.Seconds(), f.connections, f.gap.Milliseconds())
	for i, one := range f.failures {
		if i == 10 {
			t.Logf("and %d more failures", len(f.failures)-i)
			break
		}
		t.Logf("failed at %s: %v", one.at.Format("15:04:05.000"), one)
	}
}

// connection is a client's, used by one stream.
type connection struct {
	*net.TCPConn
	reader *bufio.Reader
}

// close ends the connection; its result takes its place.
func (c *connection) close() *connection {
	_ = c.Close()
	return nil
}

// exchange sends a request and reads its answer, and tells whether the connection may be used again.
func (c *connection) exchange(host string, keep bool) (kept bool, err error) {
	if err := c.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return false, err
	}
	option := "keep-alive"
	if !keep {
		option = "close"
	}
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n", host, option); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return false, err
	}
	if answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("answer %s: %s", answer.Status, strings.TrimSpace(string(body)))
	}
	return keep && !answer.Close, nil
}

// isClosed reports whether the server has closed the connection while nothing was under way, which it may at any time.
func (c *connection) isClosed() bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	closed := false
	if err := raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = !errors.Is(err, syscall.EAGAIN)
		return true
	}); err != nil {
		return true
	}
	return closed
}
