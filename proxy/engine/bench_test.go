package engine

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

var static = []byte(strings.Repeat("x", 100))

// answerStatic answers from memory, so that what is measured is the engine.
func answerStatic(x *exchange.Exchange) error {
	x.Reply(200)
	x.Response.Head.AddID(exchange.ContentType, "text/plain")
	x.SetBody(static)
	return nil
}

// browser is the head of a usual request.
const browser = "GET /api/v1/users/%7Eme?fields=name,mail HTTP/1.1\r\n" +
	"Host: app1.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef\r\n" +
	"Connection: keep-alive\r\n\r\n"

// pair is a client's connection to an engine that serves it.
func pair(tb testing.TB, h exchange.HandlerFunc) net.Conn {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	e := New(Options{Handler: h, Log: slog.New(slog.DiscardHandler)})
	go e.ServeConn(server, &Connection{Listener: "http", Scheme: "http"})
	tb.Cleanup(func() { client.Close(); e.Close() })
	return client
}

// roundTrip makes one request; the answer comes in one write.
func roundTrip(tb testing.TB, c net.Conn, request, buf []byte) {
	tb.Helper()
	if _, err := c.Write(request); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.ReadAtLeast(c, buf, len(static)); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkRequest(b *testing.B) {
	c, request, buf := pair(b, answerStatic), []byte(browser), make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		roundTrip(b, c, request, buf)
	}
}
