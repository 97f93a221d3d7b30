// Package jwt lets requests pass that carry a JSON Web Token of a known issuer (RFC 7519, RFC 6750).
package jwt

import (
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/observe"
)

// Name is the filter's name.
const Name = "jwt"

// Definition is the filter, with what it knows in a store, which may be nil where none is built. It counts into decisions.
func Definition(store *Store, decisions *observe.Decisions) filter.Definition {
	build := func(c Config, env filter.Env) (filter.Filter, error) { return newFilter(&c, env, store, decisions) }
	d := filter.Define(Name, build, refs)
	d.Lingers = true
	d = filter.Inspecting(d, inspect)
	return filter.Fetching(d, fetches)
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

// fetches are the keys that providers publish.
func fetches(c Config, values filter.Values) (out []filter.Fetch) {
	if c.Disabled {
		return nil
	}
	for i := range c.Providers {
		p := &c.Providers[i]
		if p.RemoteJWKS == nil {
			continue
		}
		// What can't be read is what Inspect is for.
		if _, ca, err := p.read(values); err == nil {
			out = append(out, filter.Fetch{ID: p.options(ca).ID(), What: "the keys of provider " + p.Name, From: p.RemoteJWKS.URL})
		}
	}
	return out
}

type jwt struct {
	credential.Check
	verifier *verifier
}

var _ filter.Filter = (*jwt)(nil)

func newFilter(c *Config, env filter.Env, store *Store, decisions *observe.Decisions) (filter.Filter, error) {
	f := &jwt{}
	if f.Headers = c.headers(); c.Disabled {
		return f, nil
	}
	f.Check = credential.Check{
		Finder: credential.NewFinder(c.from()), Optional: c.Optional, Forward: c.Forward, Headers: f.Headers,
		Identify: f.identify, Challenge: challenge, Outcomes: credential.Count(decisions, Name),
	}
	var err error
	f.verifier, err = store.verifier(c, env.Secret)
	return f, err
}

func (f *jwt) identify(x *exchange.Exchange, token string) error {
	v, err := f.verifier.verify(x, token)
	if err != nil {
		return err
	}
	client := x.Subject.Client
	x.Subject = v.subject
	x.Subject.Client = client
	for i, value := range v.headers {
		if value != nil {
			x.Request.Head.Add(f.Headers[i], *value)
		}
	}
	return nil
}
