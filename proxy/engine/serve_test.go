package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// want is an answer in short form: status, body, and whether the connection ends with it.
type want struct {
	status int
	body   string
	ends   bool
}

func (c *client) expect(method string, w want) {
	c.Helper()
	a := c.receive(method)
	if a.StatusCode != w.status || a.body != w.body || a.err != nil || a.Close != w.ends {
		c.Errorf("got %d %.100q (%v), close %v; want %+v", a.StatusCode, a.body, a.err, a.Close, w)
	}
	if a.Header.Get("Date") == "" {
		c.Error("the answer has no date")
	}
}

// conversations are what clients send, and the answers of echo.
var conversations = []struct {
	name, send string
	want       []want
}{
	{"keep-alive", get, []want{{200, "GET / ", false}}},
	{"the path is normalised", "GET /a/../%62?c HTTP/1.1\r\nHost: x\r\n\r\n", []want{{200, "GET /b ", false}}},
	{"pipelining", get + "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n" + get, []want{{200, "GET / ", false}, {200, "GET /2 ", false}, {200, "GET / ", false}}},
	{"a body with a length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + get, []want{{200, "POST / abc", false}, {200, "GET / ", false}}},
	{"chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\nT: v\r\n\r\n" + get, []want{{200, "POST / abc", false}, {200, "GET / ", false}}},
	{"an empty line before a request", get + "\r\n" + get, []want{{200, "GET / ", false}, {200, "GET / ", false}}},
	{"close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []want{{200, "GET / ", true}}},
	{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", []want{{200, "GET / ", true}}},
	{"HTTP/1.0 with keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get, []want{{200, "GET / ", false}, {200, "GET / ", false}}},
	{"the asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", []want{{200, "OPTIONS * ", false}}},
	{"a large head", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 50<<10) + "\r\n\r\n" + get, []want{{200, "GET / ", false}, {200, "GET / ", false}}},
	{"a bad path does not end the connection", "POST /%2f HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + get, []want{{400, "request.path", false}, {200, "GET / ", false}}},
	{"an encoded NUL", "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", []want{{400, "request.path", false}}},
	{"malformed", "GET /\r\n\r\n", []want{{400, "request.malformed", true}}},
	{"length and coding", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", []want{{400, "request.framing", true}}},
	{"no host", "GET / HTTP/1.1\r\n\r\n", []want{{400, "request.host", true}}},
	{"a long line", "GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", []want{{414, "request.line_too_long", true}}},
	{"a long head", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 61<<10) + "\r\n\r\n", []want{{431, "request.head_too_large", true}}},
	{"many fields", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n", []want{{431, "request.too_many_fields", true}}},
	{"an unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", []want{{501, "request.unsupported", true}}},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []want{{505, "request.version", true}}},
	{"a bad chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", []want{{400, "", true}}},
	{"a bad request behind a good one", get + "oops\r\n", []want{{200, "GET / ", false}, {400, "request.malformed", true}}},
}

func TestConversations(t *testing.T) {
	f := handle(t, echo)
	for _, tt := range conversations {
		t.Run(tt.name, func(t *testing.T) {
			f := *f
			f.T = t
			c := f.dial()
			c.send(tt.send)
			c.converse(tt.want)
		})
	}
}

func (c *client) converse(answers []want) {
	c.Helper()
	for _, w := range answers {
		c.expect("GET", w)
		if w.ends {
			c.ended()
			return
		}
	}
	c.send("GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	c.expect("GET", want{200, "GET /last ", true})
	c.ended()
}

func TestConversationsByteByByte(t *testing.T) {
	f := handle(t, echo)
	for _, tt := range conversations {
		if len(tt.send) > 1000 {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			f := *f
			f.T = t
			c := f.dial()
			go func() {
				for i := range len(tt.send) {
					// What follows a refusal may find the connection closed.
					_, _ = io.WriteString(c.Conn, tt.send[i:i+1])
				}
			}()
			for _, w := range tt.want {
				c.expect("GET", w)
			}
		})
	}
}

// reply makes a handler that gives this answer.
func reply(status int, body io.Reader, length int64) exchange.HandlerFunc {
	return func(x *exchange.Exchange) error {
		x.Reply(status)
		if c, ok := body.(io.ReadCloser); ok {
			x.Response.Body = c
		} else if body != nil {
			x.Response.Body = io.NopCloser(body)
		}
		x.Response.ContentLength = length
		return nil
	}
}

func TestAnswersOfUnknownLengthAreChunked(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20000)
	for _, body := range []string{"", "x", "hello", long[:4096], long} {
		for name, r := range map[string]io.Reader{
			"plain": strings.NewReader(body), "end with data": iotest.DataErrReader(strings.NewReader(body)), "pieces": iotest.HalfReader(strings.NewReader(body)),
		} {
			c := handle(t, reply(200, r, exchange.Unknown)).dial()
			c.send(get)
			a := c.receive("GET")
			if a.body != body || a.err != nil || len(a.TransferEncoding) != 1 || a.Close {
				t.Errorf("%s: got %d bytes of %d, %v, %v", name, len(a.body), len(body), a.err, a.TransferEncoding)
			}
		}
	}
}

func TestAnswersOfKnownLength(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20000)
	for _, body := range []string{"", "hello", long[:3000], long[:4096], long[:70000], long} {
		for name, r := range map[string]io.Reader{"plain": strings.NewReader(body), "pieces": iotest.HalfReader(strings.NewReader(body))} {
			c := handle(t, reply(200, r, int64(len(body)))).dial()
			c.send(get)
			if a := c.receive("GET"); a.body != body || a.err != nil || a.ContentLength != int64(len(body)) {
				t.Errorf("%s: got %d bytes of %d, %v", name, len(a.body), len(body), a.err)
			}
		}
	}
}

func TestAnswersWithoutBody(t *testing.T) {
	for _, tt := range []struct {
		method string
		status int
		length string
	}{
		{"HEAD", 200, "5"}, {"GET", 304, "5"}, {"GET", 204, ""}, {"HEAD", 404, "5"},
	} {
		c := handle(t, reply(tt.status, strings.NewReader("hello"), 5)).dial()
		for range 2 {
			c.send(tt.method + " / HTTP/1.1\r\nHost: x\r\n\r\n")
			a := c.receive(tt.method)
			if got := a.Header.Get("Content-Length"); a.StatusCode != tt.status || got != tt.length {
				t.Errorf("%s %d: got %d, length %q", tt.method, tt.status, a.StatusCode, got)
			}
		}
	}
}

func TestAnOldClientReadsUntilTheEnd(t *testing.T) {
	c := handle(t, reply(200, strings.NewReader("hello"), exchange.Unknown)).dial()
	c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if a := c.receive("GET"); a.body != "hello" || a.err != nil || !a.Close || a.TransferEncoding != nil {
		t.Errorf("got %q, %v", a.body, a.err)
	}
}

func TestBodiesAreStreamedBothWays(t *testing.T) {
	const size = 5 << 20
	for _, head := range []string{fmt.Sprintf("Content-Length: %d\r\n", size), "Transfer-Encoding: chunked\r\n"} {
		f := handle(t, func(x *exchange.Exchange) error {
			x.Reply(200)
			x.Response.Body = io.NopCloser(x.Request.Body)
			x.Response.ContentLength = x.Request.ContentLength
			return nil
		})
		c := f.dial()
		go func() {
			_, _ = io.WriteString(c.Conn, "POST / HTTP/1.1\r\nHost: x\r\n"+head+"\r\n")
			piece := strings.Repeat("x", 64<<10)
			for range size / len(piece) {
				if strings.HasPrefix(head, "T") {
					fmt.Fprintf(c.Conn, "%x\r\n%s\r\n", len(piece), piece)
				} else {
					_, _ = io.WriteString(c.Conn, piece)
				}
			}
			if strings.HasPrefix(head, "T") {
				_, _ = io.WriteString(c.Conn, "0\r\n\r\n")
			}
			_, _ = io.WriteString(c.Conn, get)
		}()
		// Of the long body most is unread when the answer begins, and it would be too long to be skipped.
		if a := c.receive("POST"); len(a.body) != size || a.err != nil || a.Close != strings.HasPrefix(head, "C") {
			t.Errorf("%s: got %d bytes, %v", head, len(a.body), a.err)
		}
	}
}

func TestContinueIsSentWhenTheBodyIsRead(t *testing.T) {
	c := handle(t, echo).dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	if a := c.receive("POST"); a.StatusCode != http.StatusContinue {
		t.Fatalf("got %d", a.StatusCode)
	}
	c.send("abc" + get)
	c.expect("POST", want{200, "POST / abc", false})
	c.expect("GET", want{200, "GET / ", false})
}

func TestContinueIsNotSentWhenTheBodyIsThere(t *testing.T) {
	c := handle(t, echo).dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
	c.expect("POST", want{200, "POST / abc", false})
}

func TestABodyThatWasNotAskedForEndsTheConnection(t *testing.T) {
	c := handle(t, reply(403, nil, 0)).dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	c.expect("POST", want{403, "", true})
	c.ended()
}

func TestABodyIsNotAskedForOnceTheAnswerHasBegun(t *testing.T) {
	failed := make(chan error, 1)
	c := handle(t, func(x *exchange.Exchange) error {
		x.Reply(200)
		x.Response.Body, x.Response.ContentLength = io.NopCloser(readerFunc(func([]byte) (int, error) {
			_, err := x.Request.Body.Read(make([]byte, 3))
			failed <- err
			return 0, io.EOF
		})), exchange.Unknown
		return nil
	}).dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	c.expect("POST", want{200, "", true})
	if err := <-failed; !errors.Is(err, exchange.ErrUninvited) {
		t.Errorf("reading it failed with %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestAnUnreadBody(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		ends          bool
	}{
		{"that is short is skipped", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\n\r\n" + strings.Repeat("x", 6000), false},
		{"in short chunks is skipped", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false},
		{"that is long ends the connection", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := handle(t, reply(403, nil, 0)).dial()
			c.send(tt.request)
			c.expect("POST", want{403, "", tt.ends})
			if tt.ends {
				c.ended()
				return
			}
			c.send(get)
			c.expect("GET", want{403, "", false})
		})
	}
}

func TestAnEndlessUnreadBodyEndsTheConnectionBehindTheAnswer(t *testing.T) {
	c := handle(t, reply(403, nil, 0)).dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	c.expect("POST", want{403, "", false})
	c.ended()
}

func TestFailingHandlers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler exchange.HandlerFunc
		want    want
		code    string
	}{
		{"an error", func(*exchange.Exchange) error { return errors.New("oops") }, want{500, "", true}, "internal"},
		{"an exchange.Error", func(*exchange.Exchange) error { return &exchange.Error{Status: 404, Code: "route.not_found"} }, want{404, "", false}, "route.not_found"},
		{"a panic", func(*exchange.Exchange) error { panic("oops") }, want{500, "", true}, "internal"},
		{"no answer", func(*exchange.Exchange) error { return nil }, want{500, "", true}, "internal"},
		{"101 without a tunnel", reply(101, nil, 0), want{500, "", true}, "internal"},
		{"an error without status", func(*exchange.Exchange) error { return &exchange.Error{Code: "odd"} }, want{500, "", false}, "odd"},
		{"an interim status", reply(103, nil, 0), want{500, "", true}, "internal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done := make(finished, 1)
			f := handle(t, func(x *exchange.Exchange) error { x.SetFinishers(done.list()); return tt.handler(x) })
			c := f.dial()
			c.send(get)
			c.expect("GET", tt.want)
			if e := <-done; e.err == nil || e.err.Code != tt.code {
				t.Errorf("the exchange ended with %v", e.err)
			}
			if n := f.engine.Counters.Panics.Load(); n != 0 && tt.name != "a panic" {
				t.Errorf("%d panics", n)
			}
		})
	}
}

