package upstream

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/iotest"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/snapshot"
)

const short = 20 * time.Millisecond

// silent is an address that answers no attempt to connect: its queue is full.
func silent(t *testing.T) netip.AddrPort {
	t.Helper()
	addr, err := listenWithoutQueue(t)
	if err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.DialTimeout("tcp", addr.String(), 5*short)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestTimeouts(t *testing.T) {
	// hanging sends these bytes for an answer, and no more.
	hanging := func(sent string) func(t *testing.T) netip.AddrPort {
		return func(t *testing.T) netip.AddrPort {
			t.Helper()
			return backend(t, func(p *peer) { p.request(); p.send(sent); p.awaitEnd() })
		}
	}
	const begun = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
	backendTime := func(x *exchange.Exchange) { x.Timeouts.Backend = short }
	idleTime := func(x *exchange.Exchange) { x.Timeouts.Idle = short }
	deadline := func(x *exchange.Exchange) { x.SetDeadline(time.Now().Add(short)) }
	for _, tc := range []struct {
		name    string
		backend func(*testing.T) netip.AddrPort
		limit   func(*exchange.Exchange)
		want    *exchange.Error
		body    bool // the answer's body fails, not the attempt
	}{
		{name: "an attempt's time ends before the head", backend: hanging(""), limit: backendTime, want: errTimeout},
		{name: "an attempt's time ends within the head", backend: hanging("HTTP/1.1 200"), limit: backendTime, want: errTimeout},
		{name: "an attempt's time ends after an interim answer", backend: hanging("HTTP/1.1 100 Continue\r\n\r\n"), limit: backendTime, want: errTimeout},
		{name: "silence before the head", backend: hanging(""), limit: idleTime, want: errTimeout},
		{name: "the deadline ends before the head", backend: hanging(""), limit: deadline, want: errTimeout},
		{name: "silence within the body", backend: hanging(begun), limit: idleTime, want: errTimeout, body: true},
		{name: "the deadline ends within the body", backend: hanging(begun), limit: deadline, want: errTimeout, body: true},
		{name: "no connection in time", backend: silent, limit: func(*exchange.Exchange) {}, want: errConnectTimeout},
		{name: "an attempt's time ends before there is a connection", backend: silent, limit: backendTime, want: errTimeout},
		{name: "the deadline ends before there is a connection", backend: silent, limit: deadline, want: errTimeout},
		{name: "the deadline is over", backend: hanging(""), limit: func(x *exchange.Exchange) { x.SetDeadline(past) }, want: errTimeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &snapshot.Cluster{Name: clusterName, ConnectTimeout: snapshot.Duration(5 * short)}
			g := newGatewayOf(t, Options{}, c, tc.backend(t))
			x := request(http.MethodGet)
			tc.limit(x)
			if !tc.body {
				g.fails(x, tc.want)
				return
			}
			if err := g.serve(x); err != nil {
				t.Fatal(err)
			}
			if body, err := readBody(x); body != "ok" || !errors.Is(err, tc.want) {
				t.Errorf("read %q and %v, want %v", body, err, tc.want)
			}
			g.settled()
		})
	}
}

func TestTimeoutsOfOneExchangeDoNotReachTheNext(t *testing.T) {
	addr := backend(t, answering(ok))
	g := newGateway(t, Options{}, addr)
	x := request(http.MethodGet)
	x.Timeouts.Backend, x.Timeouts.Idle = time.Minute, time.Minute
	g.exchange(x)
	// The alarms of that exchange go off now.
	c := g.idleConn(addr)
	c.ring(&c.read, past)
	c.ring(&c.write, past)
	for _, limit := range []time.Duration{0, time.Minute} {
		x := sending(http.MethodPost, newBody(2*smallBody), 2*smallBody)
		x.Timeouts.Backend = limit
		g.exchange(x)
	}
	g.counts(Counters{Connects: 1, Reuses: 2})
}

func newBody(n int64) io.Reader { return io.LimitReader(zeros{}, n) }

func TestAnUploadIsNotSilence(t *testing.T) {
	base := time.Now()
	var p patience
	p.begin(base, time.Time{}, time.Minute)
	at := func(d time.Duration) func() time.Time { return func() time.Time { return base.Add(d) } }
	if end := p.end(); end != base.Add(time.Minute) {
		t.Errorf("ends after %v", end.Sub(base))
	}
	p.moved(at(time.Hour))
	if end := p.end(); end != base.Add(time.Hour+time.Minute) {
		t.Errorf("after a byte at 1h it ends after %v", end.Sub(base))
	}
	p.until = base.Add(time.Second)
	if end := p.end(); end != p.until {
		t.Errorf("outlasts its limit: %v", end.Sub(base))
	}
	p.begin(base, time.Time{}, 0)
	if end := p.end(); !end.IsZero() {
		t.Errorf("without limits it ends: %v", end)
	}
}

