package credential

import (
	"errors"
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/observe"
)

// Check is the filter.Filter of those that ask for a credential, whatever its kind. It is safe for concurrent use once Identify and Challenge are.
type Check struct {
	// Finder finds the credential; nil: the filter is switched off, and does no more than to keep its Headers.
	Finder *Finder
	// Optional lets requests without a credential pass.
	Optional bool
	// Forward leaves the credential in the request.
	Forward bool
	// Headers are those that only the filter sets: what clients send in them, or in what backends may take for them, is removed.
	Headers []string
	// Identify notes who a credential is of, in x.Subject and in Headers, or says why it is not accepted.
	Identify func(x *exchange.Exchange, credential string) error
	// Challenge adds to a refusal what would be accepted. It is not called if the gateway is to blame.
	Challenge func(x *exchange.Exchange, err error)

	Outcomes
}

// Outcomes count what a Check decides. Without Count they count nothing.
type Outcomes struct{ allowed, anonymous, denied, failed *observe.Decision }

// Count returns the outcomes of a filter.
func Count(decisions *observe.Decisions, filter string) Outcomes {
	return Outcomes{
		allowed: decisions.Decision(filter, "allowed"), anonymous: decisions.Decision(filter, "anonymous"),
		denied: decisions.Decision(filter, "denied"), failed: decisions.Decision(filter, "error"),
	}
}

// Wrap returns a handler that says who a request is from, or refuses it.
func (c *Check) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		field.DropAlike(&x.Request.Head, c.Headers)
		if c.Finder != nil {
			if err := c.identify(x); err != nil {
				return c.refuse(x, err)
			}
		}
		return next.Serve(x)
	})
}

func (c *Check) identify(x *exchange.Exchange) error {
	value, found, err := c.Finder.Find(x)
	switch {
	case err != nil:
		return err
	case !found && c.Optional:
		c.anonymous.Inc()
		return nil
	case !found:
		return ErrRequired
	}
	if !c.Forward {
		c.Finder.Strip(x) // what is refused goes nowhere
	}
	if err := c.Identify(x, value); err != nil {
		return err
	}
	c.allowed.Inc()
	return nil
}

func (c *Check) refuse(x *exchange.Exchange, err error) error {
	if e, ok := errors.AsType[*exchange.Error](err); ok && e.Status >= http.StatusInternalServerError {
		c.failed.Inc()
		return err
	}
	c.denied.Inc()
	c.Challenge(x, err)
	return err
}
