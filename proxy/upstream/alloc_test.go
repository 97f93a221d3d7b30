//go:build !race

package upstream

import (
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/snapshot"
)

// The race detector makes sync.Pool forget what it holds, at random, so this is for tests without it.
func TestARoundTripOnAWarmConnectionAllocatesNothing(t *testing.T) {
	for _, tc := range []struct{ name, answer string }{
		{"with a length", leanAnswer},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{"without a body", "HTTP/1.1 204 No Content\r\n\r\n"},
	} {
		for _, b := range []snapshot.Balancer{snapshot.LeastRequest, snapshot.RoundRobin} {
			t.Run(tc.name+" by "+string(b), func(t *testing.T) {
				c := &snapshot.Cluster{Name: clusterName, Balancer: b}
				g := newGatewayOf(t, Options{}, c, backend(t, lean([]byte(tc.answer))), backend(t, lean([]byte(tc.answer))))
				x, sink := &exchange.Exchange{}, make([]byte, 4<<10)
				for range 20 { // Both connections, and the arena, are warm then.
					round(t, g.handler, x, sink)
				}
				if n := testing.AllocsPerRun(1000, func() { round(t, g.handler, x, sink) }); n != 0 {
					t.Errorf("%v allocations", n)
				}
			})
		}
	}
}
