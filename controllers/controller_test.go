package controllers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestWhatFailsIsStartedAgainAfterEverLongerRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Controller{options: Options{Log: slog.New(slog.DiscardHandler)}, metrics: newMetrics(prometheus.NewRegistry())}
		ctx, cancel := context.WithCancel(t.Context())
		var rests []time.Duration
		ended := time.Now()
		c.persevere(ctx, "test", func(ctx context.Context) error {
			rests = append(rests, time.Since(ended))
			switch len(rests) {
			case 9:
				pause(ctx, time.Hour) // works for a while
			case 11:
				cancel()
			}
			ended = time.Now()
			return errors.New("no")
		})
		want := []time.Duration{
			0, firstRestart, 2 * firstRestart, 4 * firstRestart, 8 * firstRestart, 16 * firstRestart, 32 * firstRestart,
			lastRestart, lastRestart, firstRestart, 2 * firstRestart,
		}
		if !slices.Equal(rests, want) {
			t.Errorf("rested %v, want %v", rests, want)
		}
		if got := value(t, c.metrics.restarts); int(got) != len(want)-1 {
			t.Errorf("%v restarts counted, want %d", got, len(want)-1)
		}
	})
}
