// Package buffer lends the memory that large heads and bodies pass through, and bounds how much of it is lent.
package buffer

import (
	"sync"
	"sync/atomic"
)

const (
	// Small holds a usual head, or a usual answer of an API, in bytes.
	Small = 4 << 10
	// Large is for large heads and for bodies, in bytes: 64 KiB of content go out in one piece with their head.
	Large = 68 << 10
)

// DefaultLimit is how many bytes of large buffers are lent at a time where nobody says otherwise.
const DefaultLimit = 128 << 20

// Pools lend buffers of both sizes. Large ones are bounded in number: beyond the bound a small one is lent instead, so that
// bodies flow on in smaller pieces rather than fail. Small ones are not counted: whoever bounds connections bounds them.
// It is safe for concurrent use.
type Pools struct {
	small, large sync.Pool
	most         int64        // large buffers
	lent         atomic.Int64 // likewise
}

// Buffer is a loan; its owner may write Bytes until Release.
type Buffer struct {
	Bytes []byte
	pools *Pools
}

// New makes pools that lend large buffers of that many bytes in all.
func New(limit int64) *Pools {
	p := &Pools{most: limit / Large}
	p.small.New = func() any { return &Buffer{make([]byte, Small), p} }
	p.large.New = func() any { return &Buffer{make([]byte, Large), p} }
	return p
}

// Get lends a buffer for n bytes if there is one that large, and the largest that can be had otherwise.
func (p *Pools) Get(n int64) *Buffer {
	if n <= Small {
		return p.small.Get().(*Buffer)
	}
	if p.lent.Add(1) > p.most {
		p.lent.Add(-1)
		return p.small.Get().(*Buffer)
	}
	return p.large.Get().(*Buffer)
}

// Grow swaps b for a large buffer that begins with its first n bytes, if b is small and one can be had; else it returns b.
func (p *Pools) Grow(b *Buffer, n int) *Buffer {
	if len(b.Bytes) == Large {
		return b
	}
	larger := p.Get(Large)
	if len(larger.Bytes) < Large {
		larger.Release()
		return b
	}
	copy(larger.Bytes, b.Bytes[:n])
	b.Release()
	return larger
}

// Release gives the buffer back.
func (b *Buffer) Release() {
	if len(b.Bytes) == Small {
		b.pools.small.Put(b)
		return
	}
	b.pools.lent.Add(-1)
	b.pools.large.Put(b)
}

// Lent is how many bytes of large buffers are lent.
func (p *Pools) Lent() int64 { return p.lent.Load() * Large }
