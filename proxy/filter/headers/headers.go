// Package headers changes the header fields of requests and of responses.
package headers

import (
	"fmt"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// The filters' names.
const (
	RequestName  = "requestHeaders"
	ResponseName = "responseHeaders"
)

// Config is what changes: fields are removed, then set, then added.
type Config struct {
	Set    []Field  `json:"set,omitempty"`
	Add    []Field  `json:"add,omitempty"`
	Remove []string `json:"remove,omitempty"`
}

// Field is a header field.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Validate checks names and values.
func (c *Config) Validate() error {
	for i, name := range c.Remove {
		if err := field.Editable(name); err != nil {
			return fmt.Errorf("remove[%d]: %w", i, err)
		}
	}
	seen := map[string]bool{}
	for i, f := range c.Set {
		if err := f.validate(); err != nil {
			return fmt.Errorf("set[%d].%w", i, err)
		}
		lower := strings.ToLower(f.Name)
		if seen[lower] {
			return fmt.Errorf("set[%d].name: %s is set twice", i, f.Name)
		}
		seen[lower] = true
	}
	for i, f := range c.Add {
		if err := f.validate(); err != nil {
			return fmt.Errorf("add[%d].%w", i, err)
		}
	}
	return nil
}

func (f *Field) validate() error {
	if err := field.Editable(f.Name); err != nil {
		return err
	}
	return field.Value(f.Value)
}

// Request is the filter that changes requests before they are forwarded.
var Request = filter.Define(RequestName, func(c Config, _ filter.Env) (filter.Filter, error) { return request{&c}, nil }, nil)

// Response is the filter that changes the answers of backends and of the redirect and directResponse filters. Answers that
// report a failure stay as they are.
var Response = filter.Define(ResponseName, func(c Config, _ filter.Env) (filter.Filter, error) { return response{&c}, nil }, nil)

type (
	request  struct{ *Config }
	response struct{ *Config }
)

var (
	_ filter.Filter = request{}
	_ filter.Filter = response{}
)

// Wrap returns a handler that changes the request's head.
func (r request) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		r.apply(&x.Request.Head)
		return next.Serve(x)
	})
}

// Wrap returns a handler that changes the response's head.
func (r response) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		err := next.Serve(x)
		if err == nil {
			r.apply(&x.Response.Head)
		}
		return err
	})
}

func (c *Config) apply(h *exchange.Head) {
	for _, name := range c.Remove {
		h.Drop(name)
	}
	for i := range c.Set {
		h.Set(c.Set[i].Name, c.Set[i].Value)
	}
	for i := range c.Add {
		h.Add(c.Add[i].Name, c.Add[i].Value)
	}
}
