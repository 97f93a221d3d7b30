package filter

import (
	"fmt"
	"slices"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Chain is a handler with all filters around it, and the filters that want to learn how exchanges end.
type Chain struct {
	Handler   exchange.Handler
	Finishers []exchange.Finisher
}

// Chain builds the filters around last: the base filters if base is set, and the configured ones, in the registry's order. Of several
// of one name the first is outermost.
func (r Registry) Chain(base bool, configured []snapshot.Filter, env Env, last exchange.Handler) (Chain, error) {
	for _, f := range configured {
		if d, ok := r.Lookup(f.Name); !ok || d.Base {
			return Chain{}, fmt.Errorf("filter %s: no such filter", f.Name)
		}
	}
	c := Chain{Handler: last}
	for _, d := range slices.Backward(r) {
		var err error
		switch own := named(configured, d.Name); {
		case len(own) > 0:
			for _, f := range slices.Backward(own) {
				if err = c.add(d, f, env); err != nil {
					break
				}
			}
		case base && d.Base:
			err = c.add(d, snapshot.Filter{}, env)
		}
		if err != nil {
			return Chain{}, fmt.Errorf("filter %s: %w", d.Name, err)
		}
	}
	slices.Reverse(c.Finishers)
	return c, nil
}

func named(filters []snapshot.Filter, name string) (out []snapshot.Filter) {
	for _, f := range filters {
		if f.Name == name {
			out = append(out, f)
		}
	}
	return out
}

// add puts a filter around the chain.
func (c *Chain) add(d Definition, configured snapshot.Filter, env Env) error {
	env.Clusters = configured.Clusters
	f, err := d.Build(configured.Config, env)
	if err != nil {
		return err
	}
	c.Handler = f.Wrap(c.Handler)
	if fin, ok := f.(exchange.Finisher); ok {
		c.Finishers = append(c.Finishers, fin)
	}
	return nil
}

// BaseFinishers builds those of the base filters that want to learn how the exchanges of one route end.
func (r Registry) BaseFinishers(env Env) (finishers []exchange.Finisher, err error) {
	for _, d := range r {
		if !d.Base {
			continue
		}
		f, err := d.Build(nil, env)
		if err != nil {
			return nil, fmt.Errorf("filter %s: %w", d.Name, err)
		}
		if fin, ok := f.(exchange.Finisher); ok {
			finishers = append(finishers, fin)
		}
	}
	return finishers, nil
}
