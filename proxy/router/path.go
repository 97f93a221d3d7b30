package router

import (
	"cmp"
	"slices"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/predicate"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// paths is the tree of one host over the bytes of normalised paths: an Exact path and a PathPrefix stand at their
// value, a RegularExpression at the literal that each of its matches starts with.
type paths = radix.Tree[leaf]

// kind is how a candidate compares the path.
type kind uint8

const (
	exact kind = iota
	regex
	prefix
	kinds
)

// leaf holds the candidates that stand at one place of a tree, by kind, each list in order of precedence.
type leaf struct {
	lists      [kinds][]*candidate
	generation uint64
}

// candidate is one compiled match of a route. It never changes.
type candidate struct {
	route *route
	// index is the place of the match in the route.
	index int
	spec  *snapshot.Match
	kind  kind
	// oneLabel says that the candidate is not for hosts in which a wildcard stands for several labels.
	oneLabel bool
	// key is where the candidate stands in the tree of paths.
	key        string
	predicates []predicate.Predicate
}

// compare orders candidates by precedence: that of their matches, then the age of their routes, then their place in
// the route.
func (c *candidate) compare(o *candidate) int {
	return cmp.Or(
		c.spec.Compare(o.spec),
		cmp.Compare(c.route.order, o.route.order),
		cmp.Compare(c.index, o.index),
	)
}

// holds reports whether everything but the place in the tree fits. Deep is as hosts.find has it.
func (c *candidate) holds(x *exchange.Exchange, deep bool) bool {
	if deep && c.oneLabel {
		return false
	}
	for _, p := range c.predicates {
		if !p.Holds(x) {
			return false
		}
	}
	return true
}

// with returns l, which may be nil, with c in its place.
func (l *leaf) with(generation uint64, c *candidate) *leaf {
	l = l.own(generation)
	list := &l.lists[c.kind]
	i, _ := slices.BinarySearchFunc(*list, c, (*candidate).compare)
	*list = slices.Insert(*list, i, c)
	return l
}

// without returns l without c, or nil if nothing is left.
func (l *leaf) without(generation uint64, c *candidate) *leaf {
	l = l.own(generation)
	list := &l.lists[c.kind]
	if i := slices.Index(*list, c); i >= 0 {
		*list = slices.Delete(*list, i, i+1)
	}
	for _, list := range l.lists {
		if len(list) > 0 {
			return l
		}
	}
	return nil
}

// own returns l if it is of this generation, else a copy that is.
func (l *leaf) own(generation uint64) *leaf {
	if l == nil {
		return &leaf{generation: generation}
	}
	if l.generation == generation {
		return l
	}
	c := &leaf{generation: generation}
	for k, list := range l.lists {
		c.lists[k] = slices.Clone(list)
	}
	return c
}

// step is a leaf on the way to a path, and the length of what was matched there.
type step struct {
	at   int
	leaf *leaf
}

// findPath returns the first candidate, in order of precedence, that holds, or nil.
func findPath(p *paths, deep bool, x *exchange.Exchange) *candidate {
	path := x.Request.Path
	if path == "" || path[0] != '/' {
		return nil // "*", the target of some OPTIONS requests
	}
	var buf [16]step // more are rare and cost one allocation
	steps := buf[:0]
	for at, l := range p.Along(path) {
		steps = append(steps, step{at, l})
	}
	if len(steps) == 0 {
		return nil
	}
	if last := steps[len(steps)-1]; last.at == len(path) {
		if c := firstToHold(last.leaf.lists[exact], x, deep); c != nil {
			return c
		}
	}
	if c := findRegex(steps, x, deep); c != nil {
		return c
	}
	for _, s := range slices.Backward(steps) {
		if endsElement(path, s.at) {
			if c := firstToHold(s.leaf.lists[prefix], x, deep); c != nil {
				return c
			}
		}
	}
	return nil
}

// findRegex returns the best of the regular expressions on the way. Each list is in order, so that a list is left at
// the first candidate that holds or that is behind the best of the lists before.
func findRegex(steps []step, x *exchange.Exchange, deep bool) (best *candidate) {
	for _, s := range steps {
		for _, c := range s.leaf.lists[regex] {
			if best != nil && best.compare(c) < 0 {
				break
			}
			if c.holds(x, deep) {
				best = c
				break
			}
		}
	}
	return best
}

func firstToHold(list []*candidate, x *exchange.Exchange, deep bool) *candidate {
	for _, c := range list {
		if c.holds(x, deep) {
			return c
		}
	}
	return nil
}

// endsElement reports whether path[:at] consists of whole elements: "/a" of "/a/b", not of "/ab". The path starts
// with "/".
func endsElement(path string, at int) bool {
	return at == len(path) || path[at] == '/' || path[at-1] == '/'
}
