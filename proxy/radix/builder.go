package radix

// Builder makes one tree after another, each from the one before. The zero Builder starts from the empty tree. It is used
// by one goroutine at a time; the trees that it has handed out never change.
type Builder[T any] struct {
	tree       *Tree[T]
	generation uint64
}

// Get returns the value of key, or nil.
func (b *Builder[T]) Get(key string) *T { return b.tree.Get(key) }

// Put sets the value of key; nil takes the key out.
func (b *Builder[T]) Put(key string, value *T) {
	if b.tree.Get(key) != value {
		b.tree = b.tree.Put(b.generation, key, value)
	}
}

// Tree returns what was built so far: the same tree as the last time if nothing was put since.
func (b *Builder[T]) Tree() *Tree[T] {
	b.generation++ // from here on it belongs to others, too
	return b.tree
}