// finished receives how exchanges ended.
type finished chan ending

type ending struct {
	err     *exchange.Error
	outcome exchange.Outcome
	target  string
}

func (f finished) Done(x *exchange.Exchange) {
	f <- ending{x.Err, x.Outcome, strings.Clone(x.Request.Target)}
}

func (f finished) list() []exchange.Finisher { return []exchange.Finisher{f} }

func TestTheOutcomeIsCounted(t *testing.T) {
	done := make(finished, 1)
	f := handle(t, func(x *exchange.Exchange) error { x.SetFinishers(done.list()); return echo(x) })
	c := f.dial()
	c.send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	c.expect("POST", want{200, "POST /a abc", false})
	e := <-done
	if e.outcome.RequestBytes != 3 || e.outcome.ResponseBytes != int64(len("POST /a abc")) || e.outcome.Duration <= 0 || e.err != nil || e.target != "/a" {
		t.Errorf("got %+v", e)
	}
}

// failing gives some bytes and then an error.
func failing(b string, err error) io.Reader {
	return io.MultiReader(strings.NewReader(b), iotest.ErrReader(err))
}

func TestABackendMayAnswerWithTheStatusOfClientsThatLeft(t *testing.T) {
	c := handle(t, reply(exchange.StatusClientClosed, strings.NewReader("token required"), exchange.Unknown)).dial()
	for range 2 {
		c.send(get)
		if a := c.receive(http.MethodGet); a.StatusCode != 499 || a.err != nil {
			t.Errorf("got %d, %q, %v", a.StatusCode, a.body, a.err)
		}
	}
}

