package engine

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
)

func TestPaceAsksForAnAverage(t *testing.T) {
	times := Timeouts{MinRate: 100, Grace: 10 * time.Second}
	for _, tt := range []struct {
		name string
		pace pace
		want time.Duration
	}{
		{"at first the grace, at most the patience", pace{}, 5 * time.Second},
		{"what was waited is taken off", pace{waited: 8 * time.Second}, 2 * time.Second},
		{"what moved is added", pace{waited: 10 * time.Second, bytes: 300}, 3 * time.Second},
		{"who is too slow gets nothing", pace{waited: 14 * time.Second, bytes: 300}, 1},
		{"who is quick gets the patience", pace{waited: time.Minute, bytes: 1 << 40}, 5 * time.Second},
		{"of a tunnel nothing is asked", pace{waited: time.Hour, free: true}, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.pace.allowance(5*time.Second, &times); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestABodyThatTricklesIsCutOff(t *testing.T) {
	c := start(t, Options{Handler: exchange.HandlerFunc(echo), Timeouts: Timeouts{Body: long, MinRate: 1 << 30, Grace: short}}).dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	go func() {
		for err := error(nil); err == nil; <-time.After(time.Millisecond) { // a byte now and then, until the connection ends
			_, err = c.Write([]byte("x"))
		}
	}()
	if a := c.receive("POST"); a.StatusCode != 408 {
		t.Errorf("got %d", a.StatusCode)
	}
}

func TestAClientThatTricklesItsAnswerIsCutOff(t *testing.T) {
	done := make(finished, 1)
	c := start(t, Options{
		Timeouts: Timeouts{Write: long, MinRate: 1 << 40, Grace: short},
		Handler: exchange.HandlerFunc(func(x *exchange.Exchange) error {
			x.SetFinishers(done.list())
			x.Reply(200)
			x.Response.Body, x.Response.ContentLength = io.NopCloser(endless{}), exchange.Unknown
			return nil
		}),
	}).dial()
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	c.send(get)
	var b [1]byte
	for {
		select {
		case e := <-done:
			if e.err == nil || e.err.Status != exchange.StatusClientClosed {
				t.Errorf("the exchange ended with %v", e.err)
			}
			return
		case <-time.After(time.Millisecond): // a byte now and then
			if _, err := c.Read(b[:]); err != nil {
				t.Fatalf("reading a byte: %v", err)
			}
		}
	}
}

func TestExchangesBeyondTheMostAreRefused(t *testing.T) {
	began := make(chan struct{}, 1)
	f := start(t, Options{MaxExchanges: 1, Handler: exchange.HandlerFunc(func(x *exchange.Exchange) error {
		if x.Refusal == nil && x.Request.Path == "/wait" {
			began <- struct{}{}
			return make(waiter).wait(x)
		}
		return echo(x)
	})})
	first, second := f.dial(), f.dial()
	first.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	second.send(get)
	second.expect("GET", want{503, "gateway.overloaded", false})
	first.Close()
	for { // The connection is as good as before once there is room.
		second.send(get)
		if a := second.receive("GET"); a.StatusCode == 200 {
			return
		}
	}
}

func TestALargeHeadIsRefusedWhenMemoryIsShort(t *testing.T) {
	f := start(t, Options{Handler: exchange.HandlerFunc(echo), Buffers: buffer.New(0)})
	c := f.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 5000) + "\r\n\r\n")
	c.expect("GET", want{503, "gateway.overloaded", true})
	small := f.dial()
	small.send(get)
	small.expect("GET", want{200, "GET / ", false})
}

func TestLargeBodiesFlowWhenMemoryIsShort(t *testing.T) {
	c := start(t, Options{Handler: exchange.HandlerFunc(echo), Buffers: buffer.New(0)}).dial()
	body := strings.Repeat("0123456789", 30_000)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c.Conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n"+body+"\r\n0\r\n\r\n")
		sent <- err
	}()
	c.expect("POST", want{200, "POST / " + body, false})
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestABodyBeyondTheRoutesMostIsRefused(t *testing.T) {
	limit := func(x *exchange.Exchange) error {
		x.MaxRequestBody = 5
		err := echo(x)
		if e, ok := errors.AsType[*exchange.Error](err); ok {
			x.Reply(e.Status)
			x.Err = e
			x.SetBody([]byte(e.Code))
			return nil
		}
		return err
	}
	for _, tt := range []struct {
		name, request string
		want          want
	}{
		{"as many bytes as allowed", "Content-Length: 5\r\n\r\n12345", want{200, "POST / 12345", false}},
		{"as many in chunks", "Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n3\r\n345\r\n0\r\n\r\n", want{200, "POST / 12345", false}},
		{"one too many", "Content-Length: 6\r\n\r\n123456", want{413, "request.body_too_large", true}},
		{"one too many in chunks", "Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n4\r\n3456\r\n0\r\n\r\n", want{413, "request.body_too_large", true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := handle(t, limit).dial()
			c.send("POST / HTTP/1.1\r\nHost: x\r\n" + tt.request)
			c.expect("POST", tt.want)
		})
	}
}

// TestAnEndThatCameWithTheRequestIsNoticed: the poller tells of request and end at once, and of the end not again.
func TestAnEndThatCameWithTheRequestIsNoticed(t *testing.T) {
	c := handle(t, echo).dial()
	c.send(get)
	c.expect("GET", want{200, "GET / ", false})
	c.send(get)
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	// Long before the time of an idle connection is over. A client that ends its side may be answered, or taken for one that left.
	if _, err := io.ReadAll(c.r); err != nil {
		t.Error(err)
	}
}
