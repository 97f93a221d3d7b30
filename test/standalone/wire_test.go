package standalone

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// client is a connection to the gateway that sends what it is given, byte by byte.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// dial opens a connection to the gateway that lasts as long as the test.
func (g *gateway) dial(t *testing.T) *client {
	t.Helper()
	c, err := net.Dial("tcp", g.traffic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{c, t, bufio.NewReader(c)}
}

// send writes raw bytes. That the gateway has closed already shows in what is read next.
func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		c.t.Logf("send: %v", err)
	}
}

// receive reads one answer to a request without HEAD.
func (c *client) receive() *response {
	c.t.Helper()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatalf("after %q: %v", body, err)
	}
	return &response{r, string(body)}
}

// ended checks that the gateway sends nothing more and closes.
func (c *client) ended() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("the connection did not end: %q, %v", rest, err)
	}
}

// raw is a backend that does with its connections what it likes. They are closed behind it.
func raw(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}
