package engine

import "sync"

const (
	// smallBuffer holds a usual head, or a usual answer of an API, in bytes.
	smallBuffer = 4 << 10
	// largeBuffer is for large heads and for bodies, in bytes.
	largeBuffer = 64 << 10
)

// buffers are the pools of an engine's buffers of both sizes.
type buffers struct {
	small, large sync.Pool
	largest      int
}

// buffer is a loan from a pool.
type buffer struct {
	bytes []byte
	pool  *sync.Pool
}

func (b *buffers) init(largest int) {
	b.largest = largest
	b.small.New = func() any { return &buffer{bytes: make([]byte, smallBuffer), pool: &b.small} }
	b.large.New = func() any { return &buffer{bytes: make([]byte, largest), pool: &b.large} }
}

// get lends a buffer for n bytes, or the largest there is.
func (b *buffers) get(n int64) *buffer {
	if n <= smallBuffer {
		return b.small.Get().(*buffer)
	}
	return b.large.Get().(*buffer)
}

// grow swaps b for a large one that begins with its first n bytes, if there is a larger one.
func (b *buffers) grow(old *buffer, n int) *buffer {
	if len(old.bytes) >= b.largest {
		return old
	}
	larger := b.get(int64(b.largest))
	copy(larger.bytes, old.bytes[:n])
	old.release()
	return larger
}

func (b *buffer) release() { b.pool.Put(b) }
