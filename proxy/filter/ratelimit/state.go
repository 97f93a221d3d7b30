package ratelimit

import (
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/limit"
)

// state is what limits remember of an exchange: what they were asked, in order. It is shared by the filters of an exchange.
type state struct {
	asked []asked
	// asks are those of one filter to the store of the cluster, in the same order as theirs in asked.
	asks []limit.Ask
	// told says that the answer tells of the limits, done that what ends with the exchange has ended.
	told, done bool
}

// asked is one decision.
type asked struct {
	rule *rule
	key  limit.Key
	cost int64
	limit.Decision
}

// charge takes more than was asked for, or gives some of it back. What was taken while the store failed stays taken: the store, which
// may be back, has not given it.
func (a *asked) charge(cost int64) {
	if cost > 0 || !a.Degraded {
		a.rule.charge(a.key, cost)
	}
}

// Reset forgets all.
func (s *state) Reset() {
	clear(s.asked) // rules of a table that is gone
	clear(s.asks)
	s.asked, s.asks, s.told, s.done = s.asked[:0], s.asks[:0], false, false
}

func stateOf(x *exchange.Exchange) *state {
	if s, ok := x.Limits.(*state); ok {
		return s
	}
	s := &state{}
	x.Limits = s
	return s
}

// finish gives back what was in flight and charges what is known only now.
func (s *state) finish(x *exchange.Exchange) {
	if s.done {
		return
	}
	s.done = true
	for i := range s.asked {
		a := &s.asked[i]
		switch {
		case !a.Allowed:
		case a.rule.limit.Algorithm == limit.Concurrency:
			a.charge(-a.cost)
		case a.rule.cost.source == responseCost:
			if n, ok := a.rule.cost.told(&x.Response.Head); ok && n != a.cost {
				a.charge(n - a.cost)
			}
		}
	}
}
