package engine

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// short is a timeout that tests wait for; long is one that must not pass.
const (
	short = 60 * time.Millisecond
	long  = time.Hour
)

// waiter waits, as an upstream does, until its exchange is cancelled.
type waiter chan struct{}

func (w waiter) Interrupt() { close(w) }

func (w waiter) wait(x *exchange.Exchange) error {
	if err := x.SetInterrupt(w); err != nil {
		return err
	}
	<-w
	return x.Cancelled()
}

// waiting makes a handler that waits, and tells when it does.
func waiting(began chan<- struct{}, prepare func(*exchange.Exchange)) exchange.HandlerFunc {
	return func(x *exchange.Exchange) error {
		prepare(x)
		began <- struct{}{}
		return make(waiter).wait(x)
	}
}

func TestAClientThatLeavesCancelsItsExchange(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request string
		leave   func(*net.TCPConn) error
	}{
		{"close", get, (*net.TCPConn).Close},
		{"half-close", get, (*net.TCPConn).CloseWrite},
		{"reset", get, func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) }},
		{"close behind a body that nobody reads", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 50000), (*net.TCPConn).Close},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began, done := make(chan struct{}, 1), make(finished, 1)
			c := handle(t, waiting(began, func(x *exchange.Exchange) { x.SetFinishers(done.list()) })).dial()
			c.send(tt.request)
			<-began
			if err := tt.leave(c.Conn.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			if e := <-done; e.err == nil || e.err.Status != exchange.StatusClientClosed {
				t.Errorf("the exchange ended with %v", e.err)
			}
		})
	}
}

func TestAClientThatLeavesAnIdleStreamCancelsItsExchange(t *testing.T) {
	done := make(finished, 1)
	c := handle(t, func(x *exchange.Exchange) error {
		x.SetFinishers(done.list())
		x.Reply(200)
		body, feed := io.Pipe()
		x.Response.Body, x.Response.ContentLength = body, exchange.Unknown
		x.SetInterrupt(interrupter(func() { feed.CloseWithError(errors.New("interrupted")) }))
		return nil
	}).dial()
	c.send(get)
	if _, err := c.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if e := <-done; e.err == nil || e.err.Status != exchange.StatusClientClosed {
		t.Errorf("the exchange ended with %v", e.err)
	}
}

type interrupter func()

func (i interrupter) Interrupt() { i() }

func TestAnExchangeEndsAtItsDeadline(t *testing.T) {
	began := make(chan struct{}, 1)
	c := handle(t, waiting(began, func(x *exchange.Exchange) { x.SetDeadline(time.Now().Add(short)) })).dial()
	for range 2 {
		c.send(get)
		c.expect("GET", want{504, "", false})
		<-began
	}
}

func TestADeadlineEndsTheWaitForABody(t *testing.T) {
	c := handle(t, func(x *exchange.Exchange) error {
		x.SetDeadline(time.Now().Add(short))
		if err := x.SetInterrupt(interrupter(func() {})); err != nil {
			return err
		}
		_, err := io.ReadAll(x.Request.Body)
		return err
	}).dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
	a := c.receive("POST")
	if a.StatusCode != 504 {
		t.Errorf("got %d", a.StatusCode)
	}
	c.ended()
}

func TestAStreamEndsWhenNoByteMoves(t *testing.T) {
	done := make(finished, 1)
	c := handle(t, func(x *exchange.Exchange) error {
		x.SetFinishers(done.list())
		x.Timeouts.Idle = short
		x.Reply(200)
		body, feed := io.Pipe()
		x.Response.Body, x.Response.ContentLength = body, exchange.Unknown
		x.SetInterrupt(interrupter(func() { feed.CloseWithError(errors.New("interrupted")) }))
		return nil
	}).dial()
	c.send(get)
	if a := c.receive("GET"); a.err == nil {
		t.Errorf("the body ended in order: %q", a.body)
	}
	if e := <-done; e.err == nil || e.err.Code != "request.idle_timeout" {
		t.Errorf("the exchange ended with %v", e.err)
	}
}

func TestTimeouts(t *testing.T) {
	const slow = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na"
	for _, tt := range []struct {
		name     string
		timeouts Timeouts
		send     string
		want     *want
	}{
		{"a head that does not come", Timeouts{Head: short, KeepAlive: long}, "", nil},
		{"a head that does not end", Timeouts{Head: short}, "GET / HTTP/1.1\r\n", &want{408, "request.head_timeout", true}},
		{"a body that does not come", Timeouts{Body: short}, slow, &want{408, "", true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, Options{Handler: exchange.HandlerFunc(echo), Timeouts: tt.timeouts}).dial()
			c.send(tt.send)
			if tt.want != nil {
				c.expect("GET", *tt.want)
			}
			c.ended()
		})
	}
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	c := start(t, Options{Handler: exchange.HandlerFunc(echo), Timeouts: Timeouts{KeepAlive: short}}).dial()
	c.send(get)
	c.expect("GET", want{200, "GET / ", false})
	c.ended()
}

