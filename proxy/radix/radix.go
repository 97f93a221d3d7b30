// Package radix is a persistent map from strings, in the order of its keys: a change makes a new map that shares with the
// old one all but the way to the change. So what two maps have in common can be passed over when they are compared, and
// need not be hashed again.
package radix

import (
	"iter"
	"slices"
	"strings"
)

// Tree is the root of a persistent radix tree from strings to *T, and every node below it. A nil Tree is the empty one.
//
// A tree is changed by copying the nodes between its root and the change; all others are shared by the old and the
// new tree. Its form depends on what it holds, not on how it came to be. A node bears the generation that it was made in:
// while a generation is being built its nodes are changed in place, so that building from scratch copies nothing. No node
// of an older generation is ever written. It is for the caller to begin a new generation before a tree is changed that
// others have seen.
type Tree[T any] struct {
	// prefix is what a key has between the byte that led here and the next node. It is a part of some key that passed
	// here, which it keeps alive.
	prefix     string
	edges      []edge[T] // ascending by first
	value      *T
	generation uint64
	// count is the number of values here and below.
	count int
	// sum is nil until it is asked for.
	sum *Sum
}

// edge leads to a child. With its first byte here, most children are passed without a look at any byte elsewhere.
type edge[T any] struct {
	first byte
	child *Tree[T]
}

// Collect makes a tree of keys and values.
func Collect[T any](entries iter.Seq2[string, *T]) *Tree[T] {
	var b Builder[T]
	for key, value := range entries {
		b.Put(key, value)
	}
	return b.Tree()
}

// Len returns the number of values.
func (n *Tree[T]) Len() int {
	if n == nil {
		return 0
	}
	return n.count
}

// find returns the place of the edge of that byte, and whether it is there.
func (n *Tree[T]) find(first byte) (int, bool) {
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
func (n *Tree[T]) child(first byte) *Tree[T] {
	if i, ok := n.find(first); ok {
		return n.edges[i].child
	}
	return nil
}

// Along yields the values of all keys that key starts with, shortest first, and the length of each.
func (n *Tree[T]) Along(key string) iter.Seq2[int, *T] {
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

// Get returns the value of key, or nil.
func (n *Tree[T]) Get(key string) *T {
	for at, value := range n.Along(key) {
		if at == len(key) {
			return value
		}
	}
	return nil
}

// All yields the keys, in ascending order, and their values.
func (n *Tree[T]) All() iter.Seq2[string, *T] { return n.Under("") }

// Under yields the keys that start with prefix, in ascending order, and their values.
func (n *Tree[T]) Under(prefix string) iter.Seq2[string, *T] {
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
func (n *Tree[T]) walk(above []byte, yield func(string, *T) bool) bool {
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

// Values yields the values in the order of their keys.
func (n *Tree[T]) Values() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		if n != nil {
			n.walkValues(yield)
		}
	}
}

func (n *Tree[T]) walkValues(yield func(*T) bool) bool {
	if n.value != nil && !yield(n.value) {
		return false
	}
	for _, e := range n.edges {
		if !e.child.walkValues(yield) {
			return false
		}
	}
	return true
}

// Put returns the tree with value at key; nil takes the key out.
func (n *Tree[T]) Put(generation uint64, key string, value *T) *Tree[T] {
	return n.Edit(generation, key, func(*T) *T { return value })
}

// Edit returns the tree with the value at key changed: change is called once, with the present value or nil, and
// returns the new one or nil.
func (n *Tree[T]) Edit(generation uint64, key string, change func(*T) *T) *Tree[T] {
	if n == nil {
		n = &Tree[T]{prefix: key, generation: generation}
	}
	if shared := commonPrefix(n.prefix, key); shared < len(n.prefix) {
		n = n.split(generation, shared)
	} else {
		n = n.own(generation)
	}
	if rest := key[len(n.prefix):]; rest == "" {
		n.count -= one(n.value)
		n.value = change(n.value)
		n.count += one(n.value)
	} else {
		child := n.child(rest[0])
		n.count -= child.Len() // before the edit, which may be in place
		child = child.Edit(generation, rest[1:], change)
		n.count += child.Len()
		n.setChild(rest[0], child)
	}
	return n.compact(generation)
}

func one[T any](value *T) int {
	if value == nil {
		return 0
	}
	return 1
}

// own returns n if it is of this generation, else a copy that is.
func (n *Tree[T]) own(generation uint64) *Tree[T] {
	if n.generation != generation {
		c := *n
		c.generation, c.edges = generation, slices.Clone(n.edges)
		n = &c
	}
	n.sum = nil
	return n
}

// split puts a node above n that takes the first at bytes of its prefix.
func (n *Tree[T]) split(generation uint64, at int) *Tree[T] {
	below := n.own(generation)
	above := &Tree[T]{prefix: n.prefix[:at], edges: []edge[T]{{n.prefix[at], below}}, generation: generation, count: n.count}
	below.prefix = below.prefix[at+1:]
	return above
}

// setChild replaces the child that a byte leads to, adds it, or with nil removes it. n must be of the generation that
// is being built.
func (n *Tree[T]) setChild(first byte, child *Tree[T]) {
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
func (n *Tree[T]) compact(generation uint64) *Tree[T] {
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
