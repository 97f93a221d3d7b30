package router

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/predicate"
	"github.com/penstock/penstock/proxy/snapshot"
)

// errRejected answers every request of a route that is invalid or can't be built.
var errRejected = &exchange.Error{Status: http.StatusInternalServerError, Code: "route.rejected", Source: exchange.FromGateway}

// route is a compiled route. It never changes. What every exchange needs stands first: among thousands of routes, each line of
// memory that is touched has to be fetched.
type route struct {
	exchange.Route
	finishers []exchange.Finisher
	timeouts  exchange.Timeouts
	// whole bounds the whole exchange; 0 means no limit.
	whole time.Duration

	spec *snapshot.Route
	// order is the route's key among those of the snapshot.
	order      string
	candidates []candidate
	// uses are the keys, in the table's uses, of the clusters and secrets that the route was built from.
	uses []string
}

// begin makes x an exchange of the route, by match number index.
func (r *route) begin(x *exchange.Exchange, index int) {
	x.Route, x.Match, x.Timeouts = &r.Route, index, r.timeouts
	if r.whole > 0 {
		x.SetDeadline(x.Start.Add(r.whole))
	}
	x.SetFinishers(r.finishers)
}

// builder builds one route. Filters may keep the functions that they get from it, so it refers to no table.
type builder struct {
	*Options
	route   *route
	cluster func(name string) *cluster
	secret  func(name string) *snapshot.Secret
	// late are the backends that have finishers of their own, which come behind those of the rule.
	late []*finishing
}

// build returns the compiled route, which serves in any case; an error says what could not be built.
func (b *builder) build(spec *snapshot.Route, order string) (*route, error) {
	b.route = &route{
		spec: spec, order: order,
		whole: time.Duration(spec.Timeouts.Request),
		timeouts: exchange.Timeouts{
			Backend: time.Duration(spec.Timeouts.Backend),
			Idle:    time.Duration(spec.Timeouts.Idle),
		},
	}
	b.route.ID = spec.ID
	err := errors.Join(guard(b.buildMatches), guard(b.buildChain))
	if b.route.Handler == nil || b.isPartial() {
		err = errors.Join(err, b.buildReject(http.StatusInternalServerError))
	}
	b.cluster, b.secret = nil, nil
	return b.route, err
}

// isPartial reports whether a match could not be built. The requests of the other ones are answered with an error:
// the rule is not what its author wished.
func (b *builder) isPartial() bool { return len(b.route.candidates) < len(b.route.spec.Matches) }

// buildMatches compiles the matches. One that can't be compiled matches nothing, since nobody knows what it would
// match.
func (b *builder) buildMatches() error {
	r := b.route
	n := len(r.spec.Matches)
	r.Patterns, r.Prefixes = make([]string, n), make([]string, n)
	r.candidates = make([]candidate, 0, n)
	var errs []error
	for i := range r.spec.Matches {
		c, err := compileMatch(&r.spec.Matches[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("match %d: %w", i, err))
			continue
		}
		c.route, c.index, c.oneLabel = r, i, r.spec.OneLabel
		r.candidates = append(r.candidates, c)
		r.Patterns[i] = pattern(c.spec.Path)
		if c.kind == prefix {
			r.Prefixes[i] = c.key
		}
	}
	return errors.Join(errs...)
}

func compileMatch(spec *snapshot.Match) (c candidate, err error) {
	c = candidate{spec: spec, key: spec.Path.Value}
	c.predicates, err = predicate.Compile(spec)
	if err != nil {
		return c, err
	}
	switch spec.Path.Type {
	case snapshot.Exact:
		c.kind = exact
	case snapshot.Prefix:
		c.kind = prefix
	case snapshot.Regex:
		c.kind = regex
		re, literal, err := predicate.Regexp(spec.Path.Value)
		if err != nil {
			return c, fmt.Errorf("path: %w", err)
		}
		c.key, c.predicates = literal, append(c.predicates, predicate.Path{Regexp: re})
	default:
		return c, fmt.Errorf("path: unknown type %q", spec.Path.Type)
	}
	return c, nil
}

