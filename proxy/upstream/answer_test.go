package upstream

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

func TestAnswers(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 4<<10)
	for _, tc := range []struct {
		name   string
		method string // GET if empty
		answer string
		status int
		length int64
		body   string
		kept   bool
	}{
		{name: "a body with a length", answer: ok, status: 200, length: 2, body: "ok", kept: true},
		{name: "a body longer than the first read", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long), status: 200, length: int64(len(long)), body: long, kept: true},
		{name: "a chunked body", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=y\r\nyes\r\n0\r\nTrailer: z\r\n\r\n", status: 200, length: exchange.Unknown, body: "okyes", kept: true},
		{name: "a chunked body longer than the first read", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(long), long), status: 200, length: exchange.Unknown, body: long, kept: true},
		{name: "a body that ends with the connection", answer: "HTTP/1.1 200 OK\r\n\r\nok", status: 200, length: exchange.Unknown, body: "ok"},
		{name: "an empty body that ends with the connection", answer: "HTTP/1.1 200 OK\r\n\r\n", status: 200, length: exchange.Unknown},
		{name: "a head longer than the first read", answer: "HTTP/1.1 200 OK\r\nX-Long: " + long[:20<<10] + "\r\nContent-Length: 2\r\n\r\nok", status: 200, length: 2, body: "ok", kept: true},
		{name: "no body by length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, kept: true},
		{name: "no body by status 204", answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, kept: true},
		{name: "no body by status 304", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", status: 304, length: 9, kept: true},
		{name: "no body by method HEAD", method: http.MethodHead, answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", status: 200, length: 9, kept: true},
		{name: "the backend closes", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", status: 200, length: 2, body: "ok"},
		{name: "HTTP/1.0 closes", answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, length: 2, body: "ok"},
		{name: "HTTP/1.0 keeps alive if it says so", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", status: 200, length: 2, body: "ok", kept: true},
		{name: "interim answers are dropped", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok, status: 200, length: 2, body: "ok", kept: true},
		{name: "bytes behind a body", answer: ok + "x", status: 200, length: 2, body: "ok"},
		{name: "bytes behind a chunked body", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx", status: 200, length: exchange.Unknown, body: "ok"},
		{name: "bytes behind no body", answer: "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n", status: 204},
		{name: "a body behind an answer to HEAD", method: http.MethodHead, answer: ok, status: 200, length: 2},
		{name: "a length with 204", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", status: 204},
	} {
		t.Run(tc.name, func(t *testing.T) {
			method := tc.method
			if method == "" {
				method = http.MethodGet
			}
			numbers := make(chan int, 2)
			addr := backend(t, func(p *peer) {
				for p.request() != nil {
					numbers <- p.number
					p.send(tc.answer)
					if strings.HasSuffix(tc.name, "ends with the connection") {
						return
					}
				}
			})
			g := newGateway(t, Options{}, addr)
			for range 2 {
				x := request(method)
				body := g.exchange(x)
				if r := &x.Response; r.Status != tc.status || r.ContentLength != tc.length || body != tc.body {
					t.Errorf("got %d, length %d, %d bytes; want %d, length %d, %d bytes", r.Status, r.ContentLength, len(body), tc.status, tc.length, len(tc.body))
				}
				if tc.body == "" && tc.length >= 0 && x.Response.Body != nil {
					t.Error("an answer without a body has a Body")
				}
			}
			if first, second := <-numbers, <-numbers; (first == second) != tc.kept {
				t.Errorf("the connection was kept: %v, want %v", first == second, tc.kept)
			}
			g.settled()
		})
	}
}

func TestTheHeadOutlivesTheConnectionsLoan(t *testing.T) {
	addr := backend(t, func(p *peer) {
		for n := 1; p.request() != nil; n++ {
			p.send(fmt.Sprintf("HTTP/1.1 204 No Content\r\nServer: number-%d\r\n\r\n", n))
		}
	})
	g := newGateway(t, Options{}, addr)
	first, second := request(http.MethodGet), request(http.MethodGet)
	g.exchange(first)
	g.exchange(second)
	if got := first.Response.Head.Get(exchange.Server); got != "number-1" {
		t.Errorf("the first answer's field is %q after the second answer", got)
	}
	if got := second.Response.Head.Get(exchange.Server); got != "number-2" {
		t.Errorf("the second answer's field is %q", got)
	}
	g.counts(Counters{Connects: 1, Reuses: 1})
}

func TestMalformedAnswers(t *testing.T) {
	for _, tc := range []struct{ name, answer string }{
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"},
		{"a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"a head over the limit", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 4<<10) + "\r\n\r\n"},
		{"101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"interim answers without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim+1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := backend(t, func(p *peer) { p.request(); p.send(tc.answer); p.awaitEnd() })
			limits := http1.DefaultLimits
			limits.Head = 4 << 10
			g := newGateway(t, Options{Limits: limits}, addr)
			g.fails(request(http.MethodGet), errInterim)
			g.counts(Counters{Connects: 1})
		})
	}
}

func TestInterimAnswersTakeTheMemoryOfOne(t *testing.T) {
	hint := "HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 48<<10) + "\r\n\r\n"
	answer := []byte(strings.Repeat(hint, maxInterim) + ok)
	g := newGateway(t, Options{}, backend(t, func(p *peer) {
		p.request()
		_, _ = p.Write(answer)
		p.awaitEnd()
	}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	g.exchange(request(http.MethodGet))
	runtime.ReadMemStats(&after)
	const most = 512 << 10 // a buffer that doubles up to the size of a head, and what the test itself takes
	if took := after.TotalAlloc - before.TotalAlloc; took > most {
		t.Errorf("%d bytes were allocated for heads of %d, want at most %d", took, len(hint), most)
	}
}

func TestBodiesCutShort(t *testing.T) {
	for _, tc := range []struct {
		name, answer, want string
		failure            *exchange.Error
	}{
		{"by length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "ok", errCut},
		{"within a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok", "ok", errCut},
		{"between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "ok", errCut},
		{"by a chunk that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n", "ok", errInterim},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGateway(t, Options{}, backend(t, once(tc.answer)))
			x := request(http.MethodGet)
			if err := g.serve(x); err != nil {
				t.Fatal(err)
			}
			body, err := readBody(x)
			if body != tc.want || !errors.Is(err, tc.failure) {
				t.Errorf("read %q and %v, want %q and %v", body, err, tc.want, tc.failure)
			}
			g.settled()
		})
	}
}

func TestABodyThatIsClosedEarlyEndsTheConnection(t *testing.T) {
	ended := make(chan struct{})
	addr := backend(t, func(p *peer) {
		if p.request() == nil {
			return
		}
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
		p.awaitEnd()
		close(ended)
	})
	g := newGateway(t, Options{}, addr)
	x := request(http.MethodGet)
	if err := g.serve(x); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(x.Response.Body, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	x.Response.Body.Close()
	<-ended
	g.settled()
}

func TestUpgrade(t *testing.T) {
	addr := backend(t, func(p *peer) {
		r := p.request()
		if r.Header.Get("Upgrade") != "echo" {
			t.Errorf("asked for %q", r.Header.Get("Upgrade"))
		}
		p.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello ")
		_, _ = io.Copy(p, p.in)
	})
	g := newGateway(t, Options{}, addr)
	x := request(http.MethodGet)
	x.Request.Upgrade = "echo"
	if err := g.serve(x); err != nil {
		t.Fatal(err)
	}
	if x.Response.Status != 101 || x.Response.Body != nil {
		t.Errorf("status %d, body %v", x.Response.Status, x.Response.Body)
	}
	if _, err := io.WriteString(x.Response.Tunnel, "world"); err != nil {
		t.Fatal(err)
	}
	if err := x.Response.Tunnel.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(x.Response.Tunnel)
	if string(got) != "hello world" || err != nil {
		t.Errorf("the tunnel gave %q and %v", got, err)
	}
	if n := g.endpoint(addr).InFlight(); n != 1 {
		t.Errorf("%d in flight while the tunnel is open", n)
	}
	x.Response.Tunnel.Close()
	x.Response.Tunnel.Close()
	g.settled()
}

func TestABackendCannotChangeToAnotherProtocol(t *testing.T) {
	addr := backend(t, once("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n"))
	x := request(http.MethodGet)
	x.Request.Upgrade = "echo"
	newGateway(t, Options{}, addr).fails(x, errUnasked)
}

func TestAnUpgradeMayBeDeclined(t *testing.T) {
	g := newGateway(t, Options{}, backend(t, answering(ok)))
	x := request(http.MethodGet)
	x.Request.Upgrade = "echo"
	if body := g.exchange(x); body != "ok" || x.Response.Tunnel != nil {
		t.Errorf("answered %q, tunnel %v", body, x.Response.Tunnel)
	}
}

func TestWhatCameWithTheHead(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tc := range []struct {
		name, answer string
		want         int
	}{
		{"nothing", chunked, 0},
		{"a part of a chunk's size", chunked + "5", 0},
		{"a chunk's size", chunked + "5\r\n", 0},
		{"a part of a chunk", chunked + "5\r\nhe", 2},
		{"a part of a body without a length", "HTTP/1.1 200 OK\r\n\r\nhe", 2},
		{"a part of a body with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := backend(t, func(p *peer) { p.request(); p.send(tc.answer); p.awaitEnd() })
			g := newGateway(t, Options{}, addr)
			x := request(http.MethodGet)
			if err := g.serve(x); err != nil {
				t.Fatal(err)
			}
			defer x.Response.Body.Close()
			b := x.Response.Body.(interface{ Buffered() int })
			if got := b.Buffered(); got != tc.want {
				t.Errorf("%d bytes are buffered, want %d", got, tc.want)
			}
			if tc.want == 0 {
				return
			}
			if _, err := x.Response.Body.Read(make([]byte, 1)); err != nil || b.Buffered() != 0 {
				t.Errorf("after a read (%v) %d bytes are buffered", err, b.Buffered())
			}
		})
	}
}
