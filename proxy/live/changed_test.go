package live_test

import (
	"net/netip"
	"testing"

	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

func TestChangesOfEndpointsAreTold(t *testing.T) {
	s := live.NewStore(func(string, netip.AddrPort) live.Conns { return &conns{} })
	c := s.Cluster("a")
	for port := range uint16(3) {
		changed := c.Changed()
		select {
		case <-changed:
			t.Fatal("told of a change before there was one")
		default:
		}
		if err := s.SetEndpoints("a", []snapshot.Endpoint{{Address: "192.0.2.1", Port: port}}); err != nil {
			t.Fatal(err)
		}
		<-changed
		if got := c.Endpoints().Ready[0].Address.Port(); got != port {
			t.Errorf("port %d, want %d", got, port)
		}
	}
}
