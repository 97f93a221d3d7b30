package engine

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

// tcpPair is a connection with both its ends.
func tcpPair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// tunnelTo makes a handler that upgrades to a tunnel.
func tunnelTo(tunnel exchange.Tunnel, done finished, prepare func(*exchange.Exchange)) exchange.HandlerFunc {
	return func(x *exchange.Exchange) error {
		x.SetFinishers(done.list())
		prepare(x)
		x.Reply(101)
		x.Response.Tunnel = tunnel
		return nil
	}
}

func nothing(*exchange.Exchange) {}

func (c *client) upgraded() {
	c.Helper()
	a := c.receive("GET")
	if a.StatusCode != 101 || a.Header.Get("Upgrade") != "websocket" || a.Header.Get("Connection") != "Upgrade" {
		c.Fatalf("got %d %v", a.StatusCode, a.Header)
	}
}

func TestATunnelCarriesBothDirectionsToTheirEnds(t *testing.T) {
	tunnel, backend := tcpPair(t)
	done := make(finished, 1)
	c := handle(t, tunnelTo(tunnel, done, nothing)).dial()
	c.send(upgrade + "early")
	c.upgraded()
	want := "early" + strings.Repeat("up", 50000)
	go func() {
		_, _ = io.WriteString(c.Conn, want[len("early"):])
		_ = c.Conn.(*net.TCPConn).CloseWrite()
	}()
	if up, err := io.ReadAll(backend); string(up) != want || err != nil {
		t.Errorf("the backend got %d bytes, %v", len(up), err)
	}
	// The other direction goes on.
	down := strings.Repeat("down", 50000)
	go func() {
		_, _ = io.WriteString(backend, down)
		backend.Close()
	}()
	if got, err := io.ReadAll(c.r); string(got) != down || err != nil {
		t.Errorf("the client got %d bytes, %v", len(got), err)
	}
	if e := <-done; e.err != nil || e.outcome.RequestBytes != int64(len(want)) || e.outcome.ResponseBytes != int64(len(down)) {
		t.Errorf("the exchange ended with %v, %+v", e.err, e.outcome)
	}
}

func TestATunnelEndsWhenOneSideBreaks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		breaks func(client, backend *net.TCPConn) *net.TCPConn // returns the side that is left
	}{
		{"the client", func(c, b *net.TCPConn) *net.TCPConn { c.SetLinger(0); c.Close(); return b }},
		{"the backend", func(c, b *net.TCPConn) *net.TCPConn { b.SetLinger(0); b.Close(); return c }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tunnel, backend := tcpPair(t)
			done := make(finished, 1)
			c := handle(t, tunnelTo(tunnel, done, nothing)).dial()
			c.send(upgrade)
			c.upgraded()
			left := tt.breaks(c.Conn.(*net.TCPConn), backend)
			if e := <-done; e.err == nil {
				t.Error("the exchange ended in order")
			}
			if n, err := left.Read(make([]byte, 1)); err == nil {
				t.Errorf("the side that is left got %d bytes", n)
			}
		})
	}
}

func TestAStillTunnelEnds(t *testing.T) {
	tunnel, _ := tcpPair(t)
	done := make(finished, 1)
	c := handle(t, tunnelTo(tunnel, done, func(x *exchange.Exchange) { x.Timeouts.Idle = short })).dial()
	c.send(upgrade)
	c.upgraded()
	c.ended()
	if e := <-done; e.err == nil || e.err.Code != "request.idle_timeout" {
		t.Errorf("the exchange ended with %v", e.err)
	}
}

func TestAHalfEndedTunnelEndsWhenItIsStill(t *testing.T) {
	tunnel, backend := tcpPair(t)
	done := make(finished, 1)
	c := start(t, Options{Handler: tunnelTo(tunnel, done, nothing), Timeouts: Timeouts{KeepAlive: short}}).dial()
	c.send(upgrade)
	c.upgraded()
	if err := backend.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.ended()
	if e := <-done; e.err == nil || e.err.Code != "request.idle_timeout" {
		t.Errorf("the exchange ended with %v", e.err)
	}
}

func TestCloseEndsATunnel(t *testing.T) {
	tunnel, backend := tcpPair(t)
	done := make(finished, 1)
	f := handle(t, tunnelTo(tunnel, done, nothing))
	c := f.dial()
	c.send(upgrade)
	c.upgraded()
	f.engine.Close()
	if n, err := backend.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the backend got %d bytes, %v", n, err)
	}
	if e := <-done; e.err == nil || e.err.Code != "gateway.closing" {
		t.Errorf("the exchange ended with %v", e.err)
	}
	f.awaitEmpty()
}

func TestATunnelThatAFailingHandlerLeftIsClosed(t *testing.T) {
	tunnel, backend := tcpPair(t)
	c := handle(t, func(x *exchange.Exchange) error {
		x.Reply(101)
		x.Response.Tunnel = tunnel
		return errors.New("oops")
	}).dial()
	c.send(upgrade)
	c.expect("GET", want{500, "", true})
	if n, err := backend.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the backend got %d bytes, %v", n, err)
	}
}
