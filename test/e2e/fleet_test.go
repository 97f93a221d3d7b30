//go:build e2e

package e2e

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// fleet are the replicas of Penstock, as a watch of their Pods shows them. It is safe for concurrent use.
type fleet struct {
	// joins is called with each replica that has become Ready, in a goroutine of its own.
	joins func(*corev1.Pod)

	mu   sync.Mutex
	pods map[types.UID]*corev1.Pod
}

// followFleet watches until the test ends.
func followFleet(t *testing.T, joins func(*corev1.Pod)) *fleet {
	t.Helper()
	f := &fleet{joins: joins, pods: map[types.UID]*corev1.Pod{}}
	for _, p := range installed(t) {
		f.pods[p.UID] = p
	}
	go observe(t.Context(), &corev1.PodList{}, labelled(system, penstock), f.see)
	return f
}

func (f *fleet) see(event watch.EventType, p *corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.pods[p.UID]
	if event == watch.Deleted {
		delete(f.pods, p.UID)
		return
	}
	f.pods[p.UID] = p
	if isReady(p) && (before == nil || !isReady(before)) {
		go f.joins(p)
	}
}

// ready returns the replicas that are Ready, those that are about to end too: they serve as long as they answer.
func (f *fleet) ready() (out []*corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pods {
		if isReady(p) {
			out = append(out, p)
		}
	}
	return out
}

// line is a connection to a replica that is kept for the next question. It is used by one goroutine at a time.
type line struct {
	// patience bounds connecting; a second unless it is set, which is enough for a replica that may be gone.
	patience time.Duration
	c        *connection
}

// errNoAnswer says that a replica is not there: it can't be reached, or has closed the connection before it answered.
var errNoAnswer = errors.New("no answer")

// ask returns the body of a replica's answer. A line that was open already, and turns out not to be any more, is opened anew once.
func (l *line) ask(ctx context.Context, address, host string) (string, error) {
	if l.c != nil && l.c.isClosed() {
		l.c = l.c.close()
	}
	kept := l.c != nil
	body, err := l.try(ctx, address, host)
	if err != nil && kept && ctx.Err() == nil {
		body, err = l.try(ctx, address, host)
	}
	return body, err
}

func (l *line) try(ctx context.Context, address, host string) (body string, err error) {
	if l.c == nil {
		fresh, err := (&net.Dialer{Timeout: cmp.Or(l.patience, time.Second)}).DialContext(ctx, "tcp", address)
		if err != nil {
			return "", fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		l.c = &connection{fresh.(*net.TCPConn), bufio.NewReader(fresh)}
	}
	defer context.AfterFunc(ctx, func() { _ = l.c.SetDeadline(time.Unix(1, 0)) })()
	body, keep, err := l.c.get(host)
	if err != nil || !keep {
		l.c = l.c.close()
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return body, nil
}

// get asks for the page of a host, whatever its status. It waits for long, since a replica that was stopped answers when it goes on.
func (c *connection) get(host string) (body string, keep bool, err error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", false, err
	}
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		return "", false, err
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return "", false, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), !answer.Close, err
}