func TestAnAnswerThatBreaksOffIsSeenToBeIncomplete(t *testing.T) {
	reset := &exchange.Error{Status: 502, Code: "upstream.reset"}
	for _, tt := range []struct {
		name, version string
		body          io.Reader
		length        int64
		code          string
	}{
		{"in chunks", "1.1", failing("hello", reset), exchange.Unknown, "upstream.reset"},
		{"with a length", "1.1", failing("hello", reset), 10, "upstream.reset"},
		{"shorter than its length", "1.1", strings.NewReader("hello"), 10, "upstream.truncated"},
		{"with an unknown error", "1.1", failing("hello", errors.New("oops")), exchange.Unknown, "upstream.truncated"},
		{"until close", "1.0", failing("hello", reset), exchange.Unknown, "upstream.reset"},
		{"before the first byte", "1.1", failing("", reset), 10, "upstream.reset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done := make(finished, 1)
			answer := reply(200, tt.body, tt.length)
			f := handle(t, func(x *exchange.Exchange) error { x.SetFinishers(done.list()); return answer(x) })
			c := f.dial()
			c.send("GET / HTTP/" + tt.version + "\r\nHost: x\r\n\r\n")
			raw, err := io.ReadAll(c.r)
			if tt.version == "1.0" && err == nil {
				t.Errorf("the body ended in order: %q", raw)
			}
			if strings.HasSuffix(string(raw), "\r\n0\r\n\r\n") {
				t.Errorf("the last chunk was sent: %q", raw)
			}
			if e := <-done; e.err == nil || e.err.Code != tt.code {
				t.Errorf("the exchange ended with %v", e.err)
			}
		})
	}
}

