package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

// peer is a backend's side of one connection. Every byte that it sends is the test's.
type peer struct {
	*net.TCPConn
	in *bufio.Reader
	// number counts the backend's connections from 1.
	number int
}

// request reads a request's head. It returns nil at the end of the connection.
func (p *peer) request() *http.Request {
	r, err := http.ReadRequest(p.in)
	if err != nil {
		return nil
	}
	return r
}

func (p *peer) send(s string) {
	// A gateway that has left is what some tests are about.
	_, _ = io.WriteString(p, s)
}

// awaitEnd returns when the gateway has closed the connection.
func (p *peer) awaitEnd() { _, _ = io.Copy(io.Discard, p.in) }

// reset closes the connection with RST.
func (p *peer) reset() {
	_ = p.SetLinger(0)
	p.Close()
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// answering serves every request of a connection with the same bytes.
func answering(answer string) func(*peer) {
	return func(p *peer) {
		for r := p.request(); r != nil; r = p.request() {
			_, _ = io.Copy(io.Discard, r.Body)
			p.send(answer)
		}
	}
}

// once serves the first request of a connection with these bytes and then closes it.
func once(answer string) func(*peer) {
	return func(p *peer) {
		if r := p.request(); r != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			p.send(answer)
		}
	}
}

// backend runs serve for every connection, which is closed when it returns.
func backend(tb testing.TB, serve func(*peer)) netip.AddrPort {
	tb.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		tb.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 1; ; n++ {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			tb.Cleanup(func() { c.Close() })
			all.Go(func() {
				defer c.Close()
				serve(&peer{TCPConn: c, in: bufio.NewReader(c), number: n})
			})
		}
	})
	tb.Cleanup(all.Wait)
	tb.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// refusing is an address at which nothing listens.
func refusing(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// gateway is the code under test with one cluster.
type gateway struct {
	t *testing.T
	*Upstreams
	handler *Cluster
}

const clusterName = "shop/users:80"

func newGateway(t *testing.T, o Options, endpoints ...netip.AddrPort) *gateway {
	t.Helper()
	return newGatewayOf(t, o, &snapshot.Cluster{Name: clusterName, Balancer: snapshot.RoundRobin}, endpoints...)
}

func newGatewayOf(t *testing.T, o Options, c *snapshot.Cluster, endpoints ...netip.AddrPort) *gateway {
	t.Helper()
	o.Store = live.NewStore(NewPool)
	o.Log = slog.New(slog.DiscardHandler)
	g := &gateway{t: t, Upstreams: New(o)}
	if len(endpoints) > 0 {
		g.set(endpoints...)
	}
	g.handler = g.Handler(c).(*Cluster)
	t.Cleanup(func() {
		for e := range g.handler.live.Endpoints().All {
			e.Conns.Close()
		}
	})
	return g
}

// run runs the gateway's background work until the test ends.
func (g *gateway) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.Run(ctx) })
	g.t.Cleanup(running.Wait)
	g.t.Cleanup(cancel)
}

func (g *gateway) set(addrs ...netip.AddrPort) {
	g.t.Helper()
	var in []snapshot.Endpoint
	for _, a := range addrs {
		in = append(in, snapshot.Endpoint{Address: a.Addr().String(), Port: a.Port()})
	}
	if err := g.store.SetEndpoints(clusterName, in); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) endpoint(a netip.AddrPort) *live.Endpoint {
	g.t.Helper()
	for e := range g.handler.live.Endpoints().All {
		if e.Address == a {
			return e
		}
	}
	g.t.Fatalf("no endpoint %v", a)
	return nil
}

func request(method string) *exchange.Exchange {
	x := &exchange.Exchange{}
	x.Request.Method, x.Request.Path, x.Request.Authority = method, "/", "users.test"
	return x
}

// sending is a request with a body. Without a length it is chunked.
func sending(method string, body io.Reader, length int64) *exchange.Exchange {
	x := request(method)
	x.Request.Body, x.Request.ContentLength = body, length
	return x
}

func (g *gateway) serve(x *exchange.Exchange) *exchange.Error {
	g.t.Helper()
	err := g.handler.Serve(x)
	if err == nil {
		return nil
	}
	failed, isOurs := errors.AsType[*exchange.Error](err)
	if !isOurs {
		g.t.Fatalf("error %v is no *exchange.Error", err)
	}
	if x.Response.Status != 0 || x.Response.Body != nil {
		g.t.Errorf("an error and an answer (%d)", x.Response.Status)
	}
	return failed
}

// exchange makes a round trip that must succeed, and returns the answer's body.
func (g *gateway) exchange(x *exchange.Exchange) string {
	g.t.Helper()
	if err := g.serve(x); err != nil {
		g.t.Fatal(err)
	}
	body, err := readBody(x)
	if err != nil {
		g.t.Fatal(err)
	}
	return body
}

// fails makes a round trip that must fail so.
func (g *gateway) fails(x *exchange.Exchange, want *exchange.Error) {
	g.t.Helper()
	switch err := g.serve(x); {
	case err == nil:
		body, _ := readBody(x)
		g.t.Fatalf("answered %d %q, want %v", x.Response.Status, body, want)
	case !errors.Is(err, want) || err.Status != want.Status:
		g.t.Fatalf("failed with %v (%d), want %v", err, err.Status, want)
	}
	g.settled()
}

// settled checks that no endpoint counts a request as in flight.
func (g *gateway) settled() {
	g.t.Helper()
	for e := range g.handler.live.Endpoints().All {
		if n := e.InFlight(); n != 0 {
			g.t.Errorf("%v counts %d requests in flight", e.Address, n)
		}
	}
}

// readBody does what an engine does with an answer's body.
func readBody(x *exchange.Exchange) (string, error) {
	if x.Response.Body == nil {
		return "", nil
	}
	defer x.Response.Body.Close()
	var b strings.Builder
	_, err := io.Copy(&b, x.Response.Body)
	return b.String(), err
}

func (g *gateway) counts(want Counters) {
	g.t.Helper()
	if got := g.Counters(); got != want {
		g.t.Errorf("counters %+v, want %+v", got, want)
	}
}
