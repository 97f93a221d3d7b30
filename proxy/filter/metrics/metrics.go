// Package metrics counts requests and measures how long they took.
package metrics

import (
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/observe"
)

// Definition is the filter. It counts into requests.
func Definition(requests *observe.Requests) filter.Definition {
	return filter.DefineBase("metrics", func(env filter.Env) filter.Filter {
		if env.Route == nil {
			return &metrics{requests.Meter("", nil)}
		}
		return &metrics{requests.Meter(env.Route.ID, env.Route.Patterns)}
	})
}

type metrics struct {
	meter observe.Meter
}

var (
	_ filter.Filter     = (*metrics)(nil)
	_ exchange.Finisher = (*metrics)(nil)
)

// Wrap returns next: all is known when the exchange has ended.
func (m *metrics) Wrap(next exchange.Handler) exchange.Handler { return next }

// Done counts the exchange.
func (m *metrics) Done(x *exchange.Exchange) {
	m.meter.Count(x.Match, observe.MethodOf(x.Request.Method), x.Response.Status, x.Outcome.Duration)
}
