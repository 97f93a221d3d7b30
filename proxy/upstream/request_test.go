package upstream

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
)

// echoing answers each request with its own body, once it has all of it.
func echoing(p *peer) {
	for r := p.request(); r != nil; r = p.request() {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Length: %d\r\n\r\n%s", len(b), r.ContentLength, b))
	}
}

func TestRequestBodies(t *testing.T) {
	g := newGateway(t, Options{}, backend(t, echoing))
	rounds := 0
	for _, size := range []int{1, 100, smallBody, smallBody + 1, buffer.Large, buffer.Large + 1, 10*buffer.Large + 7} {
		for _, way := range []struct {
			name string
			wrap func(io.Reader) io.Reader
		}{
			{"whole", func(r io.Reader) io.Reader { return r }},
			{"with its end", iotest.DataErrReader},
			{"in halves", iotest.HalfReader},
		} {
			for _, chunked := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d bytes, %s, chunked %v", size, way.name, chunked), func(t *testing.T) {
					content := strings.Repeat("0123456789", size/10+1)[:size]
					length := int64(size)
					if chunked {
						length = exchange.Unknown
					}
					x := sending(http.MethodPost, way.wrap(strings.NewReader(content)), length)
					if body := g.exchange(x); body != content {
						t.Errorf("the backend got %d bytes", len(body))
					}
					if got, _ := x.Response.Head.Lookup("X-Length"); got != fmt.Sprint(length) {
						t.Errorf("the backend was told the length %s, want %d", got, length)
					}
					rounds++
				})
			}
		}
	}
	g.counts(Counters{Connects: 1, Reuses: uint64(rounds - 1)})
}

func TestAnEmptyChunkedBody(t *testing.T) {
	g := newGateway(t, Options{}, backend(t, echoing))
	for range 2 {
		if body := g.exchange(sending(http.MethodPost, strings.NewReader(""), exchange.Unknown)); body != "" {
			t.Errorf("the backend got %q", body)
		}
	}
	g.counts(Counters{Connects: 1, Reuses: 1})
}

// pipe is a client's body that waits until it is written, closed or interrupted.
type pipe struct {
	*io.PipeReader
	*io.PipeWriter
	interrupted chan struct{}
}

func newPipe() *pipe {
	r, w := io.Pipe()
	return &pipe{r, w, make(chan struct{})}
}

func (p *pipe) Interrupt() {
	close(p.interrupted)
	p.PipeReader.Close()
}

func TestBothBodiesStreamAtTheSameTime(t *testing.T) {
	addr := backend(t, func(p *peer) {
		r := p.request()
		p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		b := make([]byte, 1)
		for {
			if _, err := r.Body.Read(b); err != nil {
				break
			}
			p.send("1\r\n" + string(b) + "\r\n")
		}
		p.send("0\r\n\r\n")
		p.awaitEnd()
	})
	g := newGateway(t, Options{}, addr)
	client := newPipe()
	x := sending(http.MethodPost, client, exchange.Unknown)
	if err := g.serve(x); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1)
	for _, b := range []byte("abc") {
		if _, err := client.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(x.Response.Body, got); err != nil || got[0] != b {
			t.Fatalf("wrote %q, read %q and %v", b, got, err)
		}
	}
	client.PipeWriter.Close()
	if rest, err := readBody(x); rest != "" || err != nil {
		t.Errorf("at the end: %q and %v", rest, err)
	}
	g.idleConn(addr)
	g.settled()
}

func TestAnAnswerBeforeTheEndOfTheRequestEndsTheConnection(t *testing.T) {
	for _, tc := range []struct{ name, answer, body string }{
		{"with a body", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig", "big"},
		{"without a body", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ended := make(chan struct{})
			addr := backend(t, func(p *peer) {
				p.request()
				p.send(tc.answer)
				p.awaitEnd()
				close(ended)
			})
			g := newGateway(t, Options{}, addr)
			client := newPipe()
			x := sending(http.MethodPost, client, 1<<20)
			if body := g.exchange(x); body != tc.body || x.Response.Status != http.StatusRequestEntityTooLarge {
				t.Errorf("answered %d %q", x.Response.Status, body)
			}
			<-client.interrupted
			if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("after the exchange the body gives %v", err)
			}
			<-ended
			g.settled()
		})
	}
}

