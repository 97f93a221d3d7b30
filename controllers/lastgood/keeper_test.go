package lastgood

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// run runs a keeper in a bubble of its own time until the returned function is called.
func run(t *testing.T, dir string) (k *Keeper, stop func()) {
	t.Helper()
	k = NewKeeper(dir, example, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx)
	}()
	return k, func() { cancel(); <-ended }
}

func writes(t *testing.T, k *Keeper, result string) float64 {
	t.Helper()
	var m dto.Metric
	if err := k.writes.WithLabelValues(result).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// pass lets the bubble's time pass.
func pass(d time.Duration) { <-time.After(d) }

func TestABurstOfChangesIsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		k, stop := run(t, dir)
		defer stop()
		for range 100 {
			k.Changed()
			pass(settle / 200)
		}
		if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("written before it has settled: %v", err)
		}
		pass(time.Minute)
		if got := writes(t, k, "success"); got != 1 {
			t.Errorf("%v writes, want 1", got)
		}
		if _, err := Load(dir); err != nil {
			t.Error(err)
		}
	})
}

func TestAFailedWriteIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "missing")
		k, stop := run(t, dir)
		defer stop()
		k.Changed()
		pass(time.Minute)
		if got := writes(t, k, "error"); got < 2 || got > 6 {
			t.Errorf("%v tries in a minute, want about one in %v", got, retryAfter)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if _, err := Load(dir); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLastChangeIsWrittenBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		k, stop := run(t, dir)
		k.Changed()
		stop()
		if _, err := Load(dir); err != nil {
			t.Error(err)
		}
	})
}
