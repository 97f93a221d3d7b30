package listener

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/penstock/penstock/proxy/snapshot"
)

func TestConnectionsBeyondTheBoundAreClosed(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		bounds       Bounds
	}{
		{"in all", "connections", Bounds{Connections: 2}},
		{"of one client", "client_connections", Bounds{Connections: 100, PerClient: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			served := make(chan struct{}, 10)
			s := listening(t, plainHTTP, Options{Bounds: tt.bounds, Serve: func(c net.Conn, about *Connection) {
				repeat(c, about)
				served <- struct{}{}
			}})
			first, second := dial(t, s.Addr("http")), dial(t, s.Addr("http"))
			exchanged(t, first, "a")
			exchanged(t, second, "b")
			if !isRefused(s.Addr("http")) {
				t.Error("a third connection was not closed")
			}
			exchanged(t, first, "c")
			if got := metric(t, s, "gateway_connections_refused_total", tt.reason); got != 1 {
				t.Errorf("%v counted as refused", got)
			}
			second.Close()
			<-served
			// The place is free as soon as the connection has been forgotten, a moment later.
			for s.Open() > 1 || s.census.connections("127.0.0.1") > 1 {
				if t.Context().Err() != nil {
					t.Fatal("the connection is not forgotten")
				}
			}
			exchanged(t, dial(t, s.Addr("http")), "d")
			first.Close()
		})
	}
}

// isRefused reports whether a connection is closed at once; that can be so soon that it can't even be made.
func isRefused(addr net.Addr) bool {
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		return true
	}
	defer c.Close()
	return closes(c)
}

// connections is what the census has of a client.
func (c *census) connections(address string) int {
	who := clientOf(netip.MustParseAddr(address))
	s := &c.shards[who.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[who]
}

func TestTheClientThatAProxyNamesIsCounted(t *testing.T) {
	s := listening(t, plainHTTP, Options{Serve: repeat, Bounds: Bounds{PerClient: 1}, ProxyProtocolFrom: fromLoopback})
	from := func(client string) net.Conn {
		c := dial(t, s.Addr("http"))
		if _, err := fmt.Fprintf(c, "PROXY TCP4 %s 198.51.100.1 12345 80\r\n", client); err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two := from("192.0.2.1"), from("192.0.2.2")
	exchanged(t, one, "a")
	exchanged(t, two, "b")
	if !closes(from("192.0.2.1")) {
		t.Error("a second connection of one client was not closed")
	}
	one.Close()
	two.Close()
}

func TestWhoIsOneClient(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:0:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"0.0.0.0", "::", false},
	} {
		if got := clientOf(netip.MustParseAddr(tt.a)) == clientOf(netip.MustParseAddr(tt.b)); got != tt.same {
			t.Errorf("%s and %s are one: %v", tt.a, tt.b, got)
		}
	}
}

func TestTheCensusForgetsWhoHasLeft(t *testing.T) {
	var c census
	c.init(Bounds{PerClient: 3})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 4)})
			for range 1000 {
				if c.enterAs(a) {
					c.leaveAs(a)
				}
			}
		})
	}
	clients.Wait()
	for i := range c.shards {
		if n := len(c.shards[i].clients); n != 0 {
			t.Errorf("%d clients are remembered", n)
		}
	}
}

func TestIPv6AndIPv4AreServedOnOneSocket(t *testing.T) {
	l := &snapshot.Listener{Name: "http", Protocol: snapshot.HTTP}
	s := listening(t, l, Options{Serve: repeat, Address: netip.IPv6Unspecified()})
	port := s.Addr("http").(*net.TCPAddr).Port
	for network, address := range map[string]string{"tcp4": "127.0.0.1", "tcp6": "::1"} {
		c, err := net.Dial(network, net.JoinHostPort(address, fmt.Sprint(port)))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := exchanged(t, c, "hello"), "http cleartext "+address+" hello"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		c.Close()
	}
}

func TestIPv6AloneWithProxyHeaderAndTLS(t *testing.T) {
	s := listening(t, https, Options{Serve: repeat, Address: netip.IPv6Loopback(), ProxyProtocolFrom: fromLoopback})
	s.secure([]string{"a.org a"}, map[string]secret{"a": issue(t, "a")})
	raw := dial(t, s.Addr("https"))
	if _, err := io.WriteString(raw, "PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n"); err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, trusting("a.org"))
	if got := exchanged(t, c, "hello"); got != "https a.org 2001:db8::7 hello" {
		t.Errorf("got %q", got)
	}
	c.Close()
}
