// Package basicauth lets requests pass that carry the name and password of a user (RFC 7617).
package basicauth

import (
	"bytes"
	"encoding/base64"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/observe"
)

// Name is the filter's name.
const Name = "basicAuth"

// Definition is the filter, with its users in a store, which may be nil where none is built. It counts into decisions.
func Definition(store *Store, decisions *observe.Decisions) filter.Definition {
	build := func(c Config, env filter.Env) (filter.Filter, error) { return newFilter(&c, env, store, decisions) }
	d := filter.Define(Name, build, refs)
	d.Lingers = true
	return filter.Inspecting(d, func(c Config, values filter.Values) error {
		if c.Disabled {
			return nil
		}
		_, err := c.file(values, parseUsers)
		return err
	})
}

// file reads the password file.
func (c *Config) file(values filter.Values, parse func([]byte) (*users, error)) (*users, error) {
	value, err := values(c.ref())
	if err != nil {
		return nil, err
	}
	u, err := parse(value)
	if err != nil {
		return nil, &filter.Unusable{Ref: c.ref(), Err: err}
	}
	return u, nil
}

type basicAuth struct {
	credential.Check
	store *Store
	users *users
	// header tells the backend the name of the user; empty: nothing does.
	header string
}

// encoding takes no other text for the same bytes.
var encoding = base64.StdEncoding.Strict()

// from is behind the scheme Basic.
var from = []credential.Source{{Header: "Authorization", Scheme: "Basic"}}

var finder = credential.NewFinder(from)

var _ filter.Filter = (*basicAuth)(nil)

func newFilter(c *Config, env filter.Env, store *Store, decisions *observe.Decisions) (filter.Filter, error) {
	f := &basicAuth{store: store, header: c.UserHeader}
	if c.UserHeader != "" {
		f.Headers = []string{c.UserHeader}
	}
	if c.Disabled {
		return f, nil
	}
	challenge := c.challenge()
	f.Check = credential.Check{
		Finder: finder, Optional: c.Optional, Forward: c.Forward, Headers: f.Headers,
		Identify: f.identify, Challenge: func(x *exchange.Exchange, _ error) { credential.Challenge(x, challenge) },
		Outcomes: credential.Count(decisions, Name),
	}
	var err error
	f.users, err = c.file(env.Secret, store.usersOf)
	return f, err
}

func (f *basicAuth) identify(x *exchange.Exchange, text string) error {
	known, err := f.look(x, text)
	if err != nil {
		return err
	}
	x.Subject.Kind, x.Subject.ID, x.Subject.Issuer = exchange.ByPassword, known.name, ""
	if f.header != "" {
		x.Request.Head.Add(f.header, known.name)
	}
	return nil
}

func (f *basicAuth) look(x *exchange.Exchange, text string) (*user, error) {
	if base64.StdEncoding.DecodedLen(len(text)) > maxPassword {
		return nil, errCredential
	}
	plain := x.Alloc(len(text)) // decoding goes faster than it is written over
	copy(plain, text)
	n, err := encoding.Decode(plain, plain)
	if err != nil {
		return nil, errCredential
	}
	name, password, ok := bytes.Cut(plain[:n], []byte(":"))
	if !ok {
		return nil, errCredential
	}
	return f.store.check(x, f.users, name, plain[:n], password)
}
