package router

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/proxy/yield"
)

// Options are what tables are compiled with. All tables that follow from one another have the same.
type Options struct {
	Filters filter.Registry
	// Cluster returns the handler that sends exchanges to a cluster. It is called once for each new or changed
	// cluster.
	Cluster func(*snapshot.Cluster) exchange.Handler
	Now     func() time.Time
}

// Problem is something that could not be built. It harms nothing but the route.
type Problem struct {
	// RouteID is empty if the problem is not one of a route.
	RouteID string
	Origin  snapshot.Origin
	Err     error
}

// Table is a compiled snapshot. It never changes and is safe for concurrent use.
type Table struct {
	// source is what the table was compiled from.
	source *snapshot.Snapshot
	// generation is greater than that of the table that this one follows.
	generation uint64
	listeners  map[string]*hosts
	base       filter.Chain
	policies   *policies

	routes   *radix.Tree[route]
	clusters *radix.Tree[cluster]
	// uses tells which routes were built from a cluster or secret; see useKey.
	uses *radix.Tree[route]
	// problems has those of all routes, whenever they were built.
	problems *radix.Tree[Problem]
	// hasTwins says that some routes had the ID of another. The next table can't be made from this one by its
	// differences.
	hasTwins bool
}

// cluster is what a cluster of the snapshot became: a handler, or the reason why there is none.
type cluster struct {
	handler exchange.Handler
	err     error
}

// Version is the version of the snapshot that the table was compiled from.
func (t *Table) Version() string { return t.source.Version }

// Compile returns a table that serves s, and all of its problems, ordered by route. Parts that s has in common with
// the snapshot of prev, which may be nil, are taken over from there; prev goes on to serve and is not kept alive.
// Compile works in short turns, so that requests are served between them.
func Compile(prev *Table, s *snapshot.Snapshot, o Options) (*Table, []Problem) {
	if prev == nil {
		prev = &Table{source: new(snapshot.Snapshot)}
	}
	if prev.hasTwins {
		prev = prev.withoutRoutes()
	}
	c := &compiler{options: &o, prev: prev.source, table: prev.successor(s)}
	c.buildBase()
	c.updatePolicies()
	var turns yield.Turns
	for _, e := range c.withAffected(diff(prev, s.Routes)) {
		turns.Next()
		c.apply(e)
	}
	return c.table, c.table.allProblems()
}

// successor returns a table for s that still has the content of t.
func (t *Table) successor(s *snapshot.Snapshot) *Table {
	next := *t
	next.source = s
	next.generation++
	next.listeners = make(map[string]*hosts, len(t.listeners))
	maps.Copy(next.listeners, t.listeners)
	return &next
}

// withoutRoutes returns a table that has nothing but the clusters and TLS policies of t.
func (t *Table) withoutRoutes() *Table {
	return &Table{
		source:     &snapshot.Snapshot{Clusters: t.source.Clusters, TLS: t.source.TLS},
		generation: t.generation, clusters: t.clusters, policies: t.policies,
	}
}

func (t *Table) allProblems() (all []Problem) {
	for p := range t.problems.Values() {
		all = append(all, *p)
	}
	return all
}

// compiler makes one table. Nothing that it builds refers to it, or to the table before.
type compiler struct {
	options *Options
	prev    *snapshot.Snapshot
	table   *Table
}

// buildBase builds the base chain, or does without it if one of the base filters can't be built.
func (c *compiler) buildBase() {
	t := c.table
	if t.base.Handler != nil {
		return
	}
	last := exchange.HandlerFunc(serveRoute)
	err := guard(func() (err error) {
		t.base, err = c.options.Filters.Chain(true, nil, filter.Env{Now: c.options.Now}, last)
		return err
	})
	if err != nil {
		t.base = filter.Chain{Handler: last}
		t.problems = t.problems.Put(t.generation, "", &Problem{Err: fmt.Errorf("base chain: %w", err)})
	}
}

