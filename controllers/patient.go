package controllers

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// patient lists and watches, and while nobody answers tries again at a steady pace. A reflector left to itself waits
// up to a minute between its tries, so that a short outage of the API server would mean a minute of old routes after it.
// What the API server does answer, refusals too, is for the reflector to judge.
type patient struct {
	toolscache.ListerWatcherWithContext
	failures prometheus.Counter
	// told, if not nil, is called with each answer's error.
	told func(error)
}

// List is that of toolscache.Lister.
func (p patient) List(o metav1.ListOptions) (runtime.Object, error) {
	return p.ListWithContext(context.Background(), o)
}

// Watch is that of toolscache.Watcher.
func (p patient) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return p.WatchWithContext(context.Background(), o)
}

// ListWithContext lists once somebody answers.
func (p patient) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	v, err := persist(ctx, p.failures, func() (runtime.Object, error) { return p.ListerWatcherWithContext.ListWithContext(ctx, o) })
	p.tell(err)
	return v, err
}

// WatchWithContext watches once somebody answers.
func (p patient) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	v, err := persist(ctx, p.failures, func() (watch.Interface, error) { return p.ListerWatcherWithContext.WatchWithContext(ctx, o) })
	p.tell(err)
	return v, err
}

func (p patient) tell(err error) {
	if p.told != nil {
		p.told(err)
	}
}

// persist calls f until the API server answers or ctx ends.
func persist[T any](ctx context.Context, failures prometheus.Counter, f func() (T, error)) (T, error) {
	pace := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 5, Cap: 2 * time.Second}
	for {
		v, err := f()
		if err == nil || answered(err) || ctx.Err() != nil {
			return v, err
		}
		failures.Inc()
		pause(ctx, pace.Step())
	}
}

// answered reports whether an error is the API server's own.
func answered(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
