package http1

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

var (
	browserHead = []byte("GET /api/v1/users/42?fields=name,mail HTTP/1.1\r\n" +
		"Host: app1.example.com\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-US,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef\r\n" +
		"Connection: keep-alive\r\n\r\n")
	backendHead = []byte("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n" +
		"Content-Type: application/json\r\nContent-Length: 100\r\nConnection: keep-alive\r\nX-Request-Id: abc\r\n\r\n")
	badHead     = []byte("GET / HTTP/1.1\r\n\r\n")
	chunkedBody = []byte(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 32<<10, bytes.Repeat([]byte{'x'}, 32<<10)))
)

// work is each thing that happens for a request, once.
type work struct {
	request  exchange.Request
	response exchange.Response
	body     BodyReader
	src      bytes.Reader
	buf, dst []byte
}

func newWork() *work { return &work{buf: make([]byte, 64<<10), dst: make([]byte, 0, 4096)} }

func (w *work) parseRequest() {
	w.request = exchange.Request{Head: w.request.Head}
	if n, _, _, err := ParseRequest(browserHead, &w.request, DefaultLimits); n != len(browserHead) || err != nil {
		panic(fmt.Sprint(n, err))
	}
}

func (w *work) parseResponse() {
	if n, _, err := ParseResponse(backendHead, &w.response, "GET", DefaultLimits); n != len(backendHead) || err != nil {
		panic(fmt.Sprint(n, err))
	}
}

func (w *work) appendRequest() { w.dst = AppendRequest(w.dst[:0], &w.request) }

func (w *work) appendResponse() {
	w.dst = AppendResponse(w.dst[:0], &w.response, ResponseOptions{Protocol: exchange.HTTP11, KeepAlive: true})
}

func (w *work) readChunks() {
	w.src.Reset(chunkedBody)
	w.body.Reset(&w.src, w.dst[:0], Message{Length: exchange.Unknown})
	for {
		if _, err := w.body.Read(w.buf); isEnd(err) {
			return
		} else if err != nil {
			panic(err)
		}
	}
}

func (w *work) refuse() {
	if _, _, _, err := ParseRequest(badHead, &w.request, DefaultLimits); err == nil {
		panic("accepted")
	}
}

func steps(w *work) []struct {
	name string
	do   func()
} {
	return []struct {
		name string
		do   func()
	}{
		{"ParseRequest", w.parseRequest},
		{"AppendRequest", w.appendRequest},
		{"ParseResponse", w.parseResponse},
		{"AppendResponse", w.appendResponse},
		{"ReadChunks", w.readChunks},
		{"Refuse", w.refuse},
	}
}

func TestNothingIsAllocated(t *testing.T) {
	for _, s := range steps(newWork()) {
		if n := testing.AllocsPerRun(100, s.do); n != 0 {
			t.Errorf("%s: %v allocations", s.name, n)
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	for _, s := range steps(newWork()) {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.do()
			}
		})
	}
}
