package listener

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/penstock/penstock/proxy/snapshot"
)

// hello answers every connection with the name of its listener.
func hello(c net.Conn, listener string) {
	defer c.Close()
	_, _ = io.WriteString(c, listener)
}

func set(t *testing.T, serve Serve) *Set {
	t.Helper()
	s := New(netip.MustParseAddr("127.0.0.1"), serve, slog.New(slog.DiscardHandler))
	t.Cleanup(s.Close)
	return s
}

func listener(name string) *snapshot.Listener {
	return &snapshot.Listener{Name: name, Protocol: snapshot.HTTP}
}

func read(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func dial(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConnectionsMadeBeforeStartAreServedAfterIt(t *testing.T) {
	s := set(t, hello)
	if err := s.Sync([]*snapshot.Listener{listener("http")}); err != nil {
		t.Fatal(err)
	}
	c := dial(t, s.Addr("http"))
	s.Start()
	if got := read(t, c); got != "http" {
		t.Errorf("got %q from the listener", got)
	}
}

func TestSyncLeavesWhatStaysAndItsConnections(t *testing.T) {
	release := make(chan struct{})
	s := set(t, func(c net.Conn, name string) { <-release; hello(c, name) })
	s.Start()
	if err := s.Sync([]*snapshot.Listener{listener("a"), listener("b")}); err != nil {
		t.Fatal(err)
	}
	kept, dropped := dial(t, s.Addr("a")), s.Addr("b")
	before := s.Addr("a").String()
	if err := s.Sync([]*snapshot.Listener{listener("a")}); err != nil {
		t.Fatal(err)
	}
	if after := s.Addr("a").String(); after != before {
		t.Errorf("listener a moved from %s to %s", before, after)
	}
	if c, err := net.Dial("tcp", dropped.String()); err == nil {
		c.Close()
		t.Error("listener b still accepts")
	}
	close(release)
	if got := read(t, kept); got != "a" {
		t.Errorf("the connection of a listener that stayed got %q", got)
	}
}

func TestSyncOpensTheOthersWhenOneFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := set(t, hello)
	busy := listener("busy")
	busy.Port = uint16(taken.Addr().(*net.TCPAddr).Port)
	if err := s.Sync([]*snapshot.Listener{busy, listener("free")}); err == nil {
		t.Error("a port that is taken gave no error")
	}
	if s.Addr("free") == nil {
		t.Error("the other listener was not opened")
	}
	if s.Addr("busy") != nil {
		t.Error("the failed listener counts as open")
	}
}

func TestSyncAfterCloseFails(t *testing.T) {
	s := set(t, hello)
	s.Close()
	if err := s.Sync([]*snapshot.Listener{listener("http")}); err == nil {
		t.Error("a closed set opened a socket")
	}
}
