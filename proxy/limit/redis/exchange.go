package redis

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock/penstock/proxy/limit"
)

var (
	errLate = errors.New("the server did not answer in time")
	errBusy = errors.New("the server does not keep up")
)

// exchange makes one round trip for all calls of a batch; to each server of a cluster that has keys of them.
func (s *Store) exchange(ctx context.Context, batch []*call) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	answers, err := s.run(ctx, batch, func(p redis.Pipeliner, s *script, key string, args []any) *redis.Cmd {
		return p.EvalSha(ctx, s.sha, []string{key}, args...)
	})
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// The server is new. Nothing was taken by a script that it doesn't have; those that it has are asked again, which it survives.
		answers, err = s.run(ctx, batch, func(p redis.Pipeliner, s *script, key string, args []any) *redis.Cmd {
			return p.Eval(ctx, s.text, []string{key}, args...)
		})
	}
	if err != nil {
		return err
	}
	for _, c := range batch {
		for i := range c.asks {
			if err := read(&c.asks[i].Decision, answers[0]); err != nil {
				return err
			}
			answers = answers[1:]
		}
	}
	return nil
}

func (s *Store) run(ctx context.Context, batch []*call, do func(redis.Pipeliner, *script, string, []any) *redis.Cmd) (answers []*redis.Cmd, err error) {
	p := s.client.Pipeline()
	for _, c := range batch {
		for i := range c.asks {
			a := &c.asks[i]
			script, args := scriptFor(a.Limit), argsFor(a, c.force)
			answers = append(answers, do(p, script, script.key(a.Key), args))
		}
	}
	s.counters.batches.Add(1)
	s.counters.asks.Add(uint64(len(answers)))
	_, err = p.Exec(ctx)
	return answers, err
}

func (s *script) key(k limit.Key) string {
	return prefix + s.name + ":" + base64.RawURLEncoding.EncodeToString(k[:])
}

func scriptFor(l *limit.Limit) *script {
	if l.Algorithm == limit.SlidingWindow {
		return slidingWindow
	}
	return tokenBucket
}

// argsFor are the numbers of a limit, in microseconds.
func argsFor(a *limit.Ask, force bool) []any {
	forced := 0
	if force {
		forced = 1
	}
	l := a.Limit
	period := float64(l.Period) / float64(time.Microsecond)
	if l.Algorithm == limit.SlidingWindow {
		return []any{a.Cost, forced, l.Requests, period / limit.Slots, limit.Slots}
	}
	return []any{a.Cost, forced, l.Burst, period / float64(l.Requests)}
}

// read reads what a script answers: whether it is allowed, what remains, and how long to wait for the cost and for all, in microseconds.
func read(d *limit.Decision, answer *redis.Cmd) error {
	n, err := answer.Int64Slice()
	if err != nil {
		return err
	}
	if len(n) != 4 {
		return fmt.Errorf("the script answered %v", n)
	}
	*d = limit.Decision{
		Allowed: n[0] == 1, Remaining: n[1], RetryAfter: time.Duration(n[2]) * time.Microsecond, Reset: time.Duration(n[3]) * time.Microsecond,
	}
	if n[2] < 0 {
		d.RetryAfter = limit.Never
	}
	return nil
}
