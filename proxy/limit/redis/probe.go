package redis

import (
	"context"
	"time"
)

// fail lets nobody wait for the server until it has answered a probe.
func (s *Store) fail(err error) {
	s.counters.failures.Add(1)
	if s.up.CompareAndSwap(true, false) {
		s.options.Log.Warn("the rate limit store failed", "error", err)
	}
	select {
	case s.failed <- struct{}{}:
	default:
	}
}

// probe tells the server from time to time that this replica is here, and finds out whether it answers, and in time.
func (s *Store) probe(ctx context.Context) {
	for {
		pause := reportPause
		if err := s.report(ctx); err != nil {
			s.fail(err)
			pause = probePause
		} else if s.up.CompareAndSwap(false, true) {
			s.options.Log.Info("the rate limit store answers", "replicas", s.replicas.Load())
		}
		if !s.rest(ctx, pause) {
			return
		}
	}
}

// rest waits for a pause; for a shorter one if a decision has failed. It returns false when ctx has ended.
func (s *Store) rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	if pause == probePause {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		}
	}
	select {
	case <-ctx.Done():
		return false
	case <-s.failed:
	case <-timer.C:
	}
	return true
}

func (s *Store) report(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	n, err := s.client.Eval(ctx, alive.text, []string{prefix + alive.name}, s.options.Replica).Int64()
	if err != nil {
		return err
	}
	s.replicas.Store(max(n, 1))
	return nil
}
