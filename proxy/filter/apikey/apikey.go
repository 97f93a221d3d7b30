// Package apikey lets requests pass that carry a known API key.
package apikey

import (
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// Name is the filter's name.
const Name = "apiKey"

// challenge names no registered scheme: there is none for API keys.
const challenge = "ApiKey"

// Definition is the filter.
var Definition = define()

func define() filter.Definition {
	d := filter.Define(Name, build, refs)
	d.Lingers = true
	return filter.Inspecting(d, func(c Config, values filter.Values) error {
		_, err := readKeys(values, c.ref())
		return err
	})
}

type apiKey struct {
	*Config
	keys   *keys
	finder *credential.Finder
	// headers are those that only the filter sets.
	headers []string
}

var _ filter.Filter = (*apiKey)(nil)

func build(c Config, env filter.Env) (filter.Filter, error) {
	f := &apiKey{Config: &c}
	if c.ClientHeader != "" {
		f.headers = []string{c.ClientHeader}
	}
	if c.Disabled {
		return f, nil
	}
	if len(c.From) == 0 {
		c.From = defaultFrom
	}
	f.finder = credential.NewFinder(c.From)
	var err error
	f.keys, err = readKeys(env.Secret, c.ref())
	return f, err
}

// Wrap returns a handler that says who the client is, or refuses the request.
func (f *apiKey) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		field.DropAlike(&x.Request.Head, f.headers)
		if !f.Disabled {
			if err := f.identify(x); err != nil {
				credential.Challenge(x, challenge)
				return err
			}
		}
		return next.Serve(x)
	})
}

func (f *apiKey) identify(x *exchange.Exchange) error {
	key, found, err := f.finder.Find(x)
	switch {
	case err != nil:
		return err
	case !found && f.Optional:
		return nil
	case !found:
		return credential.ErrRequired
	}
	name := f.keys.find(key)
	if name == "" {
		return credential.ErrInvalid
	}
	x.Subject.Kind, x.Subject.ID, x.Subject.Issuer, x.Subject.Client = exchange.ByAPIKey, name, "", name
	if !f.Forward {
		f.finder.Strip(x)
	}
	if f.ClientHeader != "" {
		x.Request.Head.Add(f.ClientHeader, name)
	}
	return nil
}