// closer is a body that tells when it is closed.
type closer struct {
	io.Reader
	closed atomic.Int64
}

func (c *closer) Close() error { c.closed.Add(1); return nil }

func TestTheBodyIsClosedOnceBeforeTheExchangeIsFinished(t *testing.T) {
	for _, request := range []string{get, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"} {
		body := &closer{Reader: strings.NewReader("hello")}
		closed := make(chan int64, 1)
		f := handle(t, func(x *exchange.Exchange) error {
			x.SetFinishers([]exchange.Finisher{finisher(func(*exchange.Exchange) { closed <- body.closed.Load() })})
			x.Reply(200)
			x.Response.Body, x.Response.ContentLength = body, 5
			return nil
		})
		c := f.dial()
		c.send(request)
		if n := <-closed; n != 1 {
			t.Errorf("closed %d times", n)
		}
	}
}

type finisher func(*exchange.Exchange)

func (f finisher) Done(x *exchange.Exchange) { f(x) }

// writes counts the writes of a connection.
type writes struct {
	net.Conn
	count atomic.Int64
}

func (w *writes) Write(p []byte) (int, error) { w.count.Add(1); return w.Conn.Write(p) }

// ready is a body that says how much of it is there.
type ready struct{ io.Reader }

func (ready) Buffered() int { return 1 }

func (ready) Close() error { return nil }

