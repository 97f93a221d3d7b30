// Package authorization decides by rules who may do what: over the client's address, the method, who the request is from, and what
// its token says.
package authorization

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/observe"
)

// Name is the filter's name.
const Name = "authorization"

// Definition is the filter. It counts into decisions.
func Definition(decisions *observe.Decisions) filter.Definition {
	return filter.Define(Name, func(c Config, _ filter.Env) (filter.Filter, error) {
		allow, deny, err := c.compile()
		if err != nil {
			return nil, err
		}
		return &authorization{
			allow: allow, deny: refusals(deny),
			allowed: decisions.Decision(Name, "allowed"), denied: decisions.Decision(Name, "denied"), failed: decisions.Decision(Name, "error"),
		}, nil
	}, nil)
}

// errDenied refuses a request that is not permitted. The client does not learn by which rule.
var errDenied = &exchange.Error{Status: http.StatusForbidden, Code: "authorization.denied", Source: exchange.FromClient}

var (
	errNotAllowed = errDenied.With(errors.New("no rule allows it"))
	errNoAddress  = errors.New("the client's address is not known")
)

type authorization struct {
	allow                   []rule
	deny                    []refusal
	allowed, denied, failed *observe.Decision
}

// refusal is a rule that denies, and what it denies with.
type refusal struct {
	rule
	err *exchange.Error
}

var _ filter.Filter = (*authorization)(nil)

func refusals(rules []rule) []refusal {
	var out []refusal
	for _, r := range rules {
		out = append(out, refusal{r, errDenied.With(fmt.Errorf("rule %s denies it", r.name))})
	}
	return out
}

// Wrap returns a handler that refuses what is not permitted.
func (a *authorization) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		if err := a.decide(x); err != nil {
			return err
		}
		a.allowed.Inc()
		return next.Serve(x)
	})
}

// decide returns why a request is refused. A rule that can't be evaluated denies if it is one that denies, and else allows nothing.
func (a *authorization) decide(x *exchange.Exchange) error {
	for i := range a.deny {
		holds, err := a.deny[i].holds(x)
		if err != nil {
			a.failed.Inc()
			return errDenied.With(fmt.Errorf("rule %s can't be evaluated: %w", a.deny[i].name, err))
		}
		if holds {
			a.denied.Inc()
			return a.deny[i].err
		}
	}
	return a.permit(x)
}

// permit returns nil if a rule allows the request, or none has to.
func (a *authorization) permit(x *exchange.Exchange) error {
	if len(a.allow) == 0 {
		return nil
	}
	var failure error
	for i := range a.allow {
		holds, err := a.allow[i].holds(x)
		if err != nil && failure == nil {
			failure = fmt.Errorf("no rule allows it, and rule %s can't be evaluated: %w", a.allow[i].name, err)
		}
		if holds {
			return nil
		}
	}
	if failure != nil {
		a.failed.Inc()
		return errDenied.With(failure)
	}
	a.denied.Inc()
	return errNotAllowed
}
