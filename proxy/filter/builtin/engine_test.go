package builtin_test

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/engine"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/builtin"
)

// logged is what tests look at in a line of the access log.
type logged struct {
	Method, Path, Code, Client string
	Status, ResponseBytes      int
}

// served is a real engine with the base chain around a handler, on one connection.
type served struct {
	client net.Conn
	chain  filter.Chain // holds the series that it counts into
	deps   builtin.Deps
	log    *strings.Builder
	ended  sync.WaitGroup
}

func serve(t *testing.T, last exchange.Handler) *served {
	t.Helper()
	s := &served{log: &strings.Builder{}}
	s.deps = newDeps(t, s.log)
	var err error
	s.chain, err = builtin.Registry(s.deps).Chain(true, nil, filter.Env{}, last)
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(engine.Options{
		Log: slog.New(slog.DiscardHandler),
		Handler: exchange.HandlerFunc(func(x *exchange.Exchange) error {
			x.SetFinishers(s.chain.Finishers)
			return s.chain.Handler.Serve(x)
		}),
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.client.Close(); ln.Close() })
	s.ended.Go(func() { e.ServeConn(server, &engine.Connection{Listener: "http", Scheme: "http"}) })
	return s
}

// end closes the connection and returns what was logged.
func (s *served) end(t *testing.T) []logged {
	t.Helper()
	s.client.Close()
	s.ended.Wait()
	s.deps.AccessLog.Close()
	var all []logged
	for line := range strings.Lines(s.log.String()) {
		var l logged
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, l)
	}
	return all
}

func (s *served) send(t *testing.T, request string) {
	t.Helper()
	if _, err := io.WriteString(s.client, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
}

// received is an answer as a client reads it.
type received struct {
	status int
	trace  string
	close  bool
	length int64
	body   string
}

func receive(t *testing.T, r *bufio.Reader, method string) received {
	t.Helper()
	answer, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return received{answer.StatusCode, answer.Header.Get("X-Trace-ID"), answer.Close, answer.ContentLength, string(body)}
}

func TestFailuresReachTheClientAndTheLog(t *testing.T) {
	s := serve(t, exchange.HandlerFunc(func(*exchange.Exchange) error { return errPreallocated }))
	r := bufio.NewReader(s.client)

	s.send(t, "GET /a HTTP/1.1\nHost: a\nX-Trace-ID: 4bf92f3577b34da6a3ce929d0e0e4736\n\n")
	get := receive(t, r, "GET")
	if get.status != 503 || get.trace != "4bf92f3577b34da6a3ce929d0e0e4736" || !json.Valid([]byte(get.body)) ||
		!strings.Contains(get.body, `"code":"upstream.no_endpoint","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"`) {
		t.Errorf("answer %+v", get)
	}

	s.send(t, "HEAD /b HTTP/1.1\nHost: a\n\n")
	if head := receive(t, r, "HEAD"); head.status != 503 || head.body != "" || head.length != get.length {
		t.Errorf("answer to HEAD %+v, want 503 without the body of %d bytes", head, get.length)
	}
	want := []logged{
		{Method: "GET", Path: "/a", Code: "upstream.no_endpoint", Client: "127.0.0.1", Status: 503, ResponseBytes: int(get.length)},
		{Method: "HEAD", Path: "/b", Code: "upstream.no_endpoint", Client: "127.0.0.1", Status: 503},
	}
	if diff := cmp.Diff(want, s.end(t)); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
	if got, want := scrape(t, s.deps.Requests), `gateway_requests_total{method="HEAD",path="none",route="none",status="503"} 1`; !strings.Contains(got, want) {
		t.Errorf("no %s in\n%s", want, got)
	}
}

func TestRefusedRequestsReachTheClientAndTheLog(t *testing.T) {
	s := serve(t, exchange.HandlerFunc(func(x *exchange.Exchange) error { return x.Refusal }))
	s.send(t, "GET /a HTTP/1.1\nHost: a\nContent-Length: 1\nTransfer-Encoding: chunked\n\n")
	answer := receive(t, bufio.NewReader(s.client), "GET")
	if answer.status != 400 || !answer.close || !strings.Contains(answer.body, `"code":"request.framing"`) || len(answer.trace) != 32 {
		t.Errorf("answer %+v, want 400 that closes", answer)
	}
	want := []logged{{Method: "GET", Path: "/a", Code: "request.framing", Client: "127.0.0.1", Status: 400, ResponseBytes: len(answer.body)}}
	if diff := cmp.Diff(want, s.end(t)); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
}

// waiting is a handler that waits until its exchange is cancelled.
type waiting struct{ begun, stop chan struct{} }

func (w *waiting) Interrupt() { close(w.stop) }

func (w *waiting) Serve(x *exchange.Exchange) error {
	if cause := x.SetInterrupt(w); cause != nil {
		return cause
	}
	close(w.begun)
	<-w.stop
	return x.Cancelled()
}

func TestAClientThatLeavesIsLoggedAs499(t *testing.T) {
	w := &waiting{begun: make(chan struct{}), stop: make(chan struct{})}
	s := serve(t, w)
	s.send(t, "GET /slow HTTP/1.1\nHost: a\n\n")
	<-w.begun
	want := []logged{{Method: "GET", Path: "/slow", Code: "client.closed", Client: "127.0.0.1", Status: 499}}
	if diff := cmp.Diff(want, s.end(t)); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
}