func TestAnAnswerWhileTheBackendDoesNotRead(t *testing.T) {
	// More than the sockets hold: the pump waits in a write.
	body := io.LimitReader(zeros{}, 1<<30)
	over := make(chan struct{})
	addr := backend(t, func(p *peer) { p.request(); p.send(ok); <-over })
	defer close(over)
	g := newGateway(t, Options{}, addr)
	if got := g.exchange(sending(http.MethodPut, body, 1<<30)); got != "ok" {
		t.Errorf("answered %q", got)
	}
	g.settled()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestRequestBodiesThatFail(t *testing.T) {
	refused := &exchange.Error{Status: http.StatusBadRequest, Code: "request.framing", Source: exchange.FromClient}
	part := strings.Repeat("x", 2*smallBody)
	for _, tc := range []struct {
		name   string
		body   io.Reader
		length int64
		want   *exchange.Error
	}{
		{"a small one that is short", strings.NewReader("x"), 2, errClient},
		{"a small one that breaks", iotest.ErrReader(io.ErrUnexpectedEOF), 2, errClient},
		{"a small one that is malformed", iotest.ErrReader(refused), 2, refused},
		{"a large one that is short", strings.NewReader(part), 3 * smallBody, errClient},
		{"a large one that breaks", io.MultiReader(strings.NewReader(part), iotest.ErrReader(io.ErrUnexpectedEOF)), 3 * smallBody, errClient},
		{"a large one that is malformed", io.MultiReader(strings.NewReader(part), iotest.ErrReader(refused)), exchange.Unknown, refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			truncated := make(chan error, 1)
			addr := backend(t, func(p *peer) {
				_, err := io.Copy(io.Discard, p.request().Body)
				truncated <- err
			})
			g := newGateway(t, Options{}, addr)
			g.fails(sending(http.MethodPost, tc.body, tc.length), tc.want)
			if tc.length == 2 {
				g.counts(Counters{})
				return
			}
			if err := <-truncated; err == nil {
				t.Error("the backend took the body for whole")
			}
			if n := g.endpoint(addr).Failures(); n != 0 {
				t.Errorf("the client's failure counts as %d of the endpoint", n)
			}
		})
	}
}

func TestABodyThatFailsWhileTheAnswerIsRead(t *testing.T) {
	addr := backend(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
		p.awaitEnd()
	})
	g := newGateway(t, Options{}, addr)
	client := newPipe()
	x := sending(http.MethodPost, client, exchange.Unknown)
	if err := g.serve(x); err != nil {
		t.Fatal(err)
	}
	client.PipeWriter.CloseWithError(io.ErrUnexpectedEOF)
	if body, err := readBody(x); body != "ok" || !errors.Is(err, errClient) {
		t.Errorf("read %q and %v", body, err)
	}
	g.settled()
}

func TestA101AheadOfTheBodyIsRefused(t *testing.T) {
	addr := backend(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
		p.awaitEnd()
	})
	g := newGateway(t, Options{}, addr)
	x := sending(http.MethodPost, newPipe(), exchange.Unknown)
	x.Request.Upgrade = "echo"
	g.fails(x, errUnasked)
}

// uninvited is a body that does not come: its client waited for 100 Continue until the answer began.
type uninvited struct{ answered chan struct{} }

func (u uninvited) Read([]byte) (int, error) {
	<-u.answered
	return 0, errClient.With(exchange.ErrUninvited)
}

func TestABodyThatIsNotInvitedHarmsNoAnswerThatHasBegun(t *testing.T) {
	refused := make(chan struct{})
	addr := backend(t, func(p *peer) {
		if p.request() == nil {
			return
		}
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
		<-refused
		p.send("k")
		p.awaitEnd()
	})
	g := newGateway(t, Options{}, addr)
	b := uninvited{make(chan struct{})}
	x := sending(http.MethodPost, b, exchange.Unknown)
	if err := g.serve(x); err != nil {
		t.Fatal(err)
	}
	close(b.answered)
	(*conn)(x.Response.Body.(*body)).pump.done.Wait()
	close(refused)
	if got, err := readBody(x); got != "ok" || err != nil {
		t.Errorf("read %q and %v", got, err)
	}
	g.settled()
}
