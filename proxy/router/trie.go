package router

import (
	"iter"
	"slices"
	"strings"
)

// node is the root of a persistent radix tree from strings to *T, and every node below it. A nil node is the empty
// tree.
//
// A tree is changed by copying the nodes between its root and the change; all others are shared by the old and the
// new tree. Its form depends on what it holds, not on how it came to be. A node bears the generation of the table
// that it was made for: while that table is being built its nodes are changed in place, so that building from scratch
// copies nothing. No node of an older generation is ever written.
type node[T any] struct {
	// prefix is what a key has between the byte that led here and the next node. It is a part of some key that passed
	// here, which it keeps alive.
	prefix     string
	edges      []edge[T] // ascending by first
	value      *T
	generation uint64
}

// edge leads to a child. With its first byte here, most children are passed without a look at any byte elsewhere.
type edge[T any] struct {
	first byte
	child *node[T]
}

// find returns the place of the edge of that byte, and whether it is there.
func (n *node[T]) find(first byte) (int, bool) {
	low, high := 0, len(n.edges)
	for low < high {
		if middle := (low + high) / 2; n.edges[middle].first < first {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(n.edges) && n.edges[low].first == first
}

// child returns the child that a byte leads to, or nil.
func (n *node[T]) child(first byte) *node[T] {
	if i, ok := n.find(first); ok {
		return n.edges[i].child
	}
	return nil
}

// along yields the values of all keys that key starts with, shortest first, and the length of each.
func (n *node[T]) along(key string) iter.Seq2[int, *T] {
	return func(yield func(int, *T) bool) {
		at := 0
		for n := n; n != nil && strings.HasPrefix(key[at:], n.prefix); at++ {
			at += len(n.prefix)
			if n.value != nil && !yield(at, n.value) || at == len(key) {
				return
			}
			n = n.child(key[at])
		}
	}
}

// get returns the value of key, or nil.
func (n *node[T]) get(key string) *T {
	for at, value := range n.along(key) {
		if at == len(key) {
			return value
		}
	}
	return nil
}

// under yields the keys that start with prefix, in ascending order, and their values.
func (n *node[T]) under(prefix string) iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		at := 0
		for n := n; n != nil; at++ {
			if rest := prefix[at:]; strings.HasPrefix(n.prefix, rest) {
				n.walk([]byte(prefix[:at]), yield)
				return
			} else if !strings.HasPrefix(rest, n.prefix) {
				return
			}
			at += len(n.prefix)
			n = n.child(prefix[at])
		}
	}
}

// walk yields n and what is below it, until yield has had enough; above is what the keys begin with before n's
// prefix.
func (n *node[T]) walk(above []byte, yield func(string, *T) bool) bool {
	key := append(above, n.prefix...)
	if n.value != nil && !yield(string(key), n.value) {
		return false
	}
	for _, e := range n.edges {
		if !e.child.walk(append(key, e.first), yield) {
			return false
		}
	}
	return true
}

// put returns the tree with value at key; nil takes the key out.
func (n *node[T]) put(generation uint64, key string, value *T) *node[T] {
	return n.edit(generation, key, func(*T) *T { return value })
}

// edit returns the tree with the value at key changed: change is called once, with the present value or nil, and
// returns the new one or nil.
func (n *node[T]) edit(generation uint64, key string, change func(*T) *T) *node[T] {
	if n == nil {
		n = &node[T]{prefix: key, generation: generation}
	}
	if shared := commonPrefix(n.prefix, key); shared < len(n.prefix) {
		n = n.split(generation, shared)
	} else {
		n = n.own(generation)
	}
	if rest := key[len(n.prefix):]; rest == "" {
		n.value = change(n.value)
	} else {
		n.setChild(rest[0], n.child(rest[0]).edit(generation, rest[1:], change))
	}
	return n.compact(generation)
}

// own returns n if it is of this generation, else a copy that is.
func (n *node[T]) own(generation uint64) *node[T] {
	if n.generation == generation {
		return n
	}
	c := *n
	c.generation, c.edges = generation, slices.Clone(n.edges)
	return &c
}

// split puts a node above n that takes the first at bytes of its prefix.
func (n *node[T]) split(generation uint64, at int) *node[T] {
	below := n.own(generation)
	above := &node[T]{prefix: n.prefix[:at], edges: []edge[T]{{n.prefix[at], below}}, generation: generation}
	below.prefix = below.prefix[at+1:]
	return above
}

// setChild replaces the child that a byte leads to, adds it, or with nil removes it. n must be of the generation that
// is being built.
func (n *node[T]) setChild(first byte, child *node[T]) {
	switch i, found := n.find(first); {
	case found && child != nil:
		n.edges[i].child = child
	case found:
		n.edges = slices.Delete(n.edges, i, i+1)
	case child != nil:
		n.edges = slices.Insert(n.edges, i, edge[T]{first, child})
	}
}

// compact removes n if it is empty, or joins it with its only child, so that equal content has equal form.
func (n *node[T]) compact(generation uint64) *node[T] {
	switch {
	case n.value != nil || len(n.edges) > 1:
		return n
	case len(n.edges) == 0:
		return nil
	}
	only := n.edges[0].child.own(generation)
	only.prefix = n.prefix + string([]byte{n.edges[0].first}) + only.prefix
	return only
}

func commonPrefix(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}