func TestAnAlarmIsLeftStandingIfItGoesOffEarlyEnough(t *testing.T) {
	base := time.Now()
	for _, tc := range []struct {
		name    string
		at, end time.Time
		want    bool
	}{
		{"nothing to wait for", time.Time{}, time.Time{}, true},
		{"an old alarm, nothing to wait for", base, time.Time{}, true},
		{"not set", time.Time{}, base, false},
		{"at the time", base, base, true},
		{"before", base, base.Add(1), true},
		{"too late", base.Add(1), base, false},
	} {
		if got := (&alarm{at: tc.at}).rings(tc.end); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestATunnelEndsByItsIdleTimeNotByTheDeadline(t *testing.T) {
	addr := backend(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
		p.awaitEnd()
	})
	g := newGateway(t, Options{}, addr)
	x := request(http.MethodGet)
	x.Request.Upgrade = "echo"
	x.SetDeadline(time.Now().Add(time.Minute))
	x.Timeouts.Idle = short
	if err := g.serve(x); err != nil {
		t.Fatal(err)
	}
	defer x.Response.Tunnel.Close()
	if until := x.Response.Tunnel.(*tunnel).conn.patience.until; !until.IsZero() {
		t.Error("the exchange's deadline ends the tunnel")
	}
	if _, err := x.Response.Tunnel.Read(make([]byte, 1)); !errors.Is(err, errTimeout) {
		t.Errorf("a silent tunnel gives %v", err)
	}
}

func TestCancellation(t *testing.T) {
	left := errClient.With(errors.New("the client left"))
	hangs := func(sent string) func(*testing.T, chan<- struct{}) netip.AddrPort {
		return func(t *testing.T, waits chan<- struct{}) netip.AddrPort {
			t.Helper()
			return backend(t, func(p *peer) { p.request(); p.send(sent); close(waits); p.awaitEnd() })
		}
	}
	for _, tc := range []struct {
		name    string
		backend func(t *testing.T, waits chan<- struct{}) netip.AddrPort
		body    bool
	}{
		{"before anything", func(t *testing.T, waits chan<- struct{}) netip.AddrPort {
			t.Helper()
			close(waits)
			return silent(t)
		}, false},
		{"while the head is awaited", hangs(""), false},
		{"while the body is awaited", hangs("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			waits := make(chan struct{})
			addr := tc.backend(t, waits)
			g := newGateway(t, Options{}, addr)
			x := request(http.MethodGet)
			go func() { <-waits; x.Cancel(left) }()
			err := error(nil)
			if err = g.handler.Serve(x); err == nil {
				_, err = readBody(x)
			}
			if !errors.Is(err, errClient) || !errors.Is(err, left.Err) {
				t.Errorf("ended with %v, want %v", err, left)
			}
			if n := g.endpoint(addr).Failures(); n != 0 {
				t.Errorf("counts as %d failures of the endpoint", n)
			}
			g.settled()
		})
	}
}

func TestACancelledExchangeReachesNoBackend(t *testing.T) {
	for _, x := range []*exchange.Exchange{request(http.MethodGet), sending(http.MethodPost, iotest.ErrReader(io.ErrUnexpectedEOF), 1)} {
		g := newGateway(t, Options{}, refusing(t))
		x.Cancel(errClient)
		g.fails(x, errClient)
		g.counts(Counters{})
	}
}

func TestACancelledExchangeDoesNotUseAKeptConnection(t *testing.T) {
	g := newGateway(t, Options{}, backend(t, func(p *peer) {
		if p.request(); p.number == 1 {
			p.send(ok)
		}
		if p.request() != nil {
			t.Error("the backend got the request")
		}
	}))
	g.exchange(request(http.MethodGet))
	x := request(http.MethodGet)
	x.Cancel(errClient)
	g.fails(x, errClient)
}

func TestCancellationDuringAnUploadInterruptsTheBody(t *testing.T) {
	waits := make(chan struct{})
	addr := backend(t, func(p *peer) { p.request(); close(waits); p.awaitEnd() })
	g := newGateway(t, Options{}, addr)
	client := newPipe()
	x := sending(http.MethodPost, client, exchange.Unknown)
	go func() { <-waits; x.Cancel(errClient) }()
	g.fails(x, errClient)
	<-client.interrupted
}
