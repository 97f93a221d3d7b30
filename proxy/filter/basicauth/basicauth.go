// Package basicauth lets requests pass that carry the name and password of a user (RFC 7617).
package basicauth

import (
	"bytes"
	"encoding/base64"
	"errors"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// Name is the filter's name.
const Name = "basicAuth"

// Definition is the filter, with its users in a store, which may be nil where none is built.
func Definition(store *Store) filter.Definition {
	build := func(c Config, env filter.Env) (filter.Filter, error) { return newFilter(c, env, store) }
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
	*Config
	store     *Store
	users     *users
	challenge string
	// headers are those that only the filter sets.
	headers []string
}

var _ filter.Filter = (*basicAuth)(nil)

// encoding takes no other text for the same bytes.
var encoding = base64.StdEncoding.Strict()

// finder finds what stands behind the scheme Basic.
var finder = credential.NewFinder([]credential.Source{{Header: "Authorization", Scheme: "Basic"}})

func newFilter(c Config, env filter.Env, store *Store) (filter.Filter, error) {
	f := &basicAuth{Config: &c, store: store, challenge: c.challenge()}
	if c.UserHeader != "" {
		f.headers = []string{c.UserHeader}
	}
	if c.Disabled {
		return f, nil
	}
	var err error
	f.users, err = c.file(env.Secret, store.usersOf)
	return f, err
}

// Wrap returns a handler that says who the user is, or refuses the request.
func (f *basicAuth) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		field.DropAlike(&x.Request.Head, f.headers)
		if !f.Disabled {
			if err := f.identify(x); err != nil {
				if !errors.Is(err, errBusy) {
					credential.Challenge(x, f.challenge)
				}
				return err
			}
		}
		return next.Serve(x)
	})
}

func (f *basicAuth) identify(x *exchange.Exchange) error {
	text, found, err := finder.Find(x)
	switch {
	case err != nil:
		return err
	case !found && f.Optional:
		return nil
	case !found:
		return credential.ErrRequired
	}
	known, err := f.look(x, text)
	if err != nil {
		return err
	}
	x.Subject.Kind, x.Subject.ID, x.Subject.Issuer = exchange.ByPassword, known.name, ""
	if !f.Forward {
		finder.Strip(x)
	}
	if f.UserHeader != "" {
		x.Request.Head.Add(f.UserHeader, known.name)
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
	return f.store.check(f.users, name, plain[:n], password)
}
