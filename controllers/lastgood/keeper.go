package lastgood

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// settle is how long a state must be old before it is written, so that a burst is one write.
	settle = time.Second
	// dutyCycle bounds the share of a processor that writing takes under steady change: a rest is this many times as
	// long as the write before it.
	dutyCycle = 20
	// retryAfter is the rest after a write that failed.
	retryAfter = 10 * time.Second
)

// Keeper writes the state some time after it has changed. It is safe for concurrent use.
type Keeper struct {
	file    file // used by Run
	state   func() State
	log     *slog.Logger
	changed chan struct{}
	writes  *prometheus.CounterVec
}

// NewKeeper makes a keeper that writes what state returns to the folder dir.
func NewKeeper(dir string, state func() State, log *slog.Logger, metrics prometheus.Registerer) *Keeper {
	k := &Keeper{
		file: file{dir: dir}, state: state, log: log, changed: make(chan struct{}, 1),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_state_writes_total",
			Help: "Writes of the last good state to disk, by result: success or error.",
		}, []string{"result"}),
	}
	metrics.MustRegister(k.writes)
	return k
}

// Changed says that the state is another one. It never blocks.
func (k *Keeper) Changed() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends, and then a last time if there is something to write.
func (k *Keeper) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-k.changed:
			wait(ctx, settle)
			wait(ctx, k.save())
		}
	}
	if k.pending() {
		k.save()
	}
	// All that matters was synced.
	_ = k.file.close()
}

// pending reports, once, that the state has changed.
func (k *Keeper) pending() bool {
	select {
	case <-k.changed:
		return true
	default:
		return false
	}
}

// save writes the state and returns how long to rest.
func (k *Keeper) save() time.Duration {
	k.pending() // what changes from here on is written next time
	start := time.Now()
	if err := k.file.save(k.state()); err != nil {
		k.log.Error("last good state not written", "error", err)
		k.writes.WithLabelValues("error").Inc()
		k.Changed()
		return retryAfter
	}
	k.writes.WithLabelValues("success").Inc()
	return dutyCycle * time.Since(start)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
