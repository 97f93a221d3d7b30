package ratelimit

import (
	"strconv"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/predicate"
)

// rule is one limit, ready to be asked.
type rule struct {
	limit      *limit.Limit
	key        keyer
	predicates []predicate.Predicate
	missing    missingKey
	cost       cost
	report     report
	legacy     bool
	shadow     bool
	// cluster decides for all replicas; nil: local does.
	cluster limit.Store
	local   *limit.Local
	meter   *observe.LimitMeter
	// item names the limit in RateLimit fields, policy is its item of RateLimit-Policy.
	item, policy string
}

func newRule(p *Policy, c *Limit, d Deps) (*rule, error) {
	cluster, _ := scopes.parse(c.Scope)
	key, err := newKeyer(p.Name, c.Name, c.Key, cluster)
	if err != nil {
		return nil, err
	}
	r := &rule{key: key, legacy: p.LegacyHeaders, local: d.Local, meter: d.Meters.Meter(p.Name, c.Name)}
	// What these report, Validate has reported.
	algorithm, _ := algorithms.parse(c.Algorithm)
	failure, _ := failureModes.parse(c.FailureMode)
	r.report, _ = reports.parse(p.Report)
	r.missing, _ = missingKeys.parse(c.OnMissingKey)
	r.shadow, _ = modes.parse(c.Mode)
	if cluster {
		r.cluster = d.Cluster
	}
	r.limit = &limit.Limit{
		Policy: p.Name, Name: c.Name, Algorithm: algorithm, Requests: c.Requests, Period: time.Duration(c.Period),
		Burst: c.Burst, OnFailure: failure,
	}
	if r.limit.Burst == 0 {
		r.limit.Burst = c.Requests
	}
	r.cost = newCost(c.Cost)
	r.item, r.policy = r.items()
	if c.Match == nil {
		return r, nil
	}
	r.predicates, err = predicate.CompileAll(c.Match)
	return r, err
}

func (r *rule) counts(x *exchange.Exchange) bool {
	for _, p := range r.predicates {
		if !p.Holds(x) {
			return false
		}
	}
	return true
}

func (r *rule) charge(k limit.Key, cost int64) {
	if r.cluster != nil {
		r.cluster.Charge(r.limit, k, cost)
		return
	}
	r.local.Charge(r.limit, k, cost, limit.Whole)
}

// cost says what a request takes.
type cost struct {
	source costSource
	value  int64
	name   string
}

func newCost(c *Cost) cost {
	if c == nil {
		return cost{value: 1}
	}
	source, _ := costs.parse(c.Type) // which Validate has checked
	return cost{source: source, value: max(c.Value, 1), name: c.Name}
}

// of is what a request takes before it is served. What the client says is believed only as far as it is a number, and no client can
// say that it takes nothing.
func (c *cost) of(x *exchange.Exchange) int64 {
	if c.source == requestCost {
		if n, ok := c.told(&x.Request.Head); ok {
			return max(n, 1)
		}
	}
	return c.value
}

// told is what a header field says: a whole number, up to most.
func (c *cost) told(h *exchange.Head) (int64, bool) {
	text, found := h.Lookup(c.name)
	if !found || text == "" || text[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false
	}
	return int64(min(n, most)), true
}