// withAffected takes over changed clusters, and adds to the edits the routes that were built from them or from changed
// secrets.
func (c *compiler) withAffected(edits []edit) []edit {
	keys := slices.Concat(c.updateClusters(), c.changedSecrets())
	if len(keys) == 0 {
		return edits
	}
	seen := make(map[*route]bool, len(edits))
	for _, e := range edits {
		seen[e.old] = true
	}
	for _, key := range keys {
		for _, r := range c.table.uses.Under(key) {
			if !seen[r] {
				seen[r] = true
				edits = append(edits, edit{old: r, spec: r.spec, order: r.order})
			}
		}
	}
	return edits
}

// updateClusters takes over the clusters that changed and returns the beginnings of their use keys.
func (c *compiler) updateClusters() (keys []string) {
	t := c.table
	for name, change := range c.prev.Clusters.Diff(t.source.Clusters) {
		if same(change.Old, change.New) {
			continue
		}
		keys = append(keys, useKey(useCluster, name, ""))
		var next *cluster
		if change.New != nil {
			next = new(cluster)
			next.err = guard(func() error {
				next.handler = c.options.Cluster(change.New)
				return nil
			})
		}
		t.clusters = t.clusters.Put(t.generation, name, next)
	}
	return keys
}

// changedSecrets returns the beginnings of the use keys of the secrets that changed.
func (c *compiler) changedSecrets() (keys []string) {
	for name, change := range c.prev.Secrets.Diff(c.table.source.Secrets) {
		if !same(change.Old, change.New) {
			keys = append(keys, useKey(useSecret, name, ""))
		}
	}
	return keys
}

// apply makes one edit of the table.
func (c *compiler) apply(e edit) {
	t := c.table
	if e.spec == nil {
		c.remove(e.old)
		t.routes = t.routes.Put(t.generation, e.old.ID, nil)
		t.problems = t.problems.Put(t.generation, e.old.ID, nil)
		return
	}
	id := e.spec.ID
	if twin := t.routes.Get(id); twin != nil && twin != e.old {
		t.hasTwins = true
		t.problems = t.problems.Put(t.generation, id+"\x00", &Problem{id, e.spec.Origin, errTwin})
		return
	}
	b := builder{Options: c.options, cluster: t.clusters.Get, secret: t.source.Secrets.Get}
	r, err := b.build(e.spec, e.order)
	c.place(r, (*leaf).with, 1)
	if e.old != nil { // after the new one, so that most of the tree keeps its form
		c.remove(e.old)
	}
	t.routes = t.routes.Put(t.generation, id, r)
	for _, key := range r.uses {
		t.uses = t.uses.Put(t.generation, key, r)
	}
	if err != nil {
		t.problems = t.problems.Put(t.generation, id, &Problem{id, e.spec.Origin, err})
	} else {
		t.problems = t.problems.Put(t.generation, id, nil)
	}
}

var errTwin = errors.New("another route has this ID")

// remove takes the candidates and uses of a route out of the table.
func (c *compiler) remove(r *route) {
	c.place(r, (*leaf).without, -1)
	for _, key := range r.uses {
		c.table.uses = c.table.uses.Put(c.table.generation, key, nil)
	}
}

// place changes the leaf of each candidate of r, below all of its listeners and hosts. Each has by then so many more.
func (c *compiler) place(r *route, change func(*leaf, uint64, *candidate) *leaf, more int) {
	generation, deep := c.table.generation, 0
	if !r.spec.OneLabel {
		deep = more * len(r.candidates)
	}
	inPaths := func(p *paths) *paths {
		for i := range r.candidates {
			candidate := &r.candidates[i]
			p = p.Edit(generation, candidate.key, func(l *leaf) *leaf { return change(l, generation, candidate) })
		}
		return p
	}
	names := r.spec.Hosts
	if len(names) == 0 {
		names = anyHost
	}
	for _, listener := range r.spec.Listeners {
		for _, name := range names {
			c.table.listeners[listener] = c.table.listeners[listener].edit(generation, hostKey(name), deep, inPaths)
		}
	}
}

var anyHost = []string{"*"}

// What a route can be built from, as it stands in the keys of Table.uses.
const (
	useCluster = "cluster"
	useSecret  = "secret"
)

// useKey is the key of one use. With an empty id it is what the keys of all uses of a thing start with.
func useKey(what, name, id string) string { return what + "\x00" + name + "\x00" + id }
