// Package filter is the contract between the gateway and its filters. A filter is a folder under proxy/filter with a
// README, one line in builtin, and one field of the API whose JSON name is the filter's name.
package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Filter takes part in every exchange of one route. If it is also an exchange.Finisher it learns how they end.
type Filter interface {
	// Wrap returns a handler that does the filter's work around next. It is called once, when the route is compiled;
	// what an exchange needs between the two halves is a local variable of the handler.
	Wrap(next exchange.Handler) exchange.Handler
}

// Env is how a filter reaches the world.
type Env struct {
	// Route is the route that is being compiled; nil in the base chain, which also serves what no route matches.
	Route *exchange.Route
	// Secret returns the value that a Ref names. Only Refs that the definition reported can be had.
	Secret Values
	Now    func() time.Time
	// Cluster returns the handler that sends exchanges to a cluster: one of Clusters.
	Cluster func(name string) (exchange.Handler, error)
	// Clusters are what the filter's Targets stand for, in their order. Chain sets them.
	Clusters []string
}

// Values returns the value that a Ref names. It must not be written.
type Values func(snapshot.Ref) ([]byte, error)

// Definition describes a filter: its name and how to check and build one.
type Definition struct {
	Name string
	// Base filters are part of every chain, configured or not. They are wrapped around all routes once, so nothing that Wrap
	// returns may depend on Env.Route; a Finisher is built for each route, and may.
	Base bool
	// Check decodes a configuration strictly and validates it; it returns the Secrets that it needs.
	Check func(config json.RawMessage) ([]snapshot.Ref, error)
	// Targets are where the filter of a configuration that Check accepts sends requests; nil where it sends none.
	Targets func(config json.RawMessage) []Target
	// Inspect looks at the values that Check asked for, and says what keeps them from being used; nil where any value will do.
	// The configuration is one that Check accepts. An Unusable error names the value.
	Inspect func(config json.RawMessage, values Values) error
	// Fetches are what the filter of a configuration, one that Check accepts, gets by itself; nil where it gets nothing. Values are
	// those that Check asked for.
	Fetches func(config json.RawMessage, values Values) []Fetch
	// Lingers says that the filter has something to do even on a rule that switches off the one of its route, or has another in its
	// place. It is built there with the route's configuration and "disabled": true, and names no Secrets then.
	Lingers bool
	// Build makes the filter. For what Check accepts it fails only if a Secret can't be had.
	Build func(config json.RawMessage, env Env) (Filter, error)
}

// Validator is implemented by configurations with rules that their types can't express.
type Validator interface {
	Validate() error
}

// Define makes a definition of a filter that is configured by a C, decoded from the API field's JSON. C may be a Validator.
// refs lists the Secrets that a configuration names; nil where it can't name any.
func Define[C any](name string, build func(C, Env) (Filter, error), refs func(C) []snapshot.Ref) Definition {
	return Definition{
		Name: name,
		Check: func(raw json.RawMessage) ([]snapshot.Ref, error) {
			c, err := decode[C](raw)
			if err != nil || refs == nil {
				return nil, err
			}
			return refs(c), nil
		},
		Build: func(raw json.RawMessage, env Env) (Filter, error) {
			c, err := decode[C](raw)
			if err != nil {
				return nil, err
			}
			return build(c, env)
		},
	}
}

// Inspecting returns d with an Inspect for configurations of type C, the one that d was defined with.
func Inspecting[C any](d Definition, inspect func(C, Values) error) Definition {
	d.Inspect = func(raw json.RawMessage, values Values) error {
		c, err := decode[C](raw)
		if err != nil {
			return err
		}
		return inspect(c, values)
	}
	return d
}

// Fetch is something that a filter gets by itself, in the background, over and over again.
type Fetch struct {
	// ID tells it from all that is got from elsewhere, or in another way.
	ID string
	// What it is, in words: "the keys of provider login".
	What string
	// From is the URL.
	From string
}

// Fetching returns d with the Fetches of configurations of type C, the one that d was defined with.
func Fetching[C any](d Definition, fetches func(C, Values) []Fetch) Definition {
	d.Fetches = func(raw json.RawMessage, values Values) []Fetch {
		c, err := decode[C](raw)
		if err != nil {
			return nil // Check says why
		}
		return fetches(c, values)
	}
	return d
}

// Unusable says that the value of a Ref is not what the filter needs.
type Unusable struct {
	Ref snapshot.Ref
	Err error
}

// Error never has the value.
func (u *Unusable) Error() string { return u.Ref.Source() + ": " + u.Err.Error() }

// Unwrap returns what is wrong with the value.
func (u *Unusable) Unwrap() error { return u.Err }

// DefineBase makes a definition of a filter that is part of every chain and takes no configuration.
func DefineBase(name string, build func(Env) Filter) Definition {
	d := Define(name, func(_ struct{}, env Env) (Filter, error) { return build(env), nil }, nil)
	d.Base = true
	return d
}

func decode[C any](raw json.RawMessage) (c C, err error) {
	if len(raw) > 0 {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return c, err
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return c, errors.New("more than one JSON value")
		}
	}
	if v, ok := any(&c).(Validator); ok {
		err = v.Validate()
	}
	return c, err
}

// Registry is the ordered list of filters: what stands first runs outermost. The base filters come first.
type Registry []Definition

// Lookup returns the definition of that name.
func (r Registry) Lookup(name string) (Definition, bool) {
	i := slices.IndexFunc(r, func(d Definition) bool { return d.Name == name })
	if i < 0 {
		return Definition{}, false
	}
	return r[i], true
}

// Check validates one filter's configuration and returns the Secrets that it needs.
func (r Registry) Check(f snapshot.Filter) ([]snapshot.Ref, error) {
	d, ok := r.Lookup(f.Name)
	if !ok || d.Base {
		return nil, fmt.Errorf("filter %s: no such filter", f.Name)
	}
	refs, err := d.Check(f.Config)
	if err != nil {
		return nil, fmt.Errorf("filter %s: %w", f.Name, err)
	}
	return refs, nil
}
