// Package apikey lets requests pass that carry a known API key.
package apikey

import (
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/observe"
)

// Name is the filter's name.
const Name = "apiKey"

// challenge names no registered scheme: there is none for API keys.
const challenge = "ApiKey"

// Definition is the filter. It counts into decisions.
func Definition(decisions *observe.Decisions) filter.Definition {
	build := func(c Config, env filter.Env) (filter.Filter, error) { return newFilter(&c, env, decisions) }
	d := filter.Define(Name, build, refs)
	d.Lingers = true
	return filter.Inspecting(d, func(c Config, values filter.Values) error {
		if c.Disabled {
			return nil
		}
		_, err := readKeys(values, c.ref())
		return err
	})
}

type apiKey struct {
	credential.Check
	keys *keys
	// header tells the backend the name of the client; empty: nothing does.
	header string
}

var _ filter.Filter = (*apiKey)(nil)

func newFilter(c *Config, env filter.Env, decisions *observe.Decisions) (filter.Filter, error) {
	f := &apiKey{header: c.ClientHeader}
	if c.ClientHeader != "" {
		f.Headers = []string{c.ClientHeader}
	}
	if c.Disabled {
		return f, nil
	}
	f.Check = credential.Check{
		Finder: credential.NewFinder(c.from()), Optional: c.Optional, Forward: c.Forward, Headers: f.Headers,
		Identify: f.identify, Challenge: func(x *exchange.Exchange, _ error) { credential.Challenge(x, challenge) },
		Outcomes: credential.Count(decisions, Name),
	}
	var err error
	f.keys, err = readKeys(env.Secret, c.ref())
	return f, err
}

func (f *apiKey) identify(x *exchange.Exchange, key string) error {
	name := f.keys.find(x, key)
	if name == "" {
		return credential.ErrInvalid
	}
	x.Subject.Kind, x.Subject.ID, x.Subject.Issuer, x.Subject.Client = exchange.ByAPIKey, name, "", name
	if f.header != "" {
		x.Request.Head.Add(f.header, name)
	}
	return nil
}
