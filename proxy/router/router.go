// Package router decides which route serves a request. Compile turns a snapshot into a Table; a Router serves from
// one table until it is given the next. A table never changes, and what two tables have in common they share: a small
// change costs little, whatever the number of routes. Nothing allocates while a request is matched.
package router

import (
	"net/http"
	"sync/atomic"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
)

var errNotFound = &exchange.Error{Status: http.StatusNotFound, Code: "route.not_found", Source: exchange.FromClient}

// Router serves each exchange from the table that is current when it begins. It is safe for concurrent use.
type Router struct{ table atomic.Pointer[Table] }

var _ exchange.Handler = (*Router)(nil)

// New returns a router that serves from t.
func New(t *Table) *Router {
	r := new(Router)
	r.Swap(t)
	return r
}

// Swap makes t serve. Exchanges that have begun end on the table they began with.
func (r *Router) Swap(t *Table) { r.table.Store(t) }

// Table returns the table that serves.
func (r *Router) Table() *Table { return r.table.Load() }

// Serve passes x to the route that it matches, or to the base filters around an error.
func (r *Router) Serve(x *exchange.Exchange) error {
	t := r.table.Load()
	if x.Refusal == nil && t.policies.misdirects(x) {
		x.Refusal = errMisdirected
	}
	if x.Refusal == nil {
		if c := t.match(x); c != nil {
			return c.route.serve(x, c.index)
		}
	}
	x.SetFinishers(t.base.Finishers)
	return t.base.Handler.Serve(x)
}

// match returns the match that x belongs to, or nil.
func (t *Table) match(x *exchange.Exchange) *candidate {
	return findPath(t.listeners[x.Listener].find(x.Request.Host), x)
}

// serveUnmatched ends the base chain: it answers what was refused by the engine and what no route matches.
func serveUnmatched(x *exchange.Exchange) error {
	switch {
	case x.Refusal != nil:
		return x.Refusal
	case x.Request.Path == "*":
		x.Reply(http.StatusOK) // OPTIONS * asks for the gateway as such (RFC 9110 §9.3.7)
		return nil
	}
	return errNotFound
}

// baseChain is the chain of the base filters around last, or last alone if one of them can't be built.
func baseChain(o *Options, env filter.Env, last exchange.Handler) (c filter.Chain, err error) {
	err = guard(func() (err error) {
		c, err = o.Filters.Chain(true, nil, env, last)
		return err
	})
	if err != nil {
		return filter.Chain{Handler: last}, err
	}
	return c, nil
}