// pattern is a path as exchange.Route documents it.
func pattern(p snapshot.Path) string {
	switch p.Type {
	case snapshot.Exact:
		return "= " + p.Value
	case snapshot.Regex:
		return "~ " + p.Value
	}
	return p.Value
}

// buildChain puts the filters of the rule around the choice of a backend.
func (b *builder) buildChain() error {
	spec := b.route.spec
	if spec.Reject != 0 {
		return b.buildReject(spec.Reject)
	}
	last, missing := b.split()
	if spec.MaxRequestBody > 0 {
		last = &limited{last, spec.MaxRequestBody}
	}
	base, err := b.Filters.BaseFinishers(b.env(nil))
	if err != nil {
		return errors.Join(missing, err)
	}
	c, err := b.Filters.Chain(false, spec.Filters, b.env(spec.Filters), last)
	if err != nil {
		return errors.Join(missing, err)
	}
	b.route.Handler, b.route.finishers = c.Handler, slices.Concat(base, c.Finishers)
	for _, f := range b.late {
		f.finishers = slices.Concat(b.route.finishers, f.finishers)
	}
	return missing
}

// buildReject makes the route answer everything with status. The filters of the rule don't take part: the rule is
// invalid.
func (b *builder) buildReject(status int) error {
	b.route.Handler = refuse(errRejected, status)
	return guard(func() (err error) {
		b.route.finishers, err = b.Filters.BaseFinishers(b.env(nil))
		return err
	})
}

// env is what a filter of the route is built with.
func (b *builder) env(filters []snapshot.Filter) filter.Env {
	cluster := func(name string) (exchange.Handler, error) { return b.clusterOf(filters, name) }
	return filter.Env{Route: &b.route.Route, Now: b.Now, Cluster: cluster, Secret: func(ref snapshot.Ref) ([]byte, error) {
		if b.secret == nil || !b.mayRead(filters, ref) {
			return nil, fmt.Errorf("secret %s: not named by the filter, or read too late", ref)
		}
		// Without a namespace it is the route's own.
		ref.Namespace = cmp.Or(ref.Namespace, b.route.spec.Origin.Namespace)
		b.route.uses = append(b.route.uses, useKey(useSecret, ref.String(), b.route.ID))
		s := b.secret(ref.String())
		if s == nil {
			return nil, fmt.Errorf("secret %s: not found", ref)
		}
		return s.Value, nil
	}}
}

// clusterOf returns the handler that sends exchanges to a cluster that one of the filters names.
func (b *builder) clusterOf(filters []snapshot.Filter, name string) (exchange.Handler, error) {
	named := func(f snapshot.Filter) bool { return slices.Contains(f.Clusters, name) }
	if b.cluster == nil || !slices.ContainsFunc(filters, named) {
		return nil, fmt.Errorf("cluster %s: not named by the filter, or asked for too late", name)
	}
	return b.target(name)
}

// target returns the handler of a cluster, and notes that the route was built from it.
func (b *builder) target(name string) (exchange.Handler, error) {
	b.route.uses = append(b.route.uses, useKey(useCluster, name, b.route.ID))
	c := b.cluster(name)
	switch {
	case c == nil:
		return nil, fmt.Errorf("cluster %s: not found", name)
	case c.err != nil:
		return nil, fmt.Errorf("cluster %s: %w", name, c.err)
	}
	return c.handler, nil
}

// mayRead reports whether one of the filters names the secret in its configuration.
func (b *builder) mayRead(filters []snapshot.Filter, ref snapshot.Ref) bool {
	return slices.ContainsFunc(filters, func(f snapshot.Filter) bool {
		refs, err := b.Filters.Check(f)
		return err == nil && slices.Contains(refs, ref)
	})
}

// guard turns a panic of f into an error, so that what one route brings along can't harm another.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}
