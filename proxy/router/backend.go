package router

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/snapshot"
)

// errBackendRejected answers the share of a backend that is invalid.
var errBackendRejected = &exchange.Error{Status: http.StatusInternalServerError, Code: "backend.rejected", Source: exchange.FromGateway}

// refusal answers every exchange with one error.
type refusal struct{ err *exchange.Error }

func (r refusal) Serve(*exchange.Exchange) error { return r.err }

// refuse returns a handler that answers with a copy of e that has that status.
func refuse(e *exchange.Error, status int) exchange.Handler {
	c := *e
	c.Status = status
	return refusal{&c}
}

// finishing names the finishers of a rule and one of its backends, once the backend is chosen.
type finishing struct {
	exchange.Handler
	finishers []exchange.Finisher
}

func (f *finishing) Serve(x *exchange.Exchange) error {
	x.SetFinishers(f.finishers)
	return f.Handler.Serve(x)
}

// share is a handler and where its part of all weights ends.
type share struct {
	end     uint64
	handler exchange.Handler
}

// split passes each exchange to one of its shares, at random in proportion to the weights. A choice by turns would be
// smoother, but would follow any rhythm in the requests.
type split []share

func (s split) Serve(x *exchange.Exchange) error {
	at := rand.Uint64N(s[len(s)-1].end)
	i := 0
	for at >= s[i].end {
		i++
	}
	return s[i].handler.Serve(x)
}

// split returns the handler that chooses among the backends of the route, which serves in any case: a backend that
// can't be built is rejected.
func (b *builder) split() (exchange.Handler, error) {
	var shares split
	var errs []error
	end := uint64(0)
	for i := range b.route.spec.Backends {
		backend := &b.route.spec.Backends[i]
		if backend.Weight == 0 {
			continue
		}
		h, err := b.backend(backend)
		if err != nil {
			errs = append(errs, fmt.Errorf("backend %d: %w", i, err))
			h = refusal{errBackendRejected}
		}
		end += uint64(backend.Weight)
		shares = append(shares, share{end, h})
	}
	err := errors.Join(errs...)
	switch len(shares) {
	case 0:
		return refusal{errRejected}, err
	case 1:
		return shares[0].handler, err
	}
	return shares, err
}

// backend returns the handler of one backend.
func (b *builder) backend(spec *snapshot.Backend) (h exchange.Handler, err error) {
	if spec.Reject != 0 {
		return refuse(errBackendRejected, spec.Reject), nil
	}
	target, err := b.target(spec.Cluster)
	if err != nil {
		return nil, err
	}
	err = guard(func() error {
		c, err := b.Filters.Chain(false, spec.Filters, b.env(spec.Filters), target)
		if err != nil {
			return err
		}
		h = c.Handler
		if len(c.Finishers) > 0 {
			f := &finishing{c.Handler, c.Finishers}
			b.late = append(b.late, f)
			h = f
		}
		return nil
	})
	return h, err
}
