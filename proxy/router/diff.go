package router

import (
	"maps"
	"slices"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// edit is one difference between the routes of a table and those of a snapshot.
type edit struct {
	// old is the compiled route that goes, or nil.
	old *route
	// spec is the route that comes, or nil.
	spec *snapshot.Route
	// order is the key of spec.
	order string
}

// part is what all of a snapshot's parts have in common.
type part interface {
	comparable
	Digest() snapshot.Digest
}

// same reports whether two parts, either of which may be nil, have equal content. Parts that were not sealed are never the
// same, unless they are one.
func same[P part](a, b P) bool {
	var none P
	return a == b || a != none && b != none && a.Digest() == b.Digest() && a.Digest() != snapshot.Digest{}
}

// diff returns the edits that lead from the routes of a table to others. A route that is known by its ID changes in one
// edit, though its place may be another.
func diff(t *Table, next *radix.Tree[snapshot.Route]) []edit {
	var edits []edit
	gone := make(map[string]*route)
	for key, c := range t.source.Routes.Diff(next) {
		if same(c.Old, c.New) {
			continue
		}
		if c.Old != nil {
			gone[c.Old.ID] = t.routes.Get(c.Old.ID)
		}
		if c.New != nil {
			edits = append(edits, edit{spec: c.New, order: key})
		}
	}
	for i := range edits {
		e := &edits[i]
		e.old = gone[e.spec.ID]
		delete(gone, e.spec.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(gone)) {
		edits = append(edits, edit{old: gone[id]})
	}
	return edits
}
