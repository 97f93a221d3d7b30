// Package redis holds limits together with other replicas in a Redis or Valkey: a single one, one that sentinels watch over, or a
// cluster.
//
// A script on the server decides, by the server's clock. Decisions that are wanted at the same time travel together. One that
// is not there in time is made without the server, as the limit's failure mode has it; then nobody waits for the server until it has
// answered a probe.
package redis

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/penstock/penstock/proxy/limit"
)

// Options are what a Store needs.
type Options struct {
	// Server says where the server is; see ParseURL.
	Server *redis.UniversalOptions
	// Timeout bounds how long a decision waits for the server; 0 means DefaultTimeout.
	Timeout time.Duration
	// Replica names this process among those that share the server.
	Replica string
	// Local decides when the server can't.
	Local *limit.Local
	Log   *slog.Logger
}

// DefaultTimeout leaves room for what happens before and after the wait in the 50 ms in which a failure is to be noticed.
const DefaultTimeout = 40 * time.Millisecond

// prefix is what all keys on the server start with.
const prefix = "penstock:"

// Store is a limit.Store. It is safe for concurrent use.
type Store struct {
	options Options
	client  redis.UniversalClient
	queue   chan *call
	turn    chan struct{} // whoever gathers the next batch has put something in
	// together is how many keys a script may decide for at once: one in a cluster, whose servers have some each.
	together int
	// up says that the server has answered last.
	up atomic.Bool
	// failed wakes the prober.
	failed chan struct{}
	// replicas is how many shared the server when it answered last.
	replicas atomic.Int64
	counters counters
}

var _ limit.Batcher = (*Store)(nil)

const (
	// senders is how many batches may be under way. A round trip costs more than a decision, so that the next waits for the answer to
	// the one before, but no longer than gathering: with a server far away, waiting for two round trips would be worse.
	senders   = 4
	gathering = 2 * time.Millisecond
	// queued is how many calls may wait to be sent.
	queued = 4096
	// largest is how many calls are sent at once.
	largest = 128
	// inOneGo is how many keys a script decides for at once: others that ask the server wait that long.
	inOneGo = 32
	// probePause is how often a server that failed is tried, reportPause how often one that works is told that we are here.
	probePause  = 100 * time.Millisecond
	reportPause = 2 * time.Second
)

// New returns a Store that decides by itself until Run has reached the server.
func New(o Options) *Store {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	c := *o.Server
	c.ReadTimeout, c.WriteTimeout, c.ContextTimeoutEnabled = o.Timeout, o.Timeout, true
	c.MaxRetries = -1           // who waits has no time for a second try
	c.DialTimeout = time.Second // dialling goes on when the decision has been made elsewhere
	c.DialerRetries = 1
	c.PoolSize, c.MinIdleConns, c.PipelinePoolSize = senders+1, 1, -1
	c.ClientName, c.DisableIdentity = "penstock", true
	c.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled} // which only Redis Cloud has
	s := &Store{
		options: o, client: redis.NewUniversalClient(&c),
		queue: make(chan *call, queued), turn: make(chan struct{}, 1), together: inOneGo, failed: make(chan struct{}, 1),
	}
	if _, several := s.client.(*redis.ClusterClient); several {
		s.together = 1
	}
	s.replicas.Store(1)
	return s
}

// Run talks to the server until ctx ends.
func (s *Store) Run(ctx context.Context) {
	for range senders {
		go s.send(ctx)
	}
	s.probe(ctx)
	if err := s.client.Close(); err != nil {
		s.options.Log.Debug("connections to the rate limit store were not closed", "error", err)
	}
}

// Take asks the server, or decides without it.
func (s *Store) Take(l *limit.Limit, k limit.Key, cost int64) limit.Decision {
	ask := [1]limit.Ask{{Limit: l, Key: k, Cost: cost}}
	s.TakeAll(ask[:])
	return ask[0].Decision
}

// TakeAll asks the server, or decides without it.
func (s *Store) TakeAll(asks []limit.Ask) {
	if s.up.Load() && s.ask(asks) {
		s.note(asks)
		return
	}
	for i := range asks {
		asks[i].Decision = s.decide(&asks[i])
	}
}

// note takes what the server allowed from this replica's share too, as far as it is there: else each failure would begin with full
// buckets.
func (s *Store) note(asks []limit.Ask) {
	for i := range asks {
		if a := &asks[i]; a.Decision.Allowed && a.Limit.OnFailure == limit.LocalShare {
			s.options.Local.Take(a.Limit, a.Key, a.Cost, s.share())
		}
	}
}

// Charge tells the server, without waiting for it. While it fails, who decides instead is told.
func (s *Store) Charge(l *limit.Limit, k limit.Key, cost int64) {
	if !s.up.Load() {
		s.options.Local.Charge(l, k, cost, s.share())
		return
	}
	c := newCall([]limit.Ask{{Limit: l, Key: k, Cost: cost}})
	c.force = true
	c.state.Store(abandoned)
	select {
	case s.queue <- c:
	default:
		s.counters.dropped.Add(1)
	}
}

// decide makes a decision without the server.
func (s *Store) decide(a *limit.Ask) (d limit.Decision) {
	s.counters.degraded.Add(1)
	switch a.Limit.OnFailure {
	case limit.Open:
		d = limit.Decision{Allowed: true, Remaining: a.Limit.Requests}
	case limit.Closed:
		d = limit.Decision{RetryAfter: reportPause}
	default:
		d = s.options.Local.Take(a.Limit, a.Key, a.Cost, s.share())
	}
	d.Degraded = true
	return d
}

// share is the part of a limit that each replica has while they can't agree.
func (s *Store) share() limit.Share { return limit.Share(1 / float64(s.replicas.Load())) }
