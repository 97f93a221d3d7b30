package radix

import "iter"

// Change is what became of one key: a value that came (no Old), went (no New) or was replaced by another pointer.
type Change[T any] struct{ Old, New *T }

// Diff yields the changes that lead from n to next, in the order of the keys. What the two share costs nothing, so of a
// tree and its successor it takes time in proportion to what was changed.
func (n *Tree[T]) Diff(next *Tree[T]) iter.Seq2[string, Change[T]] {
	return func(yield func(string, Change[T]) bool) { diff(nil, n, next, yield) }
}

// diff yields the changes from a to b until yield has had enough; above is what the keys begin with before their prefixes.
func diff[T any](above []byte, a, b *Tree[T], yield func(string, Change[T]) bool) bool {
	switch {
	case a == b:
		return true
	case a == nil:
		return b.walk(above, func(key string, v *T) bool { return yield(key, Change[T]{New: v}) })
	case b == nil:
		return a.walk(above, func(key string, v *T) bool { return yield(key, Change[T]{Old: v}) })
	}
	shared := commonPrefix(a.prefix, b.prefix)
	a, b = a.cut(shared), b.cut(shared)
	key := append(above, a.prefix...)
	if a.value != b.value && !yield(string(key), Change[T]{a.value, b.value}) {
		return false
	}
	return diffEdges(key, a.edges, b.edges, yield)
}

func diffEdges[T any](key []byte, a, b []edge[T], yield func(string, Change[T]) bool) bool {
	for len(a)+len(b) > 0 {
		var first byte
		var old, next *Tree[T]
		if len(b) == 0 || len(a) > 0 && a[0].first <= b[0].first {
			first, old = a[0].first, a[0].child
		} else {
			first = b[0].first
		}
		if len(a) > 0 && a[0].first == first {
			a = a[1:]
		}
		if len(b) > 0 && b[0].first == first {
			next, b = b[0].child, b[1:]
		}
		if !diff(append(key, first), old, next, yield) {
			return false
		}
	}
	return true
}

// cut returns n, or an equal tree whose root has only the first at bytes of n's prefix.
func (n *Tree[T]) cut(at int) *Tree[T] {
	if at == len(n.prefix) {
		return n
	}
	below := *n
	below.prefix = n.prefix[at+1:]
	return &Tree[T]{prefix: n.prefix[:at], edges: []edge[T]{{n.prefix[at], &below}}}
}
