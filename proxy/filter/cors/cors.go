// Package cors tells browsers which other origins may read answers (Cross-Origin Resource Sharing, Fetch standard §3.2).
package cors

import (
	"net/http"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/filter/internal/origin"
	"github.com/penstock/penstock/proxy/observe"
)

// Name is the filter's name.
const Name = "cors"

// Definition is the filter. It counts into decisions.
func Definition(decisions *observe.Decisions) filter.Definition {
	return filter.Define(Name, func(c Config, _ filter.Env) (filter.Filter, error) {
		f, err := c.compile()
		if err != nil {
			return nil, err
		}
		f.preflights = decisions.Decision(Name, "preflight")
		f.allowed, f.foreign = decisions.Decision(Name, "allowed"), decisions.Decision(Name, "foreign")
		return f, nil
	}, nil)
}

// The fields of the protocol.
const (
	fieldOrigin         = "Origin"
	fieldVary           = "Vary"
	requestMethod       = "Access-Control-Request-Method"
	requestHeaders      = "Access-Control-Request-Headers"
	requestPrivate      = "Access-Control-Request-Private-Network"
	responsePrefix      = "Access-Control-"
	allowOrigin         = responsePrefix + "Allow-Origin"
	allowCredentials    = responsePrefix + "Allow-Credentials"
	allowMethods        = responsePrefix + "Allow-Methods"
	allowHeaders        = responsePrefix + "Allow-Headers"
	allowPrivateNetwork = responsePrefix + "Allow-Private-Network"
	exposeHeaders       = responsePrefix + "Expose-Headers"
	maxAge              = responsePrefix + "Max-Age"
)

type cors struct {
	anyOrigin            bool
	origins              *origin.Set // nil with anyOrigin
	credentials, private bool
	methods, headers     offer
	exposed, maxAge      string

	preflights, allowed, foreign *observe.Decision
}

var _ filter.Filter = (*cors)(nil)

// Wrap returns a handler that answers preflights and puts its own fields in place of the backend's on all other answers.
func (c *cors) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		from, isCross := x.Request.Head.Lookup(fieldOrigin)
		permitted := isCross && c.permits(from)
		if isCross && isPreflight(&x.Request) {
			c.preflights.Inc()
			c.preflight(x, from, permitted)
			return nil
		}
		c.count(isCross, permitted)
		err := next.Serve(x)
		h := &x.Response.Head
		if err != nil {
			h = &x.FailureHead
		}
		dropOwn(h)
		h.Add(fieldVary, fieldOrigin)
		if permitted {
			c.share(h, from)
			if c.exposed != "" {
				h.Add(exposeHeaders, c.exposed)
			}
		}
		return err
	})
}

func (c *cors) permits(from string) bool { return c.anyOrigin || c.origins.Contains(from) }

func (c *cors) count(isCross, permitted bool) {
	switch {
	case permitted:
		c.allowed.Inc()
	case isCross:
		c.foreign.Inc()
	}
}

// isPreflight tells a browser's question from other uses of OPTIONS.
func isPreflight(q *exchange.Request) bool {
	if q.Method != http.MethodOptions {
		return false
	}
	_, ok := q.Head.Lookup(requestMethod)
	return ok
}

// dropOwn removes what a backend says of other origins: two voices would be none, or more than was meant.
func dropOwn(h *exchange.Head) {
	for name := range h.All() {
		if len(name) > len(responsePrefix) && strings.EqualFold(name[:len(responsePrefix)], responsePrefix) {
			h.Drop(name)
		}
	}
}

// share lets an origin read the answer.
func (c *cors) share(h *exchange.Head, from string) {
	if c.anyOrigin {
		from = anything
	}
	h.Add(allowOrigin, from)
	if c.credentials {
		h.Add(allowCredentials, "true")
	}
}

// preflight answers for the backend. An origin that is not permitted learns so from the missing fields.
func (c *cors) preflight(x *exchange.Exchange, from string, permitted bool) {
	x.Reply(http.StatusNoContent)
	h := &x.Response.Head
	h.Add(fieldVary, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	if !permitted {
		return
	}
	c.share(h, from)
	c.methods.grant(h, allowMethods, &x.Request.Head, requestMethod)
	c.headers.grant(h, allowHeaders, &x.Request.Head, requestHeaders)
	if c.maxAge != "" {
		h.Add(maxAge, c.maxAge)
	}
	if _, asked := x.Request.Head.Lookup(requestPrivate); asked && c.private {
		h.Add(allowPrivateNetwork, "true")
	}
}

// grant adds the field that says what is permitted.
func (o *offer) grant(h *exchange.Head, name string, request *exchange.Head, asked string) {
	granted := o.list
	if o.echo {
		// Browsers take "*" for a name where credentials are sent, and it never covers Authorization.
		granted, _ = request.Lookup(asked)
		if !isList(granted) {
			return
		}
	}
	if granted != "" {
		h.Add(name, granted)
	}
}

// isList reports whether s consists of tokens, commas and spaces.
func isList(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != ',' && c != ' ' && !field.IsToken(c) {
			return false
		}
	}
	return true
}
