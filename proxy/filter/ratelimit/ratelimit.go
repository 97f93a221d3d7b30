// Package ratelimit refuses requests beyond the limits of the policies that hold for a route.
//
// There are two filters of one kind. Limits whose keys need nobody's identity are asked first, before what identifies is paid for; the
// others when it is known who asks.
package ratelimit

import (
	"fmt"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/observe"
)

// The filters' names.
const (
	Name         = "rateLimit"
	IdentityName = "rateLimitIdentity"
)

// The refusals. FailureHead says when to come again.
var (
	errExceeded    = &exchange.Error{Status: 429, Code: "ratelimit.exceeded", Source: exchange.FromClient}
	errKeyMissing  = &exchange.Error{Status: 400, Code: "ratelimit.key_missing", Source: exchange.FromClient}
	errUnavailable = &exchange.Error{Status: 503, Code: "ratelimit.unavailable", Source: exchange.FromGateway}
)

// Deps is what the filters need of the process.
type Deps struct {
	Local *limit.Local
	// Cluster decides about limits of the scope Cluster.
	Cluster limit.Store
	Meters  *observe.Limits
}

// Definition is the filter of limits that need nobody's identity.
func Definition(d Deps) filter.Definition { return filter.Define(Name, d.build, nil) }

// Identity is the filter of limits that ask who the request is from.
func Identity(d Deps) filter.Definition { return filter.Define(IdentityName, d.build, nil) }

type rateLimit struct{ rules []*rule }

var (
	_ filter.Filter     = (*rateLimit)(nil)
	_ exchange.Finisher = (*rateLimit)(nil)
)

func (d Deps) build(c Config, _ filter.Env) (filter.Filter, error) {
	f := &rateLimit{}
	for i := range c.Policies {
		p := &c.Policies[i]
		for n := range p.Limits {
			r, err := newRule(p, &p.Limits[n], d)
			if err != nil {
				return nil, fmt.Errorf("policy %s: limit %s: %w", p.Name, p.Limits[n].Name, err)
			}
			f.rules = append(f.rules, r)
		}
	}
	return f, nil
}

// Wrap returns a handler that refuses or calls next.
func (f *rateLimit) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		s := stateOf(x)
		from := len(s.asked)
		if err := f.admit(x, s, from); err != nil {
			return err
		}
		if err := next.Serve(x); err != nil {
			return err
		}
		if !s.told { // the inner one has spoken for both
			s.told = true
			s.tell(x, &x.Response.Head, false)
		}
		return nil
	})
}

// Done gives back what was in flight, and charges what the answer cost.
func (f *rateLimit) Done(x *exchange.Exchange) {
	if s, ok := x.Limits.(*state); ok {
		s.finish(x)
	}
}

// admit asks all limits, or refuses.
func (f *rateLimit) admit(x *exchange.Exchange, s *state, from int) error {
	if err := f.prepare(x, s); err != nil {
		s.asked = s.asked[:from] // none was asked yet
		return err
	}
	own := s.asked[from:]
	if len(own) == 0 {
		return nil
	}
	askLocal(own)
	if strictestRefusal(own) == nil {
		askCluster(s, own)
	}
	count(own)
	a := strictestRefusal(own)
	if a == nil {
		return nil
	}
	err := s.refuse(x, a)
	giveBack(own)
	s.asked = s.asked[:from]
	return err
}

// prepare notes what each limit that counts the request is to be asked.
func (f *rateLimit) prepare(x *exchange.Exchange, s *state) error {
	for _, r := range f.rules {
		if !r.counts(x) {
			continue
		}
		key, complete := r.key.of(x)
		if !complete && r.missing != shared {
			r.meter.Count(observe.Keyless)
			if r.missing == refuse && !r.shadow {
				return errKeyMissing
			}
			continue
		}
		s.asked = append(s.asked, asked{rule: r, key: key, cost: r.cost.of(x)})
	}
	return nil
}

func askLocal(own []asked) {
	for i := range own {
		if a := &own[i]; a.rule.cluster == nil {
			a.Decision = a.rule.local.Take(a.rule.limit, a.key, a.cost, limit.Whole)
		} else {
			a.Decision = unasked
		}
	}
}

// unasked is the decision of a limit that was not asked because another refused.
var unasked = limit.Decision{Allowed: true, Remaining: -1}

// askCluster asks the store about all at once: one round trip a request.
func askCluster(s *state, own []asked) {
	s.asks = s.asks[:0]
	var store limit.Store
	for i := range own {
		if a := &own[i]; a.rule.cluster != nil {
			store = a.rule.cluster
			s.asks = append(s.asks, limit.Ask{Limit: a.rule.limit, Key: a.key, Cost: a.cost})
		}
	}
	if store == nil {
		return
	}
	limit.TakeAll(store, s.asks)
	next := 0
	for i := range own {
		if a := &own[i]; a.rule.cluster != nil {
			a.Decision = s.asks[next].Decision
			next++
		}
	}
}

func count(own []asked) {
	for i := range own {
		switch a := &own[i]; {
		case a.Remaining < 0: // unasked
		case a.Allowed:
			a.rule.meter.Count(observe.Allowed)
		case a.rule.shadow:
			a.rule.meter.Count(observe.Shadowed)
		default:
			a.rule.meter.Count(observe.Refused)
		}
	}
}

// strictestRefusal is the refusal that lasts longest; nil if there is none that counts.
func strictestRefusal(own []asked) (strictest *asked) {
	for i := range own {
		if a := &own[i]; !a.Allowed && !a.rule.shadow && (strictest == nil || a.stricterThan(strictest)) {
			strictest = a
		}
	}
	return strictest
}

// refuse says how long to wait, and about all limits that were asked.
func (s *state) refuse(x *exchange.Exchange, a *asked) error {
	if a.Degraded && a.rule.limit.OnFailure == limit.Closed {
		return errUnavailable
	}
	if a.RetryAfter != limit.Never {
		addNumber(x, &x.FailureHead, "Retry-After", max(seconds(a.RetryAfter), 1))
	}
	s.tell(x, &x.FailureHead, true)
	return errExceeded
}

// giveBack returns what those limits took that would have let the request pass.
func giveBack(own []asked) {
	for i := range own {
		if a := &own[i]; a.Allowed && a.Remaining >= 0 {
			a.charge(-a.cost)
		}
	}
}
