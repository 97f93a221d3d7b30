package limit

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// worth says what forgetting a cell would cost.
type worth uint8

const (
	worthless     worth = iota // as good as new
	replaceable                // its key would get a little more than it may
	indispensable              // it must not be forgotten
)

// cell is what is remembered of a key. Its zero value has seen nothing. Its methods are safe for concurrent use.
type cell[C any] interface {
	*C
	take(l *Limit, cost, now int64, s Share) Decision
	charge(l *Limit, cost, now int64, s Share)
	worth(now int64) worth
}

// table remembers cells by key. Beyond a number of them, those that have not been used for long give way; what that takes is
// done a few cells at a time by those who come with new keys. It is safe for concurrent use. Known keys of one shard
// don't wait for each other.
type table[C any, P cell[C]] struct {
	seed      uint64
	most      int // cells in each shard
	cells     atomic.Int64
	evictions atomic.Uint64
	shards    [shards]shard[C, P]
}

const (
	shards = 256
	// chunk is how many cells are allocated at once.
	chunk = 64
	// looked is how many cells are looked at to find one that may give way.
	looked = 16
)

type shard[C any, P cell[C]] struct {
	mu     sync.RWMutex
	index  map[Key]uint32
	chunks []*[chunk]entry[C]
	used   uint32 // how many entries have a key
	hand   uint32 // the next to be looked at
	_      [64]byte
}

type entry[C any] struct {
	key Key
	// asked is set when the cell is used and cleared when the hand passes: a second chance.
	asked atomic.Bool
	cell  C
}

func newTable[C any, P cell[C]](most int) *table[C, P] {
	t := &table[C, P]{seed: rand.Uint64() | 1, most: max(most/shards, chunk)}
	for i := range t.shards {
		t.shards[i].index = map[Key]uint32{}
	}
	return t
}

// shard depends on a seed, so that nobody can choose keys that meet in one.
func (t *table[C, P]) shard(k Key) *shard[C, P] {
	high, low := bits.Mul64(binary.LittleEndian.Uint64(k[:8])^t.seed, binary.LittleEndian.Uint64(k[8:])|1)
	return &t.shards[(high^low)%shards]
}

func (t *table[C, P]) take(l *Limit, k Key, cost, now int64, s Share) Decision {
	h := t.shard(k)
	h.mu.RLock()
	if c := h.find(k); c != nil {
		d := P(c).take(l, cost, now, s)
		h.mu.RUnlock()
		return d
	}
	h.mu.RUnlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	return P(t.enter(h, k, now)).take(l, cost, now, s)
}

// charge gives nothing back to those who are not known.
func (t *table[C, P]) charge(l *Limit, k Key, cost, now int64, s Share) {
	h := t.shard(k)
	h.mu.RLock()
	c := h.find(k)
	if c != nil {
		P(c).charge(l, cost, now, s)
	}
	h.mu.RUnlock()
	if c != nil || cost <= 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	P(t.enter(h, k, now)).charge(l, cost, now, s)
}

func (h *shard[C, P]) find(k Key) *C {
	i, ok := h.index[k]
	if !ok {
		return nil
	}
	e := h.entry(i)
	if !e.asked.Load() { // most are set already: a line that all read and none writes stays in every processor's cache
		e.asked.Store(true)
	}
	return &e.cell
}

func (h *shard[C, P]) entry(i uint32) *entry[C] { return &h.chunks[i/chunk][i%chunk] }

// enter returns the cell of a key that may be new. The shard is locked.
func (t *table[C, P]) enter(h *shard[C, P], k Key, now int64) *C {
	if c := h.find(k); c != nil {
		return c
	}
	i, found := t.vacate(h, now)
	if !found {
		i = h.used
		h.used++
		t.cells.Add(1)
		if i%chunk == 0 {
			h.chunks = append(h.chunks, new([chunk]entry[C]))
		}
	}
	e := h.entry(i)
	e.key = k
	h.index[k] = i
	return &e.cell
}

// vacate finds an entry whose key may give way and empties it. As long as there is room it takes only what is as good as new.
func (t *table[C, P]) vacate(h *shard[C, P], now int64) (at uint32, found bool) {
	full := h.used >= uint32(t.most)
	tries := uint32(2) // twice as fast as new ones come, so that the table shrinks to what is in use
	if full {
		tries = looked
	}
	for range min(tries, h.used) {
		i := h.hand
		h.hand = (h.hand + 1) % h.used
		e := h.entry(i)
		w := P(&e.cell).worth(now)
		spared := e.asked.Swap(false) && w != worthless
		if w == worthless || full && w == replaceable && !spared {
			t.empty(h, e, w)
			return i, true
		}
		if full && w == replaceable && !found {
			at, found = i, true
		}
	}
	if found {
		t.empty(h, h.entry(at), replaceable)
	}
	return at, found
}

func (t *table[C, P]) empty(h *shard[C, P], e *entry[C], w worth) {
	if w == replaceable {
		t.evictions.Add(1)
	}
	delete(h.index, e.key)
	var none C
	*P(&e.cell) = none
}
