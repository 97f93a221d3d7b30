package standalone

import (
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// forgetful is a backend whose first connection answers one request and closes when it gets the second. Others are kept. It
// counts the requests of each method.
type forgetful struct {
	conns, gets, posts atomic.Int64
}

func (f *forgetful) serve(c net.Conn) {
	first := f.conns.Add(1) == 1
	b := make([]byte, 4<<10)
	for served := 0; ; served++ {
		n, err := c.Read(b) // the gateway writes a head, and a small body, at once
		if err != nil {
			return
		}
		if strings.HasPrefix(string(b[:n]), "GET ") {
			f.gets.Add(1)
		} else {
			f.posts.Add(1)
		}
		if first && served == 1 {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

func TestAKeptConnectionThatClosesUnderARequest(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		status        int
		gets, posts   int64
	}{
		{"a GET is sent again", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, 3, 0},
		{"a POST is not", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 502, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f forgetful
			g := start(t, map[string]string{"r.yaml": route("r", "a", "/", raw(t, f.serve))})
			c := g.dial(t)
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if r := c.receive(); r.StatusCode != 200 {
				t.Fatalf("the first request got %d", r.StatusCode)
			}
			c.send("%s", tt.request)
			if r := c.receive(); r.StatusCode != tt.status {
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
			if gets, posts := f.gets.Load(), f.posts.Load(); gets != tt.gets || posts != tt.posts {
				t.Errorf("the backend saw %d GET and %d POST, want %d and %d", gets, posts, tt.gets, tt.posts)
			}
		})
	}
}

func TestAKeptConnectionThatWasClosedMeanwhileIsNotUsed(t *testing.T) {
	closed := make(chan struct{}, 2)
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", raw(t, func(c net.Conn) {
		answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(c)
		c.Close()
		closed <- struct{}{}
	}))})
	c := g.dial(t)
	for range 2 {
		// A POST, which would not be sent again.
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
		if r := c.receive(); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		<-closed
	}
}

func TestATunnelSurvivesAnEdit(t *testing.T) {
	chat := raw(t, func(c net.Conn) {
		answering("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")(c)
		_, _ = io.Copy(c, c)
	})
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", chat)})
	c := g.dial(t)
	c.send("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if r := c.receive(); r.StatusCode != 101 || r.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("got %d %v", r.StatusCode, r.Header)
	}
	says := func(word string) {
		t.Helper()
		c.send("%s", word)
		got := make([]byte, len(word))
		if _, err := io.ReadFull(c.r, got); err != nil || string(got) != word {
			t.Fatalf("sent %q, got %q, %v", word, got, err)
		}
	}
	says("before")
	g.write(t, "r.yaml", route("r", "a", "/", backend(t, echo("new"))))
	eventually(t, "the edit to serve", func() bool { return strings.HasPrefix(g.get(t, "a", "/").body, "new") })
	says("after the edit")
	g.write(t, "r.yaml", route("other", "b", "/", backend(t, echo("new"))))
	eventually(t, "the route to be gone", func() bool { return g.get(t, "a", "/").StatusCode == 404 })
	says("after the end of its route")
}

// TestAnIdleConnectionHolds4KiBOfStack: a request that needs more makes the stack twice as large, and the connection keeps it.
func TestAnIdleConnectionHolds4KiBOfStack(t *testing.T) {
	const clients = 400
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, echo("b")))})
	g.get(t, "a", "/") // has opened the connection to the backend, which takes a larger stack, and is over
	before := g.metric(t, "go_memstats_stack_inuse_bytes")
	for range clients {
		c := g.dial(t)
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if r := c.receive(); r.StatusCode != 200 {
			t.Fatalf("got %d", r.StatusCode)
		}
	}
	if each := (g.metric(t, "go_memstats_stack_inuse_bytes") - before) / clients; each > 5<<10 {
		t.Errorf("a connection that has had a request holds %.0f bytes of stack, want 4096", each)
	}
}

// metric returns the value of a metric without labels.
func (g *gateway) metric(t *testing.T, name string) float64 {
	t.Helper()
	for line := range strings.Lines(g.getAdmin(t, "/metrics").body) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
