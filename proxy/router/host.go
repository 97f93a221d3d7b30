package router

import (
	"hash/maphash"
	"maps"
	"strings"
)

// hosts maps the hosts of one listener to their paths. It is persistent like a tree of nodes: a change copies the
// list of shards and one shard, which is read with one look-up, where a tree would take a step for every few bytes of
// a name.
type hosts struct {
	shards     [256]*shard
	generation uint64
}

// shard holds the hosts of some hash values. The key of "*.example.com" is ".example.com", that of any host is empty.
type shard struct {
	paths      map[string]*paths
	generation uint64
}

var hostSeed = maphash.MakeSeed()

func shardOf(key string) uint8 { return uint8(maphash.String(hostSeed, key)) }

// hostKey returns the key of a route's host; "*" is any host.
func hostKey(host string) string { return strings.TrimPrefix(host, "*") }

// hostOfKey is hostKey's inverse.
func hostOfKey(key string) string {
	if key == "" || key[0] == '.' {
		return "*" + key
	}
	return key
}

func (h *hosts) get(key string) *paths {
	if s := h.shards[shardOf(key)]; s != nil {
		return s.paths[key]
	}
	return nil
}

// find returns the paths of the most specific host that name belongs to, or nil. A less specific host is not asked
// when the paths of the more specific one don't match: a name belongs to those who name it best.
func (h *hosts) find(name string) *paths {
	if h == nil {
		return nil
	}
	if name != "" && name[0] != '.' {
		if p := h.get(name); p != nil {
			return p
		}
	}
	for i := 1; i < len(name); i++ {
		if name[i] == '.' {
			if p := h.get(name[i:]); p != nil {
				return p
			}
		}
	}
	return h.get("")
}

// all returns the paths of all hosts by key.
func (h *hosts) all() map[string]*paths {
	all := make(map[string]*paths)
	for _, s := range h.shards {
		if s != nil {
			maps.Copy(all, s.paths)
		}
	}
	return all
}

// edit returns h, which may be nil, with the paths of a host changed: change gets the present ones, or nil, and
// returns the new ones, or nil.
func (h *hosts) edit(generation uint64, key string, change func(*paths) *paths) *hosts {
	h = h.own(generation)
	place := &h.shards[shardOf(key)]
	*place = (*place).own(generation)
	if p := change((*place).paths[key]); p != nil {
		(*place).paths[key] = p
	} else {
		delete((*place).paths, key)
	}
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

func (s *shard) own(generation uint64) *shard {
	if s == nil {
		return &shard{make(map[string]*paths), generation}
	}
	if s.generation == generation {
		return s
	}
	return &shard{maps.Clone(s.paths), generation}
}
