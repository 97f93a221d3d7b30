package upstream

import (
	"slices"
	"time"

	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

// choose returns the endpoint to ask next, none of tried: a Ready one if possible, else one that drains, and an ejected one only if
// no other is left, since a doubtful endpoint is better than none. It returns nil if all have been tried.
func (c *Cluster) choose(now time.Time, tried []*live.Endpoint) *live.Endpoint {
	endpoints := c.live.Endpoints()
	for _, ejected := range [...]bool{false, true} {
		eligible := func(e *live.Endpoint) bool {
			return (ejected || !e.Ejected(now)) && !slices.Contains(tried, e)
		}
		for _, list := range [...][]*live.Endpoint{endpoints.Ready, endpoints.Draining} {
			if e := c.balance(list, eligible); e != nil {
				return e
			}
		}
	}
	return nil
}

// balance returns an eligible endpoint of list, or nil.
func (c *Cluster) balance(list []*live.Endpoint, eligible func(*live.Endpoint) bool) *live.Endpoint {
	if len(list) == 0 {
		return nil
	}
	if c.balancer == snapshot.RoundRobin {
		return draw(list, func(n int) int { return int(c.live.Turn() % uint64(n)) }, eligible)
	}
	// The less loaded of two random ones: nearly as even as the least loaded of all, without the stampede that all gateways would
	// make towards that one.
	a := draw(list, c.upstreams.random, eligible)
	if a == nil || len(list) == 1 {
		return a
	}
	b := draw(list, c.upstreams.random, func(e *live.Endpoint) bool { return e != a && eligible(e) })
	if b != nil && b.InFlight() < a.InFlight() {
		return b
	}
	return a
}

// draws is how often an index is drawn before the list is searched. Drawing again keeps the shares of the eligible endpoints
// even; searching would give an ejected one's share to its neighbour.
const draws = 8

// draw returns an eligible endpoint of list by the index that next gives, or nil if there is none.
func draw(list []*live.Endpoint, next func(n int) int, eligible func(*live.Endpoint) bool) *live.Endpoint {
	i := 0
	for range draws {
		i = next(len(list))
		if eligible(list[i]) {
			return list[i]
		}
	}
	for range list {
		i = (i + 1) % len(list)
		if eligible(list[i]) {
			return list[i]
		}
	}
	return nil
}