func TestHeadAndBodyTakeOneWriteIfTheyFit(t *testing.T) {
	small, large := strings.Repeat("x", 900), strings.Repeat("x", 50000)
	for _, tt := range []struct {
		name   string
		body   io.Reader
		length int64
		want   int64
	}{
		{"small", strings.NewReader(small), int64(len(small)), 1},
		{"large", strings.NewReader(large), int64(len(large)), 1},
		{"none", nil, 0, 1},
		{"a chunk that is there", ready{iotest.DataErrReader(strings.NewReader(small))}, exchange.Unknown, 1},
		{"a chunk that may not be there", iotest.DataErrReader(strings.NewReader(small)), exchange.Unknown, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := New(Options{Handler: reply(200, tt.body, tt.length)})
			server, nc := net.Pipe()
			w := &writes{Conn: server}
			go e.ServeConn(w, &Connection{Listener: "http", Scheme: "http"})
			defer nc.Close()
			go func() { _, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }()
			if _, err := io.ReadAll(nc); err != nil {
				t.Fatal(err)
			}
			if got := w.count.Load(); got != tt.want {
				t.Errorf("%d writes, want %d", got, tt.want)
			}
		})
	}
}

func TestTheHeadOfAStreamDoesNotWaitForItsBody(t *testing.T) {
	body, feed := io.Pipe()
	c := handle(t, reply(200, body, exchange.Unknown)).dial()
	c.send(get)
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for range 3 {
		if _, err := feed.Write([]byte("event")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r.Body, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
	}
	feed.Close()
	if _, err := io.ReadAll(r.Body); err != nil {
		t.Error(err)
	}
}

func TestWhatTheEngineFillsIn(t *testing.T) {
	c := handle(t, func(x *exchange.Exchange) error {
		x.Reply(200)
		x.SetBody(fmt.Appendf(nil, "%s %s %s %v %v %v", x.Protocol, x.Listener, x.Request.Scheme, x.Peer, x.Client, x.Start.IsZero()))
		return nil
	}).dial()
	c.send(get)
	c.expect("GET", want{200, fmt.Sprintf("HTTP/1.1 http http %v 127.0.0.1 false", c.LocalAddr()), false})
}

func TestHeadLimitsAreTheOptions(t *testing.T) {
	c := start(t, Options{Handler: exchange.HandlerFunc(echo), Limits: http1.Limits{RequestLine: 20, Head: 50 << 10, Fields: 3}}).dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 49<<10) + "\r\n\r\n")
	c.expect("GET", want{200, "GET / ", false})
	c.send("GET /1234567 HTTP/1.1\r\nHost: x\r\n\r\n")
	c.expect("GET", want{414, "request.line_too_long", true})
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("oops") }

func TestAPanicBehindTheHandlerEndsOneConnection(t *testing.T) {
	for _, tt := range []struct {
		name string
		body io.Reader
		done exchange.Finisher
	}{
		{"in a body", panicking{}, finisher(func(*exchange.Exchange) {})},
		{"in a finisher", strings.NewReader("hello"), finisher(func(*exchange.Exchange) { panic("oops") })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := &closer{Reader: tt.body}
			f := handle(t, func(x *exchange.Exchange) error {
				x.SetFinishers([]exchange.Finisher{tt.done})
				x.Reply(200)
				x.Response.Body, x.Response.ContentLength = body, 5
				return nil
			})
			c := f.dial()
			c.send(get)
			_, _ = io.ReadAll(c.r) // What arrives of the answer does not matter, but it ends.
			f.awaitEmpty()
			if n := body.closed.Load(); n != 1 {
				t.Errorf("the body was closed %d times", n)
			}
			if n := &f.engine.Counters; n.Panics.Load() != 1 || n.Serving.Load() != 0 {
				t.Errorf("%d panics, %d still serving", n.Panics.Load(), n.Serving.Load())
			}
			f.dial().send(get)
		})
	}
}

func TestALongHeadIsAnsweredAsWell(t *testing.T) {
	value := strings.Repeat("v", 10000)
	c := handle(t, func(x *exchange.Exchange) error {
		x.Reply(200)
		x.Response.Head.Add("X-Long", value)
		x.SetBody([]byte("hello"))
		return nil
	}).dial()
	c.send(get)
	if a := c.receive("GET"); a.Header.Get("X-Long") != value || a.body != "hello" {
		t.Errorf("got %d bytes of head, body %q", len(a.Header.Get("X-Long")), a.body)
	}
}

func TestManyPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	const count = 2000
	c := handle(t, echo).dial()
	go func() {
		for i := range count {
			fmt.Fprintf(c.Conn, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
		}
	}()
	for i := range count {
		c.expect("GET", want{200, fmt.Sprintf("GET /%d ", i), false})
	}
}
