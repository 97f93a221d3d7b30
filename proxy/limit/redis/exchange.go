package redis

import (
	"context"
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
	groups := s.group(batch)
	answers, err := s.run(ctx, groups, func(p redis.Pipeliner, g *group) *redis.Cmd { return p.EvalSha(ctx, g.script.sha, g.keys, g.args...) })
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// The server is new. Nothing was taken by a script that it doesn't have; those that it has are asked again, which it survives.
		answers, err = s.run(ctx, groups, func(p redis.Pipeliner, g *group) *redis.Cmd { return p.Eval(ctx, g.script.text, g.keys, g.args...) })
	}
	if err != nil {
		return err
	}
	for i, g := range groups {
		if err := g.read(answers[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) run(ctx context.Context, groups []*group, do func(redis.Pipeliner, *group) *redis.Cmd) (answers []*redis.Cmd, err error) {
	p := s.client.Pipeline()
	for _, g := range groups {
		answers = append(answers, do(p, g))
		s.counters.asks.Add(uint64(len(g.asks)))
	}
	s.counters.batches.Add(1)
	_, err = p.Exec(ctx)
	return answers, err
}

// group is what one execution of a script decides.
type group struct {
	script *script
	asks   []*limit.Ask
	keys   []string
	args   []any
}

// group puts together what the server may decide in one go.
func (s *Store) group(batch []*call) (groups []*group) {
	var open [len(scripts)]*group // of each script
	for _, c := range batch {
		for i := range c.asks {
			ask := &c.asks[i]
			g := &open[ask.Limit.Algorithm]
			if *g == nil || len((*g).asks) == s.together {
				*g = &group{script: scripts[ask.Limit.Algorithm]}
				groups = append(groups, *g)
			}
			(*g).add(ask, c.force)
		}
	}
	return groups
}

func (g *group) add(a *limit.Ask, force bool) {
	g.asks = append(g.asks, a)
	g.keys = append(g.keys, g.script.key(a.Key))
	g.args = g.script.args(g.args, a, force)
}

// read takes the decisions from what the script answered.
func (g *group) read(answer *redis.Cmd) error {
	n, err := answer.Int64Slice()
	if err != nil {
		return err
	}
	if len(n) != 4*len(g.asks) {
		return fmt.Errorf("the script answered %v to %d questions", n, len(g.asks))
	}
	for i, a := range g.asks {
		a.Decision = decision([4]int64(n[4*i:]))
	}
	return nil
}

// decision is what a script answers for a key: whether it is allowed, what remains, and how long to wait for the cost and for all, in
// microseconds.
func decision(n [4]int64) limit.Decision {
	d := limit.Decision{
		Allowed: n[0] == 1, Remaining: n[1], RetryAfter: time.Duration(n[2]) * time.Microsecond, Reset: time.Duration(n[3]) * time.Microsecond,
	}
	if n[2] < 0 {
		d.RetryAfter = limit.Never
	}
	return d
}
