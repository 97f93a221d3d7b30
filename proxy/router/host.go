package router

import (
	"hash/maphash"
	"math/bits"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
)

// hosts maps the hosts of one listener to their paths. It is persistent like a tree of nodes: a change copies the
// list of shards and one shard, which is read with one look-up, where a tree would take a step for every few bytes of
// a name.
type hosts struct {
	shards     [256]*shard
	generation uint64
}

// shard holds the hosts of some hash values, in a table with linear probing that is at most half full. A map would take the
// look-up through twice as many places in memory, each of which is cold among thousands of hosts.
type shard struct {
	slots      []slot // a power of two
	count      int
	generation uint64
}

// slot is free if it has no host.
type slot struct {
	hash uint64
	host *host
}

// host is what the routes of one host say of paths. The key of "*.example.com" is ".example.com", that of any host is empty.
// It is made by newHost, and not copied.
type host struct {
	key   string
	paths *paths
	// deep counts the candidates for which a wildcard stands for any number of labels. Without one of those, names with several
	// labels in its place do not belong to the host.
	deep int
	// near holds the bytes of a short key, so that the look-up ends in the line of memory in which it has arrived.
	near [32]byte
}

func newHost(key string, p *paths, deep int) *host {
	h := &host{key: key, paths: p, deep: deep}
	if len(key) <= len(h.near) {
		h.key = exchange.String(h.near[:copy(h.near[:], key)])
	}
	return h
}

var hostSeed = maphash.MakeSeed()

// hashOf chooses the shard with its lowest byte, and the slot with what is above.
func hashOf(key string) uint64 { return maphash.String(hostSeed, key) }

const shardBits = 8

// hostKey returns the key of a route's host; "*" is any host.
func hostKey(host string) string { return strings.TrimPrefix(host, "*") }

// hostOfKey is hostKey's inverse.
func hostOfKey(key string) string {
	if key == "" || key[0] == '.' {
		return "*" + key
	}
	return key
}

func (h *hosts) get(key string) *host {
	hash := hashOf(key)
	s := h.shards[uint8(hash)]
	if s == nil {
		return nil
	}
	return s.slots[s.place(hash, key)].host
}

// place returns where the host stands, or the free slot where it would.
func (s *shard) place(hash uint64, key string) int {
	mask := len(s.slots) - 1
	for i := int(hash>>shardBits) & mask; ; i = (i + 1) & mask {
		at := &s.slots[i]
		if at.host == nil || at.hash == hash && at.host.key == key {
			return i
		}
	}
}

// find returns the paths of the most specific host that name belongs to, or nil. A less specific host is not asked
// when the paths of the more specific one don't match: a name belongs to those who name it best. Deep says that the host
// is a wildcard that stands for several labels.
func (h *hosts) find(name string) (found *paths, deep bool) {
	if h == nil {
		return nil, false
	}
	if name != "" && name[0] != '.' {
		if at := h.get(name); at != nil {
			return at.paths, false
		}
	}
	for i := 1; i < len(name); i++ {
		if name[i] != '.' {
			continue
		}
		if at := h.get(name[i:]); at != nil && (!deep || at.deep > 0) {
			return at.paths, deep
		}
		deep = true
	}
	if at := h.get(""); at != nil {
		return at.paths, false
	}
	return nil, false
}

// all returns the paths of all hosts by key.
func (h *hosts) all() map[string]*paths {
	all := make(map[string]*paths)
	for _, s := range h.shards {
		if s == nil {
			continue
		}
		for _, at := range s.slots {
			if at.host != nil {
				all[at.host.key] = at.host.paths
			}
		}
	}
	return all
}

// edit returns h, which may be nil, with the paths of a host changed: change gets the present ones, or nil, and
// returns the new ones, or nil. Deep is how many more deep candidates it has then.
func (h *hosts) edit(generation uint64, key string, deep int, change func(*paths) *paths) *hosts {
	h = h.own(generation)
	hash := hashOf(key)
	place := &h.shards[uint8(hash)]
	*place = (*place).own(generation)
	var present *paths
	if was := h.get(key); was != nil {
		present, deep = was.paths, was.deep+deep
	}
	(*place).put(hash, newHost(key, change(present), deep)) // older shards refer to the present one
	return h
}

func (h *hosts) own(generation uint64) *hosts {
	if h == nil {
		return &hosts{generation: generation}
	}
	if h.generation == generation {
		return h
	}
	c := *h
	c.generation = generation
	return &c
}

// own returns s if it is of this generation, else a copy that is, with room for one more host.
func (s *shard) own(generation uint64) *shard {
	if s != nil && s.generation == generation && 2*(s.count+1) <= len(s.slots) {
		return s
	}
	c := &shard{generation: generation}
	if s == nil {
		c.slots = make([]slot, 4)
		return c
	}
	c.count, c.slots = s.count, make([]slot, max(4, 1<<bits.Len(uint(2*s.count+1))))
	for _, at := range s.slots {
		if at.host != nil {
			c.slots[c.place(at.hash, at.host.key)] = at
		}
	}
	return c
}

// put sets a host in a shard with room for it; without paths it takes the host out.
func (s *shard) put(hash uint64, next *host) {
	i := s.place(hash, next.key)
	at := &s.slots[i]
	switch {
	case next.paths != nil && at.host != nil:
		at.host = next
	case next.paths != nil:
		*at = slot{hash, next}
		s.count++
	case at.host != nil:
		s.remove(i)
	}
}

// remove frees a slot. What stands behind it, up to the next free one, is put in anew: it may have been pushed there.
func (s *shard) remove(i int) {
	s.slots[i] = slot{}
	s.count--
	mask := len(s.slots) - 1
	for i = (i + 1) & mask; s.slots[i].host != nil; i = (i + 1) & mask {
		at := s.slots[i]
		s.slots[i] = slot{}
		s.slots[s.place(at.hash, at.host.key)] = at
	}
}
