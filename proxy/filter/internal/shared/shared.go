// Package shared lets the filters of many routes, and of one table after another, share what is costly to have.
package shared

import (
	"runtime"
	"sync"
	"weak"
)

// Pool has one value a key, for as long as somebody refers to it. The zero Pool is empty; it is safe for concurrent use.
type Pool[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]weak.Pointer[V]
}

// Get returns the value of a key, which build makes if there is none.
func (p *Pool[K, V]) Get(key K, build func() (*V, error)) (*V, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.values[key].Value(); v != nil {
		return v, nil
	}
	v, err := build()
	if err != nil {
		return nil, err
	}
	if p.values == nil {
		p.values = map[K]weak.Pointer[V]{}
	}
	p.values[key] = weak.Make(v)
	runtime.AddCleanup(v, p.forget, key)
	return v, nil
}

// forget removes a key unless it has a value again.
func (p *Pool[K, V]) forget(key K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.values[key].Value() == nil {
		delete(p.values, key)
	}
}

// All returns the values that somebody refers to, in no order.
func (p *Pool[K, V]) All() (all []*V) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.values {
		if v := w.Value(); v != nil {
			all = append(all, v)
		}
	}
	return all
}
