package standalone

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dialTo opens a connection that lasts as long as the test.
func dialTo(t *testing.T, address string) *client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return newClient(t, c)
}

func newClient(t *testing.T, c net.Conn) *client {
	t.Helper()
	return &client{c, t, bufio.NewReader(c)}
}

func TestConnectionsAreBoundedInAllAndByClient(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		flags        []string
	}{
		{"in all", "connections", []string{"--max-connections=2", "--max-connections-per-client=2"}},
		{"by client", "client_connections", []string{"--max-connections-per-client=2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, echo("b")))}, tt.flags...)
			first, second := g.dial(t), g.dial(t)
			for _, c := range []*client{first, second} {
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				if r := c.receive(); r.StatusCode != http.StatusOK {
					t.Fatalf("got %d", r.StatusCode)
				}
			}
			if c, err := net.Dial("tcp", g.traffic); err == nil {
				newClient(t, c).ended()
				c.Close()
			}
			want := `gateway_connections_refused_total{reason="` + tt.reason + `"} 1`
			if metrics := g.getAdmin(t, "/metrics").body; !strings.Contains(metrics, want) {
				t.Errorf("no %s in the metrics", want)
			}
			second.Close()
			eventually(t, "room for another connection", func() bool {
				r, err := g.try("a", "/")
				return err == nil && r.StatusCode == http.StatusOK
			})
			first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if r := first.receive(); r.StatusCode != http.StatusOK {
				t.Errorf("a connection within the bound got %d", r.StatusCode)
			}
		})
	}
}

func TestTheBoundsAreLogged(t *testing.T) {
	g := start(t, nil, "--max-connections=1000")
	for _, want := range []string{`"connections":1000`, `"connectionsPerClient":500`, `"memory":`} {
		if !strings.Contains(g.stderr.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, g.stderr)
		}
	}
}
