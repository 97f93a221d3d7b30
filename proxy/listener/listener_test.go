package listener

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/snapshot"
)

const patience = 10 * time.Second

// hello answers every connection with the name of its listener.
func hello(c net.Conn, about *Connection) {
	defer c.Close()
	_, _ = io.WriteString(c, about.Listener)
}

// set makes a set on loopback, unless the options say otherwise.
func set(t *testing.T, o Options) *Set {
	t.Helper()
	if !o.Address.IsValid() {
		o.Address = netip.MustParseAddr("127.0.0.1")
	}
	o.Log = slog.New(slog.DiscardHandler)
	s := New(o)
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Wait(ctx); err != nil {
			t.Errorf("%d connections left: %v", s.Open(), err)
		}
	})
	return s
}

// listening starts a set with one listener.
func listening(t *testing.T, l *snapshot.Listener, o Options) *Set {
	t.Helper()
	s := set(t, o)
	s.Start()
	if err := s.Sync([]*snapshot.Listener{l}); err != nil {
		t.Fatal(err)
	}
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
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConnectionsMadeBeforeStartAreServedAfterIt(t *testing.T) {
	s := set(t, Options{Serve: hello})
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
	s := set(t, Options{Serve: func(c net.Conn, about *Connection) { <-release; hello(c, about) }})
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
	s := set(t, Options{Serve: hello})
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
	s := set(t, Options{Serve: hello})
	s.Close()
	if err := s.Sync([]*snapshot.Listener{listener("http")}); err == nil {
		t.Error("a closed set opened a socket")
	}
}
