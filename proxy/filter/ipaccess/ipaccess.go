// Package ipaccess serves clients of some networks and refuses those of others.
package ipaccess

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/cidr"
	"github.com/penstock/penstock/proxy/observe"
)

// Name is the filter's name.
const Name = "ipAccess"

// Config lists networks, as CIDRs or single addresses. At least one of the lists has an element.
type Config struct {
	// Allow has the networks that are served; empty: all.
	Allow []string `json:"allow,omitempty"`
	// Deny has those that are refused, whatever Allow says.
	Deny []string `json:"deny,omitempty"`
}

// Validate checks the networks.
func (c *Config) Validate() error {
	_, err := c.compile()
	return err
}

func (c *Config) compile() (*ipAccess, error) {
	if len(c.Allow)+len(c.Deny) == 0 {
		return nil, errors.New("at least one of allow and deny must be set")
	}
	allow, err := cidr.Parse(c.Allow)
	if err != nil {
		return nil, fmt.Errorf("allow%w", err)
	}
	deny, err := cidr.Parse(c.Deny)
	if err != nil {
		return nil, fmt.Errorf("deny%w", err)
	}
	return &ipAccess{allow: allow, deny: deny, allowsAll: len(c.Allow) == 0}, nil
}

// Definition is the filter. It counts into decisions.
func Definition(decisions *observe.Decisions) filter.Definition {
	return filter.Define(Name, func(c Config, _ filter.Env) (filter.Filter, error) {
		f, err := c.compile()
		if err != nil {
			return nil, err
		}
		f.allowed, f.denied = decisions.Decision(Name, "allowed"), decisions.Decision(Name, "denied")
		return f, nil
	}, nil)
}

// errDenied refuses a client by its address.
var errDenied = &exchange.Error{Status: http.StatusForbidden, Code: "ipaccess.denied", Source: exchange.FromClient}

type ipAccess struct {
	allow, deny     *cidr.Set
	allowsAll       bool
	allowed, denied *observe.Decision
}

var _ filter.Filter = (*ipAccess)(nil)

// Wrap returns a handler that refuses clients by x.Client. One whose address is not known is refused.
func (f *ipAccess) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		if c := x.Client; !c.IsValid() || f.deny.Contains(c) || !f.allowsAll && !f.allow.Contains(c) {
			f.denied.Inc()
			return errDenied
		}
		f.allowed.Inc()
		return next.Serve(x)
	})
}
