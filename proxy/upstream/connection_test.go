package upstream

import (
	"fmt"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// idleConn is the only idle connection to an endpoint.
func (g *gateway) idleConn(addr netip.AddrPort) *conn {
	g.t.Helper()
	p := poolOf(g.endpoint(addr))
	if n := p.kept.Load(); n != 1 {
		g.t.Fatalf("%d idle connections, want 1", n)
	}
	return p.shelves[0].Load().conns[0]
}

// awaitNoise returns when what the backend did to its idle connection has arrived.
func (g *gateway) awaitNoise(addr netip.AddrPort) {
	g.t.Helper()
	for c := g.idleConn(addr); c.socket.isQuiet(); {
		runtime.Gosched()
	}
}

func TestAConnectionIsReused(t *testing.T) {
	g := newGateway(t, Options{}, backend(t, answering(ok)))
	for range 10 {
		g.exchange(request(http.MethodGet))
	}
	g.counts(Counters{Connects: 1, Reuses: 9})
}

func TestAnIdleConnectionIsCheckedBeforeReuse(t *testing.T) {
	for _, tc := range []struct {
		name string
		idle func(*peer)
	}{
		{"the backend has closed it", func(p *peer) { p.Close() }},
		{"the backend has reset it", (*peer).reset},
		{"the backend sent an answer that nobody asked for", func(p *peer) {
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			p.awaitEnd()
		}},
		{"the backend sent one byte", func(p *peer) { p.send("\n"); p.awaitEnd() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kept := make(chan struct{})
			addr := backend(t, func(p *peer) {
				if p.number > 1 {
					answering(ok)(p)
					return
				}
				p.request()
				p.send(ok)
				<-kept
				tc.idle(p)
			})
			g := newGateway(t, Options{}, addr)
			g.exchange(request(http.MethodGet))
			close(kept)
			g.awaitNoise(addr)
			if body := g.exchange(sending(http.MethodPost, strings.NewReader("x"), 1)); body != "ok" {
				t.Errorf("answered %q", body)
			}
			g.counts(Counters{Connects: 2, Stale: 1})
		})
	}
}

// closingUnderARequest answers the first request of its first connection, and closes that when the second arrives, as it looks
// when a backend's idle time ends in the same moment. Later connections answer.
func closingUnderARequest(t *testing.T) (addr netip.AddrPort, seen func() int) {
	t.Helper()
	var mu sync.Mutex
	requests := 0
	addr = backend(t, func(p *peer) {
		for n := 1; p.request() != nil; n++ {
			mu.Lock()
			requests++
			mu.Unlock()
			if p.number == 1 && n == 2 {
				p.reset()
				return
			}
			p.send(ok)
		}
	})
	return addr, func() int { mu.Lock(); defer mu.Unlock(); return requests }
}

func TestAKeptConnectionThatClosesUnderARequest(t *testing.T) {
	held, big := strings.Repeat("x", replayBody), strings.Repeat("x", replayBody+1)
	for _, tc := range []struct {
		name   string
		x      *exchange.Exchange
		replay bool
	}{
		{"GET is sent again", request(http.MethodGet), true},
		{"DELETE is sent again", request(http.MethodDelete), true},
		{"PUT with a small body is sent again", sending(http.MethodPut, strings.NewReader("x"), 1), true},
		{"PUT with a body that was kept is sent again", sending(http.MethodPut, strings.NewReader(held), replayBody), true},
		{"PUT with a body that was streamed is not", sending(http.MethodPut, strings.NewReader(big), int64(len(big))), false},
		{"POST without a body is not", request(http.MethodPost), false},
		{"POST with a small body is not", sending(http.MethodPost, strings.NewReader("x"), 1), false},
		{"PATCH is not", sending(http.MethodPatch, strings.NewReader("x"), 1), false},
		{"an unknown method is not", request("BREW"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr, seen := closingUnderARequest(t)
			g := newGateway(t, Options{}, addr)
			g.exchange(request(http.MethodGet))
			if !tc.replay {
				g.fails(tc.x, errReset)
				if n := seen(); n != 2 {
					t.Errorf("the backend saw %d requests, want 2", n)
				}
				if n := g.endpoint(addr).Failures(); n != 0 {
					t.Errorf("the race counts as %d failures of the endpoint", n)
				}
				g.counts(Counters{Connects: 1, Reuses: 1})
				return
			}
			if body := g.exchange(tc.x); body != "ok" {
				t.Errorf("answered %q", body)
			}
			if n := seen(); n != 3 {
				t.Errorf("the backend saw %d requests, want 3", n)
			}
			if n := g.endpoint(addr).Failures(); n != 0 {
				t.Errorf("the race counts as %d failures of the endpoint", n)
			}
			g.counts(Counters{Connects: 2, Reuses: 1, Replays: 1})
		})
	}
}

func TestARequestOfWhichNothingWasSentIsSentOnANewConnection(t *testing.T) {
	over := make(chan struct{})
	addr := backend(t, func(p *peer) { answering(ok)(p); <-over })
	defer close(over)
	g := newGateway(t, Options{}, addr)
	g.exchange(request(http.MethodGet))
	// As if a reset arrived behind the check: nothing to read, and no way to write.
	if err := g.idleConn(addr).nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if body := g.exchange(sending(http.MethodPost, strings.NewReader("x"), 1)); body != "ok" {
		t.Errorf("answered %q", body)
	}
	g.counts(Counters{Connects: 2, Reuses: 1, Replays: 1})
}

func TestANewConnectionThatClosesUnderARequestIsAFailure(t *testing.T) {
	addr := backend(t, func(p *peer) { p.request() })
	for _, tc := range []struct {
		method   string
		attempts int
	}{{http.MethodGet, 2}, {http.MethodPost, 1}} {
		t.Run(tc.method, func(t *testing.T) {
			g := newGateway(t, Options{}, addr)
			g.fails(request(tc.method), errReset)
			if n := g.endpoint(addr).Failures(); n != tc.attempts {
				t.Errorf("%d failures of the endpoint, want %d", n, tc.attempts)
			}
			g.counts(Counters{Connects: uint64(tc.attempts), Replays: uint64(tc.attempts - 1)})
		})
	}
}

func TestARequestIsReplayedAtAnotherEndpoint(t *testing.T) {
	breaks, works := backend(t, func(p *peer) { p.request() }), backend(t, answering(ok))
	g := newGateway(t, Options{}, breaks, works)
	for range 20 {
		x := request(http.MethodGet)
		if body := g.exchange(x); body != "ok" || x.Upstream.Address != works {
			t.Errorf("%v answered %q", x.Upstream.Address, body)
		}
	}
	if g.Counters().Replays == 0 {
		t.Error("the endpoint that breaks connections was never asked")
	}
}

func TestRetriesAreBounded(t *testing.T) {
	addr := backend(t, func(p *peer) { p.request() })
	g := newGateway(t, Options{}, addr)
	const exchanges = 400
	attempts := 0
	for range exchanges {
		x := request(http.MethodGet)
		g.fails(x, errReset)
		attempts += x.Upstream.Attempts
	}
	// All that is saved, and a fifth of what comes.
	if want := exchanges + 100 + exchanges/5; attempts < want-1 || attempts > want+1 {
		t.Errorf("%d attempts at %d requests, want %d", attempts, exchanges, want)
	}
	if c := g.Counters(); c.Denials != uint64(2*exchanges-attempts) {
		t.Errorf("%d retries were denied", c.Denials)
	}
}

func TestAnAnswerThatBeganIsNotTriedAgain(t *testing.T) {
	addr := backend(t, func(p *peer) {
		p.request()
		p.send(ok)
		p.request()
		p.send("HTTP/1.1 2")
	})
	g := newGateway(t, Options{}, addr)
	g.exchange(request(http.MethodGet))
	g.fails(request(http.MethodGet), errCut)
	g.counts(Counters{Connects: 1, Reuses: 1})
}

func TestEndpointsThatTakeNoConnection(t *testing.T) {
	works := backend(t, answering(ok))
	var dead []netip.AddrPort
	for range 4 {
		dead = append(dead, refusing(t))
	}
	for _, tc := range []struct {
		name      string
		endpoints []netip.AddrPort
		want      *exchange.Error // nil: answered
		attempts  int             // 0: depends on the balancer
	}{
		{name: "no endpoint", want: errNoEndpoint},
		{name: "one of one refuses", endpoints: dead[:1], want: errConnect, attempts: 1},
		{name: "two of two refuse", endpoints: dead[:2], want: errConnect, attempts: 2},
		{name: "no more than three are asked", endpoints: dead, want: errConnect, attempts: 3},
		{name: "two of three refuse", endpoints: []netip.AddrPort{dead[0], dead[1], works}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGateway(t, Options{}, tc.endpoints...)
			for range 3 {
				x := sending(http.MethodPost, strings.NewReader("x"), 1)
				if tc.want != nil {
					g.fails(x, tc.want)
				} else if body := g.exchange(x); body != "ok" || x.Upstream.Address != works {
					t.Errorf("%v answered %q", x.Upstream.Address, body)
				}
				if tc.attempts != 0 && x.Upstream.Attempts != tc.attempts {
					t.Errorf("%d attempts, want %d", x.Upstream.Attempts, tc.attempts)
				}
				if x.Upstream.Cluster != clusterName {
					t.Errorf("cluster %q", x.Upstream.Cluster)
				}
			}
		})
	}
}

