package router

import (
	"iter"
	"slices"
	"strings"
)

// node is the root of a persistent radix tree from strings to *T, and every node below it. A nil node is the empty tree.
//
// A tree is changed by copying the nodes between its root and the change; all others are shared by the old and the new tree. Its form depends on
// what it holds, not on how it came to be. A node bears the generation of the table that it was made for: while that table is being built
// its nodes are changed in place, so that building from scratch copies nothing. No node of an older generation is ever written.
type node[T any] struct {
	// prefix is what a key has between the parent and here. It is a part of some key that passed here, which it keeps alive.
	prefix string
	// index holds the first byte of each child's prefix, ascending.
	index      string
	children   []*node[T]
	value      *T
	generation uint64
}

// child returns the child whose prefix starts with b, or nil.
func (n *node[T]) child(b byte) *node[T] {
	if i := strings.IndexByte(n.index, b); i >= 0 {
		return n.children[i]
	}
	return nil
}

// along yields the values of all keys that key starts with, shortest first, and the length of each.
func (n *node[T]) along(key string) iter.Seq2[int, *T] {
	return func(yield func(int, *T) bool) {
		at := 0
		for n := n; n != nil && strings.HasPrefix(key[at:], n.prefix); n = n.child(key[at]) {
			at += len(n.prefix)
			if n.value != nil && !yield(at, n.value) || at == len(key) {
				return
			}
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
		above := ""
		for n := n; n != nil; n = n.child(prefix[len(above)]) {
			whole := above + n.prefix
			if strings.HasPrefix(whole, prefix) {
				n.walk([]byte(above), yield)
				return
			}
			if !strings.HasPrefix(prefix, whole) {
				return
			}
			above = whole
		}
	}
}

// walk yields n and what is below it, until yield has had enough; above is the key of n's parent.
func (n *node[T]) walk(above []byte, yield func(string, *T) bool) bool {
	key := append(above, n.prefix...)
	if n.value != nil && !yield(string(key), n.value) {
		return false
	}
	for _, c := range n.children {
		if !c.walk(key, yield) {
			return false
		}
	}
	return true
}

// put returns the tree with value at key; nil takes the key out.
func (n *node[T]) put(generation uint64, key string, value *T) *node[T] {
	return n.edit(generation, key, func(*T) *T { return value })
}

// edit returns the tree with the value at key changed: change is called once, with the present value or nil, and returns the new one or nil.
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
		n.setChild(rest[0], n.child(rest[0]).edit(generation, rest, change))
	}
	return n.compact(generation)
}

// own returns n if it is of this generation, else a copy that is.
func (n *node[T]) own(generation uint64) *node[T] {
	if n.generation == generation {
		return n
	}
	c := *n
	c.generation, c.children = generation, slices.Clone(n.children)
	return &c
}

// split puts a node of its own above n, for the first at bytes of its prefix.
func (n *node[T]) split(generation uint64, at int) *node[T] {
	below := n.own(generation)
	above := &node[T]{prefix: n.prefix[:at], index: n.prefix[at : at+1], children: []*node[T]{below}, generation: generation}
	below.prefix = below.prefix[at:]
	return above
}

// setChild replaces the child of first byte b, adds it, or with nil removes it. n must be of the generation that is being built.
func (n *node[T]) setChild(b byte, child *node[T]) {
	i := 0
	for i < len(n.index) && n.index[i] < b {
		i++
	}
	switch found := i < len(n.index) && n.index[i] == b; {
	case found && child != nil:
		n.children[i] = child
	case found:
		n.index = n.index[:i] + n.index[i+1:]
		n.children = slices.Delete(n.children, i, i+1)
	case child != nil:
		n.index = n.index[:i] + string([]byte{b}) + n.index[i:]
		n.children = slices.Insert(n.children, i, child)
	}
}

// compact removes n if it is empty, or joins it with its only child, so that equal content has equal form.
func (n *node[T]) compact(generation uint64) *node[T] {
	switch {
	case n.value != nil || len(n.children) > 1:
		return n
	case len(n.children) == 0:
		return nil
	}
	only := n.children[0].own(generation)
	only.prefix = n.prefix + only.prefix
	return only
}

func commonPrefix(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}
