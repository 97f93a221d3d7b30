// Package extauth asks a service about each request: whether it may pass, and who it is from.
package extauth

import (
	"errors"
	"net/http"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/observe"
)

// Name is the filter's name.
const Name = "extAuth"

// Definition is the filter. It counts into decisions, and shares the clients of services that speak gRPC.
func Definition(decisions *observe.Decisions, clients *Clients) filter.Definition {
	d := filter.Define(Name, func(c Config, env filter.Env) (filter.Filter, error) { return build(&c, env, decisions, clients) }, refs)
	d.Lingers = true // no client may set what only the service says, on a rule that does not ask it either
	d = filter.Inspecting(d, inspect)
	return filter.Reaching(d, func(c Config) []filter.Target {
		if c.Disabled {
			return nil
		}
		return []filter.Target{*c.Backend}
	})
}

// How a request can be refused here.
var (
	// errUnauthenticated and errDenied stand for refusals of the service that say no more than their status.
	errUnauthenticated = &exchange.Error{Status: http.StatusUnauthorized, Code: "extauth.unauthenticated", Source: exchange.FromClient}
	errDenied          = &exchange.Error{Status: http.StatusForbidden, Code: "extauth.denied", Source: exchange.FromClient}
	// errUnavailable: the service did not say whether the request may pass.
	errUnavailable = &exchange.Error{Status: http.StatusServiceUnavailable, Code: "extauth.unavailable", Source: exchange.FromUpstream}
	// errBodyTooLarge: the body is larger than what is sent to the service.
	errBodyTooLarge = &exchange.Error{Status: http.StatusRequestEntityTooLarge, Code: "extauth.body_too_large", Source: exchange.FromClient, Close: true}
)

// verdict is what the service said. Its strings live as long as the exchange.
type verdict struct {
	// denied says that the answer is in x.Response, or the error to answer with.
	denied bool
	err    error
	// toClient has alternating names and values.
	toClient []string
}

// checker asks the service about x, whose body, if that is sent along, is content. An error means that it said nothing.
type checker interface {
	check(x *exchange.Exchange, content []byte, until time.Time) (verdict, error)
}

type extAuth struct {
	*Config
	checker checker // nil if disabled
	timeout time.Duration
	now     func() time.Time
	// stripped are fields of requests that only the service may set.
	stripped []string

	allowed, denied, failed *observe.Decision
}

var _ filter.Filter = (*extAuth)(nil)

func build(c *Config, env filter.Env, decisions *observe.Decisions, clients *Clients) (filter.Filter, error) {
	if c.Headers == nil {
		c.Headers = new(Headers)
	}
	f := &extAuth{
		Config: c, timeout: defaultTimeout, now: env.Now, stripped: c.Headers.ToBackend,
		allowed: decisions.Decision(Name, "allowed"), denied: decisions.Decision(Name, "denied"), failed: decisions.Decision(Name, "error"),
	}
	if c.Timeout != nil {
		f.timeout = time.Duration(*c.Timeout)
	}
	if c.Disabled {
		return f, nil
	}
	if len(env.Clusters) != 1 {
		return nil, errors.New("backend: it has not been resolved")
	}
	var err error
	f.checker, err = clients.checker(c, env)
	return f, err
}

// Wrap returns a handler that lets pass what the service allows.
func (f *extAuth) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		if len(f.stripped) > 0 {
			field.DropAlike(&x.Request.Head, f.stripped)
		}
		if f.checker == nil {
			return next.Serve(x)
		}
		v, err := f.ask(x)
		if err != nil || v.denied {
			return err
		}
		err = next.Serve(x)
		h := &x.Response.Head
		if err != nil {
			h = &x.FailureHead
		}
		for i := 0; i < len(v.toClient); i += 2 {
			h.Add(v.toClient[i], v.toClient[i+1])
		}
		return err
	})
}

// ask returns what the service said, and counts it. The error is what to answer with.
func (f *extAuth) ask(x *exchange.Exchange) (verdict, error) {
	content, err := f.content(x)
	if err != nil {
		return verdict{}, err
	}
	until := f.now().Add(f.timeout)
	if d := x.Deadline(); !d.IsZero() && d.Before(until) {
		until = d
	}
	v, err := f.checker.check(x, content, until)
	switch cancelled := x.Cancelled(); {
	case cancelled != nil:
		return verdict{}, cancelled
	case err != nil:
		f.failed.Inc()
		if f.FailureMode == Open {
			return verdict{}, nil
		}
		return verdict{}, errUnavailable.With(err)
	case v.denied:
		f.denied.Inc()
		return v, v.err
	}
	f.allowed.Inc()
	return v, nil
}

// identify notes who the service says that the request is from.
func identify(x *exchange.Exchange, id string) {
	s := &x.Subject
	s.Kind, s.ID, s.Issuer = exchange.ByService, id, ""
}

// refuse makes the answer of a refusal. Without a body, one with a status that only says so gets ours.
func refuse(x *exchange.Exchange, status int, head func(yield func(name, value string) bool), body []byte) verdict {
	err := ownRefusal(status, len(body))
	h := &x.FailureHead
	if err == nil {
		x.Reply(status)
		h = &x.Response.Head
	}
	for name, value := range head {
		if field.Editable(name) == nil && (err == nil || exchange.IDOf(name) != exchange.ContentType) {
			h.Add(name, value)
		}
	}
	if len(body) > 0 {
		x.SetBody(body)
	}
	if err == nil {
		return verdict{denied: true}
	}
	return verdict{denied: true, err: err}
}

func ownRefusal(status, size int) *exchange.Error {
	switch {
	case size > 0:
		return nil
	case status == http.StatusUnauthorized:
		return errUnauthenticated
	case status == http.StatusForbidden:
		return errDenied
	}
	return nil
}
