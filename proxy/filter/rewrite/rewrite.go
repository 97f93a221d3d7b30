// Package rewrite changes the path and the host of a request before it is forwarded.
package rewrite

import (
	"errors"
	"fmt"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/filter/internal/pathmod"
)

// Name is the filter's name.
const Name = "rewrite"

// Config is what the backend sees in place of what the client sent.
type Config struct {
	// Path changes the path; the query stays.
	Path *pathmod.Modifier `json:"path,omitempty"`
	// Hostname replaces the authority.
	Hostname string `json:"hostname,omitempty"`
}

// Validate checks that something changes, and into what.
func (c *Config) Validate() error {
	if c.Path == nil && c.Hostname == "" {
		return errors.New("at least one of path and hostname must be set")
	}
	if c.Hostname != "" {
		if err := field.Hostname(c.Hostname); err != nil {
			return fmt.Errorf("hostname: %w", err)
		}
	}
	if c.Path != nil {
		return c.Path.Validate()
	}
	return nil
}

// Definition is the filter.
var Definition = filter.Define(Name, func(c Config, _ filter.Env) (filter.Filter, error) { return &rewrite{c}, nil }, nil)

type rewrite struct{ Config }

var _ filter.Filter = (*rewrite)(nil)

// Wrap returns a handler that shows next the changed request. The client's is restored afterwards: that is what the access
// log tells.
func (r *rewrite) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		q := &x.Request
		path, authority, host := q.Path, q.Authority, q.Host
		if r.Path != nil {
			q.Path = r.Path.Path(x)
		}
		if r.Hostname != "" {
			q.Authority, q.Host = r.Hostname, r.Hostname
		}
		err := next.Serve(x)
		q.Path, q.Authority, q.Host = path, authority, host
		return err
	})
}
