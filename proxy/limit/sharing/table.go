package sharing

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/penstock/penstock/proxy/limit"
)

// table holds the entries, as many as it may. It is safe for concurrent use.
type table struct {
	most    int64
	count   atomic.Int64
	dropped atomic.Uint64
	// crowded says that there was no room a moment ago, so that those who come don't all look for some.
	crowded atomic.Bool
	shards  [shards]shard
	swept   []*entry // kept for the next sweep
}

const (
	shards = 64
	// looked is how many entries are looked at to find one that may give way.
	looked = 16
)

type shard struct {
	mu      sync.RWMutex
	entries map[limit.Key]*entry
}

func newTable(most int) *table {
	t := &table{most: int64(most)}
	for i := range t.shards {
		t.shards[i].entries = map[limit.Key]*entry{}
	}
	return t
}

// shard counts on keys to be hashes, which nobody can choose.
func (t *table) shard(k limit.Key) *shard { return &t.shards[binary.LittleEndian.Uint64(k[:])%shards] }

func (t *table) find(k limit.Key) *entry {
	s := t.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.entries[k]
}

// enter returns the entry of a key, made by a function if it is new; nil if there is no room.
func (t *table) enter(k limit.Key, made func() *entry) *entry {
	if e := t.find(k); e != nil {
		return e
	}
	if t.crowded.Load() {
		t.dropped.Add(1)
		return nil
	}
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[k]; e != nil {
		return e
	}
	if t.count.Load() >= t.most && !t.vacate(s) {
		t.crowded.Store(true)
		t.dropped.Add(1)
		return nil
	}
	e := made()
	s.entries[k] = e
	t.count.Add(1)
	return e
}

// vacate makes room by an entry that only others use. The shard is locked.
func (t *table) vacate(s *shard) bool {
	tries := looked
	for k, e := range s.entries {
		if e.yield() {
			delete(s.entries, k)
			t.count.Add(-1)
			t.dropped.Add(1)
			return true
		}
		if tries--; tries == 0 {
			return false
		}
	}
	return false
}

// sweep calls f for every entry, and lets those go for which it says so. It is called by one goroutine at a time.
func (t *table) sweep(f func(*entry) (gone bool)) {
	for i := range t.shards {
		s := &t.shards[i]
		t.swept = t.swept[:0]
		s.mu.RLock()
		for _, e := range s.entries {
			t.swept = append(t.swept, e)
		}
		s.mu.RUnlock()
		for _, e := range t.swept {
			if f(e) {
				t.remove(s, e)
			}
		}
		clear(t.swept)
	}
	t.crowded.Store(false)
}

func (t *table) remove(s *shard, e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[e.key] == e {
		delete(s.entries, e.key)
		t.count.Add(-1)
	}
}
