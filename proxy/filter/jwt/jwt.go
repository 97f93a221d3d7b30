// Package jwt lets requests pass that carry a JSON Web Token of a known issuer (RFC 7519, RFC 6750).
package jwt

import (
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// Name is the filter's name.
const Name = "jwt"

// Definition is the filter, with what it knows in a store, which may be nil where none is built.
func Definition(store *Store) filter.Definition {
	build := func(c Config, env filter.Env) (filter.Filter, error) { return newFilter(c, env, store) }
	d := filter.Define(Name, build, refs)
	d.Lingers = true
	return filter.Inspecting(d, inspect)
}

func inspect(c Config, values filter.Values) error {
	if c.Disabled {
		return nil
	}
	for i := range c.Providers {
		if _, _, err := c.Providers[i].read(values); err != nil {
			return err
		}
	}
	return nil
}

type jwt struct {
	*Config
	verifier *verifier
	finder   *credential.Finder
	// headers are those that only the filter sets.
	headers []string
}

var _ filter.Filter = (*jwt)(nil)

func newFilter(c Config, env filter.Env, store *Store) (filter.Filter, error) {
	f := &jwt{Config: &c, headers: c.headers()}
	if c.Disabled {
		return f, nil
	}
	if len(c.From) == 0 {
		c.From = defaultFrom
	}
	f.finder = credential.NewFinder(c.From)
	var err error
	f.verifier, err = store.verifier(&c, env.Secret)
	return f, err
}

// Wrap returns a handler that says who the user is, or refuses the request.
func (f *jwt) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		field.DropAlike(&x.Request.Head, f.headers)
		if !f.Disabled {
			if err := f.identify(x); err != nil {
				challenge(x, err)
				return err
			}
		}
		return next.Serve(x)
	})
}

func (f *jwt) identify(x *exchange.Exchange) error {
	token, found, err := f.finder.Find(x)
	switch {
	case err != nil:
		return err
	case !found && f.Optional:
		return nil
	case !found:
		return credential.ErrRequired
	}
	v, err := f.verifier.verify(x, token)
	if err != nil {
		return err
	}
	client := x.Subject.Client
	x.Subject = v.subject
	x.Subject.Client = client
	if !f.Forward {
		f.finder.Strip(x)
	}
	for i, value := range v.headers {
		if value != nil {
			x.Request.Head.Add(f.headers[i], *value)
		}
	}
	return nil
}
