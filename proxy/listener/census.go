package listener

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
)

// census counts the connections that are open, in all and by client. It is safe for concurrent use.
type census struct {
	max  int64 // 0 for no bound
	each int   // of one client; 0 for no bound, and then nothing is counted by client

	open   atomic.Int64
	shards [64]struct {
		mu      sync.Mutex
		clients map[client]int // only those that have a connection
	}
}

// client is who is counted as one: an IPv4 address, or the first half of an IPv6 address. Without pointers, so that
// the collector needn't look at it.
type client struct {
	prefix uint64
	is4    bool
}

func clientOf(a netip.Addr) client {
	if a.Is4() {
		b := a.As4()
		return client{uint64(binary.BigEndian.Uint32(b[:])), true}
	}
	b := a.As16()
	return client{binary.BigEndian.Uint64(b[:8]), false}
}

// shard spreads clients, so that a listener that accepts rarely waits for connections that end.
func (c client) shard() int { return int(c.prefix * 0x9e3779b97f4a7c15 >> 58) }

func (c *census) init(b Bounds) {
	c.max, c.each = int64(b.Connections), b.PerClient
	for i := range c.shards {
		c.shards[i].clients = map[client]int{}
	}
}

// enter counts one more connection, unless there are enough.
func (c *census) enter() bool {
	if n := c.open.Add(1); c.max > 0 && n > c.max {
		c.open.Add(-1)
		return false
	}
	return true
}

func (c *census) leave() { c.open.Add(-1) }

// enterAs counts one more connection of a client, unless it has enough.
func (c *census) enterAs(a netip.Addr) bool {
	if c.each == 0 {
		return true
	}
	who := clientOf(a)
	s := &c.shards[who.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.clients[who]
	if n >= c.each {
		return false
	}
	s.clients[who] = n + 1
	return true
}

func (c *census) leaveAs(a netip.Addr) {
	if c.each == 0 {
		return
	}
	who := clientOf(a)
	s := &c.shards[who.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.clients[who]; n > 1 {
		s.clients[who] = n - 1
	} else {
		delete(s.clients, who)
	}
}
