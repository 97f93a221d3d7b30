package proxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/headers"
	"github.com/penstock/penstock/proxy/filter/localreply"
	"github.com/penstock/penstock/proxy/i18n"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

const patience = 10 * time.Second

// gateway starts a gateway on a port of its own, with as many filters as the tests look at.
func gateway(tb testing.TB) *proxy.Gateway {
	tb.Helper()
	catalogue, err := i18n.Embedded()
	if err != nil {
		tb.Fatal(err)
	}
	g := proxy.New(proxy.Options{
		Address: netip.MustParseAddr("127.0.0.1"),
		Filters: filter.Registry{localreply.Definition(catalogue), headers.Response},
		Log:     slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err := g.Listen(listeners); err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(tb.Context())
	var running sync.WaitGroup
	running.Go(func() { g.Run(ctx) })
	tb.Cleanup(func() {
		stop()
		running.Wait()
		drain, cancel := context.WithCancel(context.Background())
		cancel()
		g.Drain(drain)
	})
	return g
}

var listeners = []*snapshot.Listener{
	{Name: snapshot.ListenerHTTP, Protocol: snapshot.HTTP},
	{Name: snapshot.ListenerHTTPS, Protocol: snapshot.HTTPS},
}

// wish is a snapshot of one route for each path, all to the cluster "backend", whose answers carry revision.
func wish(revision string, paths ...string) *snapshot.Snapshot {
	config, err := json.Marshal(map[string]any{"set": []map[string]string{{"name": "X-Revision", "value": revision}}})
	if err != nil {
		panic(err)
	}
	var routes []*snapshot.Route
	for _, p := range paths {
		routes = append(routes, (&snapshot.Route{
			ID: "test/r/" + strings.Trim(p, "/"), Listeners: []string{snapshot.ListenerHTTP},
			Matches:  []snapshot.Match{{Path: snapshot.Path{Type: snapshot.Prefix, Value: p}}},
			Filters:  []snapshot.Filter{{Name: "responseHeaders", Config: config}},
			Backends: []snapshot.Backend{{Cluster: "backend", Weight: 1}},
		}).Seal())
	}
	cluster := (&snapshot.Cluster{Name: "backend", Protocol: snapshot.HTTP, Balancer: snapshot.LeastRequest}).Seal()
	return proxytest.Snapshot(proxytest.Parts{Listeners: listeners, Routes: routes, Clusters: []*snapshot.Cluster{cluster}})
}

func backend(tb testing.TB, h http.HandlerFunc) snapshot.Endpoint {
	tb.Helper()
	s := httptest.NewServer(h)
	tb.Cleanup(s.Close)
	a := s.Listener.Addr().(*net.TCPAddr)
	return snapshot.Endpoint{Address: a.IP.String(), Port: uint16(a.Port)}
}

// client is one connection that never retries.
type client struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, g *proxy.Gateway) *client {
	t.Helper()
	c, err := net.Dial("tcp", g.Addr(snapshot.ListenerHTTP).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &client{c, bufio.NewReader(c)}
}

// get returns the status of the answer and the revision that it carries.
func (c *client) get(path string) (status int, revision string, err error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path); err != nil {
		return 0, "", err
	}
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, r.Header.Get("X-Revision"), err
}

func TestClientsBeforeTheFirstSnapshotWaitForIt(t *testing.T) {
	g := gateway(t)
	c := dial(t, g)
	if _, err := io.WriteString(c, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	g.SetEndpoints("backend", []snapshot.Endpoint{backend(t, func(http.ResponseWriter, *http.Request) {})})
	g.Apply(wish("1", "/a"))
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("got %d from before the first snapshot", r.StatusCode)
	}
}

func TestNoRequestFailsDuringSwapsAndEndpointChanges(t *testing.T) {
	g := gateway(t)
	ok := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
	all := []snapshot.Endpoint{backend(t, ok), backend(t, ok), backend(t, ok)}
	g.SetEndpoints("backend", all)
	g.Apply(wish("0", "/a"))
	stop := make(chan struct{})
	var sent, answered atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		c := dial(t, g)
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				sent.Add(1)
				status, _, err := c.get("/a/b")
				if err != nil || status != http.StatusOK {
					t.Errorf("a request got %d, %v", status, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	watcher := dial(t, g)
	for i := range 100 {
		revision := fmt.Sprint(i)
		g.Apply(wish(revision, "/a", fmt.Sprint("/other", i)))
		_, got, err := watcher.get("/a")
		if err != nil || got != revision {
			t.Fatalf("after swap %d the revision is %q, %v", i, got, err)
		}
		g.SetEndpoints("backend", all[i%3:])
	}
	close(stop)
	clients.Wait()
	if sent.Load() != answered.Load() || sent.Load() == 0 {
		t.Errorf("%d requests sent, %d answered", sent.Load(), answered.Load())
	}
}

func TestASwapClosesNoConnectionAndNoTunnel(t *testing.T) {
	g := gateway(t)
	g.SetEndpoints("backend", []snapshot.Endpoint{backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, rw)
	})})
	g.Apply(wish("1", "/a"))
	c := dial(t, g)
	if _, err := io.WriteString(c, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %d", r.StatusCode)
	}
	g.Apply(wish("2", "/b"))
	g.SetEndpoints("backend", nil)
	if _, err := io.WriteString(c, "still there\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := c.r.ReadString('\n'); line != "still there\n" {
		t.Errorf("the tunnel gave %q, %v after a swap that took its route away", line, err)
	}
}

func TestABadRouteIsReportedAndHarmsNoOther(t *testing.T) {
	g := gateway(t)
	g.SetEndpoints("backend", []snapshot.Endpoint{backend(t, func(http.ResponseWriter, *http.Request) {})})
	s := wish("1", "/bad", "/good")
	for r := range s.Routes.Values() {
		if r.ID == "test/r/bad" {
			r.Filters = append(r.Filters, snapshot.Filter{Name: "noSuchFilter"})
		}
	}
	problems := g.Apply(s)
	if len(problems) != 1 || problems[0].RouteID != "test/r/bad" {
		t.Errorf("problems: %+v", problems)
	}
	c := dial(t, g)
	for path, want := range map[string]int{"/bad": 500, "/good": 200, "/none": 404} {
		if status, _, err := c.get(path); err != nil || status != want {
			t.Errorf("%s: got %d, %v, want %d", path, status, err, want)
		}
	}
}

func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	g := gateway(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	g.SetEndpoints("backend", []snapshot.Endpoint{backend(t, func(http.ResponseWriter, *http.Request) { close(arrived); <-release })})
	g.Apply(wish("1", "/a"))
	c := dial(t, g)
	if _, err := io.WriteString(c, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-arrived
	drained := make(chan int64)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		drained <- g.Drain(ctx)
	}()
	// Drain closes the sockets after it has told the engine: from then on every answer ends its connection.
	for g.Addr(snapshot.ListenerHTTP) != nil {
		if t.Context().Err() != nil {
			t.Fatal("the listener stays open")
		}
	}
	close(release)
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK || !r.Close {
		t.Errorf("got %d, close %v", r.StatusCode, r.Close)
	}
	if cut := <-drained; cut != 0 {
		t.Errorf("%d connections were cut", cut)
	}
}
