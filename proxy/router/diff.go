package router

import (
	"errors"

	"github.com/penstock/penstock/proxy/snapshot"
)

// edit is one difference between two lists of routes.
type edit struct {
	// old is the compiled route that goes, or nil.
	old *route
	// spec is the route that comes, or nil.
	spec *snapshot.Route
	// order is the place of spec.
	order uint64
}

// A route keeps the order that it was first compiled with, so that a route that comes or goes moves no other. New
// ones take numbers between those of their neighbours, with space for later ones: spacing apart at the end of the
// list, where nearly all come, since it is sorted by age.
const (
	spacing  = 1 << 32
	maxOrder = 1 << 63
)

// errNoOrder reports that there are more routes to place between two others than numbers.
var errNoOrder = errors.New("no order left")

// part is what all of a snapshot's parts have in common.
type part interface {
	comparable
	Digest() snapshot.Digest
}

// same reports whether two parts have equal content. Parts that were not sealed are never the same, unless they are
// one.
func same[P part](a, b P) bool {
	return a == b || a.Digest() == b.Digest() && a.Digest() != snapshot.Digest{}
}

// trim returns what is left of two lists without their common beginning and end, and the length of the beginning. It
// is all that grows with the length of the lists when little has changed, so it looks at content only where pointers
// differ.
func trim[P part](a, b []P) (restA, restB []P, start int) {
	end := min(len(a), len(b))
	for start < end && (a[start] == b[start] || same(a[start], b[start])) {
		start++
	}
	a, b, end = a[start:], b[start:], end-start
	tail := 0
	for tail < end && (a[len(a)-1-tail] == b[len(b)-1-tail] || same(a[len(a)-1-tail], b[len(b)-1-tail])) {
		tail++
	}
	return a[:len(a)-tail], b[:len(b)-tail], start
}

// changed returns the parts that came or changed, by name, and nil for those that went.
func changed[T any, P interface {
	*T
	part
}](old, next []P, name func(P) string) map[string]P {
	old, next, _ = trim(old, next)
	if len(old)+len(next) == 0 {
		return nil
	}
	before := make(map[string]P, len(old))
	result := make(map[string]P, len(next))
	for _, p := range old {
		before[name(p)] = p
		result[name(p)] = nil
	}
	for _, p := range next {
		if o := before[name(p)]; o != nil && same(o, p) {
			delete(result, name(p))
		} else {
			result[name(p)] = p
		}
	}
	return result
}

// diff returns the edits that lead from the routes of a table to another list.
func diff(t *Table, next []*snapshot.Route) ([]edit, error) {
	old, rest, start := trim(t.source.Routes, next)
	place := make(map[string]int, len(old))
	for i, r := range old {
		place[r.ID] = i
	}
	edits := make([]edit, 0, len(rest))
	last := -1 // the place of the last old route that stayed where it was, among the others
	pending := 0
	floor := t.orderAt(next, start-1, 0)
	for _, spec := range rest {
		i, known := place[spec.ID]
		e := edit{spec: spec}
		if known {
			delete(place, spec.ID)
			e.old = t.routes.get(spec.ID)
		}
		if !known || i < last {
			edits = append(edits, e)
			pending++
			continue
		}
		e.order, last = e.old.order, i
		if err := spread(edits[len(edits)-pending:], floor, e.order); err != nil {
			return nil, err
		}
		floor, pending = e.order, 0
		if !same(old[i], spec) {
			edits = append(edits, e)
		}
	}
	ceiling := t.orderAt(next, start+len(rest), maxOrder)
	if err := spread(edits[len(edits)-pending:], floor, ceiling); err != nil {
		return nil, err
	}
	for id := range place {
		edits = append(edits, edit{old: t.routes.get(id)})
	}
	return edits, nil
}

// orderAt returns the order of a route that the table has, or outside where the list doesn't reach.
func (t *Table) orderAt(list []*snapshot.Route, i int, outside uint64) uint64 {
	if i < 0 || i >= len(list) {
		return outside
	}
	return t.routes.get(list[i].ID).order
}

// spread gives the edits orders between floor and ceiling, exclusively.
func spread(edits []edit, floor, ceiling uint64) error {
	step := min(spacing, (ceiling-floor)/uint64(len(edits)+1))
	if step == 0 && len(edits) > 0 {
		return errNoOrder
	}
	for i := range edits {
		edits[i].order = floor + uint64(i+1)*step
	}
	return nil
}