func TestAnEndpointThatRefusesIsEjected(t *testing.T) {
	dead, works := refusing(t), backend(t, answering(ok))
	g := newGateway(t, Options{}, dead, works)
	for range 30 {
		g.exchange(request(http.MethodGet))
	}
	if !g.endpoint(dead).Ejected(time.Now()) {
		t.Error("it is not")
	}
	if n := g.Counters().ConnectFailures; n != 5 {
		t.Errorf("it was asked %d times, want 5", n)
	}
}

func TestARequestFinishesWhenItsEndpointLeaves(t *testing.T) {
	arrived, answer, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	leaves := backend(t, func(p *peer) {
		p.request()
		close(arrived)
		<-answer
		p.send(ok)
		p.awaitEnd()
		close(ended)
	})
	stays := backend(t, answering(ok))
	g := newGateway(t, Options{}, leaves)
	x, done := request(http.MethodGet), make(chan string)
	go func() { done <- g.exchange(x) }()
	<-arrived
	g.set(stays)
	close(answer)
	if body := <-done; body != "ok" {
		t.Errorf("answered %q", body)
	}
	<-ended // Its connection was not kept.
	if g.exchange(request(http.MethodGet)); g.endpoint(stays).InFlight() != 0 {
		t.Error("the endpoint that stays counts wrongly")
	}
}

