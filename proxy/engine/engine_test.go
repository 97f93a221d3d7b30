package engine

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// patience is how long a test waits for what must happen. Nothing is concluded from how long it took.
const patience = 20 * time.Second

// fixture is an engine behind a socket on loopback.
type fixture struct {
	*testing.T
	engine *Engine
	addr   string
	open   *connections
}

// connections counts those that have been accepted and have not ended.
type connections struct {
	mu    sync.Mutex
	ended *sync.Cond
	n     int
}

func (c *connections) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += n
	c.ended.Broadcast()
}

func start(t *testing.T, o Options) *fixture {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &fixture{T: t, engine: New(o), open: new(connections)}
	f.open.ended = sync.NewCond(&f.open.mu)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f.open.add(1)
			go func() { f.engine.ServeConn(c, &Connection{Listener: "http", Scheme: "http"}); f.open.add(-1) }()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		f.engine.Close()
		f.awaitEmpty()
	})
	return f
}

// handle starts an engine with default options.
func handle(t *testing.T, h exchange.HandlerFunc) *fixture {
	t.Helper()
	return start(t, Options{Handler: h})
}

// awaitEmpty returns when every connection that was accepted has ended at the engine's side.
func (f *fixture) awaitEmpty() {
	f.open.mu.Lock()
	defer f.open.mu.Unlock()
	for f.open.n > 0 {
		f.open.ended.Wait()
	}
}

// client is a raw connection to the engine.
type client struct {
	*testing.T
	net.Conn
	r *bufio.Reader
}

func (f *fixture) dial() *client {
	f.Helper()
	nc, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &client{T: f.T, Conn: nc, r: bufio.NewReader(nc)}
}

func (c *client) send(s string) {
	c.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.Fatalf("sending: %v", err)
	}
}

type answer struct {
	*http.Response
	body string
	err  error // of reading the body
}

// receive reads one answer to a request of that method.
func (c *client) receive(method string) answer {
	c.Helper()
	r, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.Fatalf("receiving: %v", err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return answer{Response: r, body: string(body), err: err}
}

// ended waits for the connection's orderly end.
func (c *client) ended() {
	c.Helper()
	if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
		c.Errorf("instead of the connection's end: %q, %v", b, err)
	}
}

// echo answers with method, path and body.
func echo(x *exchange.Exchange) error {
	if x.Refusal != nil {
		x.Err = x.Refusal
		x.Reply(x.Refusal.Status)
		x.SetBody([]byte(x.Refusal.Code))
		return nil
	}
	var body []byte
	if x.Request.Body != nil {
		var err error
		if body, err = io.ReadAll(x.Request.Body); err != nil {
			return err
		}
	}
	x.Reply(200)
	x.SetBody([]byte(strings.Join([]string{x.Request.Method, x.Request.Path, string(body)}, " ")))
	return nil
}
