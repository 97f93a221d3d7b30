package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// pending has the names of objects that may have changed since the last translation. What became of them is read from the
// caches when they are taken, so that it makes no difference whether an event comes twice, late or merged with others. It
// is safe for concurrent use.
type pending struct {
	mu    sync.Mutex
	named named
	// all says that any object may have changed.
	all bool
}

// named are names by kind.
type named map[string]map[types.NamespacedName]struct{}

func (p *pending) add(kind string, name types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.named == nil {
		p.named = named{}
	}
	if p.named[kind] == nil {
		p.named[kind] = map[types.NamespacedName]struct{}{}
	}
	p.named[kind][name] = struct{}{}
}

// addAll says that any object may have changed.
func (p *pending) addAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = true
}

// take returns what was added since it was last called.
func (p *pending) take() (names named, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	names, all = p.named, p.all
	p.named, p.all = nil, false
	return names, all
}

// from returns a function that gets objects from s.
func from[O client.Object](s *stores) func(types.NamespacedName) O {
	return func(name types.NamespacedName) O { return get[O](s, name) }
}

// read returns what get says of the objects of a kind that are named.
func read[V any](n named, kind string, get func(types.NamespacedName) V) map[types.NamespacedName]V {
	out := make(map[types.NamespacedName]V, len(n[kind]))
	for name := range n[kind] {
		out[name] = get(name)
	}
	return out
}