func TestIdleConnectionsOfAnEndpointThatLeavesAreClosed(t *testing.T) {
	ended := make(chan struct{})
	addr := backend(t, func(p *peer) { answering(ok)(p); close(ended) })
	g := newGateway(t, Options{}, addr)
	g.exchange(request(http.MethodGet))
	g.set()
	<-ended
	g.fails(request(http.MethodGet), errNoEndpoint)
}

func TestAnEndpointThatStaysKeepsItsConnections(t *testing.T) {
	addr := backend(t, answering(ok))
	g := newGateway(t, Options{}, addr)
	g.exchange(request(http.MethodGet))
	g.set(addr, refusing(t))
	g.set(addr)
	g.exchange(request(http.MethodGet))
	g.counts(Counters{Connects: 1, Reuses: 1})
}

func TestConnectionsThatNobodyUsesAreClosed(t *testing.T) {
	ended := make(chan struct{})
	addr := backend(t, func(p *peer) { answering(ok)(p); close(ended) })
	g := newGateway(t, Options{IdleTimeout: 5 * time.Millisecond}, addr)
	g.run()
	g.exchange(request(http.MethodGet))
	<-ended
}

func TestSweepClosesTheOldOnesOnly(t *testing.T) {
	base := time.Now()
	p := &pool{}
	addr := backend(t, (*peer).awaitEnd)
	g := newGateway(t, Options{}, addr)
	for i := range 5 {
		nc, err := (&trip{Cluster: g.handler, x: request(http.MethodGet)}).dial(g.endpoint(addr), base.Add(time.Hour), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		p.put(newConn(nc, g.Upstreams, p), base.Add(time.Duration(i)*time.Second), 5)
	}
	p.sweep(base.Add(2 * time.Second))
	for want := 4; want >= 2; want-- {
		if c := p.take(); c == nil || c.idleSince != base.Add(time.Duration(want)*time.Second) {
			t.Fatalf("connection %d is not the next", want)
		}
	}
	if p.take() != nil {
		t.Error("an old connection was left")
	}
}

func TestNoMoreThanMaxIdleConnectionsAreKept(t *testing.T) {
	const clients, most = 6, 2
	var all sync.WaitGroup
	all.Add(clients)
	addr := backend(t, func(p *peer) {
		p.request()
		all.Done()
		all.Wait() // so that they are all in flight at once
		p.send(ok)
		p.awaitEnd()
	})
	g := newGateway(t, Options{MaxIdle: most}, addr)
	var done sync.WaitGroup
	for range clients {
		done.Go(func() { g.exchange(request(http.MethodGet)) })
	}
	done.Wait()
	if n := poolOf(g.endpoint(addr)).kept.Load(); n != most {
		t.Errorf("%d connections are kept, want %d", n, most)
	}
}

// TestManyClients is for the race detector: exchanges of all kinds while endpoints come and go, none of which may fail.
func TestManyClients(t *testing.T) {
	var addrs []netip.AddrPort
	for i := range 3 {
		addrs = append(addrs, backend(t, answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", i))))
	}
	g := newGateway(t, Options{IdleTimeout: 4 * time.Millisecond}, addrs...)
	g.run()
	stop := make(chan struct{})
	var changes, clients sync.WaitGroup
	changes.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				g.set(addrs[i%3], addrs[(i+1)%3])
				runtime.Gosched()
			}
		}
	})
	body := strings.Repeat("x", 3*smallBody)
	for range 4 {
		clients.Go(func() {
			for i := range 200 {
				x := request(http.MethodGet)
				if i%3 == 0 {
					x = sending(http.MethodPut, strings.NewReader(body), exchange.Unknown)
				}
				x.Timeouts.Idle = time.Minute
				x.SetDeadline(time.Now().Add(time.Minute))
				err := g.handler.Serve(x)
				if err == nil {
					_, err = readBody(x)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	changes.Wait()
	g.settled()
}
