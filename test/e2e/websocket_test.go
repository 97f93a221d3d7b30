//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// sockets is how many WebSockets are open during a rolling update.
	sockets = 20
	// kept is for how long a replica keeps them when it ends: drain.delaySeconds and drain.timeoutSeconds of the chart.
	kept = 35 * time.Second
)

// socket is a WebSocket that sends a message every tenth of a second and hears it again.
type socket struct {
	replica string // its address, as the backend sees it
	echoes  int
	// ended is when it was closed, and why that is.
	ended time.Time
	err   error
}

// openSocket opens one through Penstock's Service.
func openSocket(ctx context.Context, t *testing.T, address, host string) (*socket, *websocket.Conn) {
	t.Helper()
	c, answer, err := websocket.Dial(ctx, "ws://"+address+"/echo", &websocket.DialOptions{Host: host, HTTPClient: &http.Client{}})
	if err != nil {
		t.Fatal(err)
	}
	return &socket{replica: answer.Header.Get("X-Peer")}, c
}

// talk goes on until the WebSocket is closed.
func (s *socket) talk(ctx context.Context, c *websocket.Conn) {
	defer func() { s.ended = time.Now(); _ = c.CloseNow() }()
	for tick := time.NewTicker(100 * time.Millisecond); ; <-tick.C {
		message := fmt.Sprintf("message %d", s.echoes)
		if s.err = c.Write(ctx, websocket.MessageText, []byte(message)); s.err != nil {
			return
		}
		_, heard, err := c.Read(ctx)
		if err == nil && string(heard) != message {
			err = errors.New("heard " + string(heard))
		}
		if s.err = err; err != nil {
			return
		}
		s.echoes++
	}
}

// A rolling update under load fails no request, and closes no WebSocket before the time is up that requests have to finish.
func TestRollingUpdate(t *testing.T) {
	a := newApp(t, "rolling")
	address := balancer(t)
	told := endings(t)
	var all []*socket
	var talking sync.WaitGroup
	for range sockets {
		s, c := openSocket(t.Context(), t, address, a.host)
		all = append(all, s)
		talking.Go(func() { s.talk(t.Context(), c) })
	}
	f := under(t, heavy, fmt.Sprintf("rolling update, with %d WebSockets", sockets), a, func() { roll(t); talking.Wait() })
	f.none(t)
	least := time.Hour
	for _, s := range all {
		end, ok := told.of(s.replica)
		if !ok {
			t.Fatalf("a WebSocket ended, and not with a replica (%s): %v", s.replica, s.err)
		}
		lasted := s.ended.Sub(end)
		least = min(least, lasted)
		if lasted < kept-time.Second || s.echoes == 0 {
			t.Errorf("a WebSocket ended %v after its replica was told to, want %v: %v", lasted, kept, s.err)
		}
	}
	t.Logf("figure: of %d WebSockets none ended sooner than %.1f s after its replica was told to end", sockets, least.Seconds())
}

// ends are the times at which replicas were told to end, by their addresses.
type ends struct {
	mu sync.Mutex
	at map[string]time.Time
}

func endings(t *testing.T) *ends {
	t.Helper()
	e := &ends{at: map[string]time.Time{}}
	go observe(t.Context(), &corev1.PodList{}, labelled(system, penstock), func(_ watch.EventType, p *corev1.Pod) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if _, known := e.at[p.Status.PodIP]; p.DeletionTimestamp != nil && !known {
			e.at[p.Status.PodIP] = time.Now()
		}
	})
	return e
}

func (e *ends) of(address string) (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, ok := e.at[address]
	return at, ok
}
