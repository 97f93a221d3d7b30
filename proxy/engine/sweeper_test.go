package engine

import (
	"net"
	"testing"
	"time"
	"unsafe"

	"github.com/penstock/penstock/proxy/exchange"
)

// Connections are looked at in parts, between which others come and go: a wait ends wherever its connection stands meanwhile.
func TestEachWaitOfManyEnds(t *testing.T) {
	f := start(t, Options{Handler: exchange.HandlerFunc(echo), Timeouts: Timeouts{Head: short}})
	clients := make([]*client, 3*glance+1)
	for i := range clients {
		clients[i] = f.dial()
		clients[i].send("GET / HTTP/1.1\r\n")
	}
	for i := 0; i < len(clients); i += 3 {
		clients[i].Close()
	}
	for i, c := range clients {
		if i%3 == 0 {
			continue
		}
		if a := c.receive("GET"); a.StatusCode != 408 {
			t.Fatalf("client %d of %d was answered with %d, want 408", i, len(clients), a.StatusCode)
		}
	}
	f.awaitEmpty()
}

func TestASweepLooksAtEachConnection(t *testing.T) {
	for _, n := range []int{0, 1, glance, glance + 1, maxGlances*glance + 1} {
		e := New(Options{})
		for range n {
			c := &conn{}
			c.read.arm(1)
			c.net = deaf{}
			c.index = len(e.conns)
			e.conns = append(e.conns, c)
		}
		if e.sweepAll(2) != (n > 0) {
			t.Errorf("%d connections: the sweep says otherwise", n)
		}
		for i, c := range e.conns {
			if c.read.disarm() {
				t.Fatalf("connection %d of %d was left out", i, n)
			}
		}
	}
}

func TestASweepNeedsOneCacheLineOfAConnection(t *testing.T) {
	var c conn
	if end := unsafe.Offsetof(c.watch) + unsafe.Offsetof(c.look) + unsafe.Sizeof(c.look); end > 64 {
		t.Errorf("what the sweeper asks of each connection ends at byte %d", end)
	}
}

// deaf is a connection of which nothing but a deadline is asked.
type deaf struct{ net.Conn }

func (deaf) SetReadDeadline(time.Time) error { return nil }
