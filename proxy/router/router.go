// Package router decides which route serves a request. Compile turns a snapshot into a Table; a Router serves from
// one table until it is given the next. A table never changes, and what two tables have in common they share: a small
// change costs little, whatever the number of routes. Nothing allocates while a request is matched.
package router

import (
	"net/http"
	"sync/atomic"

	"github.com/penstock/penstock/proxy/exchange"
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

// Serve passes x through the base filters to the route that it matches, or to an error.
func (r *Router) Serve(x *exchange.Exchange) error {
	t := r.table.Load()
	t.begin(x)
	return t.base.Handler.Serve(x)
}

// begin finds the route that x matches, and makes x an exchange of it. What that takes of the stack is given back before the request is
// served, as it would not be if it were inlined: what serves a request does with 4 KiB, which its connection holds.
//
//go:noinline
func (t *Table) begin(x *exchange.Exchange) {
	if x.Refusal == nil && t.policies.misdirects(x) {
		x.Refusal = errMisdirected
	}
	x.SetFinishers(t.base.Finishers)
	if x.Refusal == nil {
		if c := t.match(x); c != nil {
			c.route.begin(x, c.index)
		}
	}
}

// match returns the match that x belongs to, or nil.
func (t *Table) match(x *exchange.Exchange) *candidate {
	found, deep := t.listeners[x.Listener].find(x.Request.Host)
	return findPath(found, deep, x)
}

// serveRoute ends the base chain: the matched route serves, or what the engine refused and what no route matches is answered.
func serveRoute(x *exchange.Exchange) error {
	switch {
	case x.Route != nil:
		return x.Route.Handler.Serve(x)
	case x.Refusal != nil:
		return x.Refusal
	case x.Request.Path == "*":
		x.Reply(http.StatusOK) // OPTIONS * asks for the gateway as such (RFC 9110 §9.3.7)
		return nil
	}
	return errNotFound
}