func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	done := make(finished, 1)
	c := start(t, Options{
		Timeouts: Timeouts{Write: short},
		Handler: exchange.HandlerFunc(func(x *exchange.Exchange) error {
			x.SetFinishers(done.list())
			x.Reply(200)
			x.Response.Body, x.Response.ContentLength = io.NopCloser(endless{}), exchange.Unknown
			return nil
		}),
	}).dial()
	c.send(get)
	if e := <-done; e.err == nil || e.err.Status != exchange.StatusClientClosed {
		t.Errorf("the exchange ended with %v", e.err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestABodyThatIsCutOffIsTheClientsFault(t *testing.T) {
	failed := make(chan error, 1)
	c := handle(t, func(x *exchange.Exchange) error {
		_, err := io.ReadAll(x.Request.Body)
		failed <- err
		return err
	}).dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
	c.Close()
	if err := <-failed; asError(err, errInternal).Status != exchange.StatusClientClosed {
		t.Errorf("got %v", err)
	}
}

func TestAnInterruptedBodyFails(t *testing.T) {
	c := handle(t, func(x *exchange.Exchange) error {
		body := x.Request.Body
		failed := make(chan error)
		go func() { _, err := io.ReadAll(body); failed <- err }()
		body.(exchange.Interrupter).Interrupt()
		if err := <-failed; err == nil {
			t.Error("the body was read")
		}
		x.Reply(403)
		return nil
	}).dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
	c.expect("POST", want{403, "", true})
	c.ended()
}

func TestDrain(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	f := handle(t, func(x *exchange.Exchange) error {
		if x.Request.Path == "/wait" {
			began <- struct{}{}
			<-release
		}
		return echo(x)
	})
	fresh, idle, busy := f.dial(), f.dial(), f.dial()
	idle.send(get)
	idle.expect("GET", want{200, "GET / ", false})
	busy.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	f.engine.Drain()
	idle.ended()
	close(release)
	busy.expect("GET", want{200, "GET /wait ", true})
	busy.ended()
	fresh.send(get)
	fresh.expect("GET", want{200, "GET / ", true})
	fresh.ended()
	for _, c := range []*client{fresh, idle, busy} {
		c.Close()
	}
	f.awaitEmpty()
}

func TestPartingEndsConnectionsWithTheirNextAnswer(t *testing.T) {
	f := handle(t, echo)
	idle := f.dial()
	idle.send(get)
	idle.expect("GET", want{200, "GET / ", false})
	f.engine.Part()
	for _, c := range []*client{f.dial(), idle} {
		c.send(get)
		c.expect("GET", want{200, "GET / ", true})
		c.ended()
		c.Close()
	}
	f.awaitEmpty()
}

func TestAConnectionThatIsNoSocketIsDrainedToo(t *testing.T) {
	e := New(Options{Handler: exchange.HandlerFunc(echo)})
	server, nc := net.Pipe()
	defer nc.Close()
	ended := make(chan struct{})
	go func() { e.ServeConn(server, &Connection{Listener: "http", Scheme: "http"}); close(ended) }()
	c := &client{T: t, Conn: nc, r: bufio.NewReader(nc)}
	c.send(get)
	c.expect("GET", want{200, "GET / ", false})
	e.Drain()
	c.ended()
	<-ended
}

func TestCloseEndsWhatIsLeft(t *testing.T) {
	began := make(chan struct{}, 1)
	f := handle(t, func(x *exchange.Exchange) error {
		if x.Refusal != nil {
			return echo(x)
		}
		return waiting(began, nothing)(x)
	})
	idle, busy := f.dial(), f.dial()
	busy.send(get)
	<-began
	idle.send("GET /%2f HTTP/1.1\r\nHost: x\r\n\r\n")
	idle.expect("GET", want{400, "request.path", false})
	f.engine.Close()
	busy.expect("GET", want{503, "", true})
	busy.ended()
	idle.ended()
	f.awaitEmpty()
	f.dial().ended()
}

func TestCloseEndsALingeringConnection(t *testing.T) {
	f := handle(t, echo)
	c := f.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	c.expect("GET", want{200, "GET / ", true})
	f.engine.Close()
	f.awaitEmpty()
}

func TestAnAnswerArrivesAlthoughMoreIsSentBehindARefusal(t *testing.T) {
	c := handle(t, echo).dial()
	go func() { _, _ = io.WriteString(c.Conn, "oops\r\n"+strings.Repeat("x", 1<<20)) }()
	c.expect("GET", want{400, "request.malformed", true})
}

func TestTheCountersCount(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	f := handle(t, func(x *exchange.Exchange) error {
		began <- struct{}{}
		<-release
		return echo(x)
	})
	c := f.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	<-began
	n := &f.engine.Counters
	if n.Serving.Load() != 1 {
		t.Errorf("while serving: serving %d", n.Serving.Load())
	}
	close(release)
	c.expect("GET", want{200, "GET / ", true})
	c.Close()
	f.awaitEmpty()
	if n.Serving.Load() != 0 {
		t.Errorf("afterwards: serving %d", n.Serving.Load())
	}
}
