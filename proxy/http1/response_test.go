package http1

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

func responseOutcome(b []byte, method string, l Limits) string {
	var r exchange.Response
	n, m, err := ParseResponse(b, &r, method, l)
	switch {
	case err != nil:
		return code(err)
	case n == 0:
		return "incomplete"
	}
	s := fmt.Sprintf("%d %d body=%d keep=%v length=%d", n, r.Status, m.Length, m.KeepAlive, r.ContentLength)
	for name, value := range r.Head.All() {
		s += fmt.Sprintf("; %s=%q", name, value)
	}
	return s
}

func TestResponses(t *testing.T) {
	const malformed = "502 upstream.malformed"
	for _, tt := range []struct{ name, clause, method, in, want string }{
		{"a length", "9112 §6.3", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n", `200 body=5 keep=true length=5; A="b"`},
		{"chunks", "9112 §6.3", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 body=-1 keep=true length=-1"},
		{"until close", "9112 §6.3", "GET", "HTTP/1.1 200 OK\r\n\r\n", "200 body=-2 keep=false length=-1"},
		{"an answer to HEAD", "9112 §6.3", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 body=0 keep=true length=5"},
		{"a chunked answer to HEAD", "9112 §6.3", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 body=0 keep=true length=-1"},
		{"304 with a length", "9112 §6.3", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 body=0 keep=true length=5"},
		{"304 without", "9112 §6.3", "GET", "HTTP/1.1 304 Not Modified\r\n\r\n", "304 body=0 keep=true length=-1"},
		{"204", "9112 §6.3", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "204 body=0 keep=true length=0"},
		{"204 with a length", "9110 §8.6", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "204 body=0 keep=false length=0"},
		{"an interim answer", "9110 §15.2", "GET", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", `103 body=0 keep=true length=0; Link="a"`},
		{"an interim answer with an empty length", "9110 §8.6", "GET", "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", "100 body=0 keep=true length=0"},
		{"an interim answer with a length", "9110 §8.6", "GET", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n", malformed},
		{"an interim answer with chunks", "9112 §6.1", "GET", "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", malformed},
		{"101 with a length", "9110 §8.6", "GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a\r\nContent-Length: 5\r\n\r\n", malformed},
		{"101", "9110 §7.8", "GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n", "101 body=0 keep=true length=0"},
		{"101 to HTTP/2", "9110 §7.8", "GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", malformed},
		{"101 to several protocols", "9110 §7.8", "GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a, b\r\n\r\n", malformed},
		{"101 without Upgrade", "9110 §7.8", "GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n", malformed},
		{"no reason", "9112 §4", "GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 body=0 keep=true length=0"},
		{"no reason and no space", "9112 §4", "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 body=0 keep=true length=0"},
		{"HTTP/1.0 closes", "9112 §9.3", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 body=0 keep=false length=0"},
		{"HTTP/1.0 keeps", "9112 §9.3", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", "200 body=0 keep=true length=0"},
		{"close", "9112 §9.3", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "200 body=0 keep=false length=0"},
		{"named fields are dropped", "9110 §7.6.1", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\nConnection: a, date\r\nDate: c\r\n\r\n", `200 body=0 keep=true length=0; Date="c"`},

		{"length and coding", "9112 §6.3", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", malformed},
		{"two lengths", "9112 §6.3", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", malformed},
		{"a list of lengths", "9112 §6.3", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", malformed},
		{"another coding", "9112 §6.3", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", malformed},
		{"a coding in HTTP/1.0", "9112 §6.1", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", malformed},
		{"a folded line", "9112 §5.2", "GET", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", malformed},
		{"a space before the colon", "9112 §5.1", "GET", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", malformed},
		{"HTTP/2.0", "9112 §2.3", "GET", "HTTP/2.0 200 OK\r\n\r\n", malformed},
		{"HTTP/0.9", "9112 §2.3", "GET", "<html>hello</html>", malformed},
		{"a status of two digits", "9112 §4", "GET", "HTTP/1.1 20 OK\r\n\r\n", malformed},
		{"a status of four digits", "9112 §4", "GET", "HTTP/1.1 2000 OK\r\n\r\n", malformed},
		{"status 600", "9110 §15", "GET", "HTTP/1.1 600 OK\r\n\r\n", malformed},
		{"status 099", "9110 §15", "GET", "HTTP/1.1 099 OK\r\n\r\n", malformed},
		{"two spaces before the status", "9112 §4", "GET", "HTTP/1.1  200 OK\r\n\r\n", malformed},
		{"a bare LF", "9112 §2.2", "GET", "HTTP/1.1 200 OK\nA: b\r\n\r\n", malformed},
		{"a bare CR in the reason", "9112 §2.2", "GET", "HTTP/1.1 200 O\rK\r\n\r\n", malformed},
		{"NUL in the reason", "9112 §4", "GET", "HTTP/1.1 200 O\x00K\r\n\r\n", malformed},
		{"a long head", "6585 §5", "GET", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 60<<10), malformed},
		{"a long reason", "9112 §4", "GET", "HTTP/1.1 200 " + strings.Repeat("a", 60<<10), malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want != malformed {
				want = fmt.Sprintf("%d %s", len(tt.in), want)
			}
			if got := responseOutcome([]byte(tt.in), tt.method, DefaultLimits); got != want {
				t.Errorf("RFC %s: %.60q gave\n %s, want\n %s", tt.clause, tt.in, got, want)
			}
		})
	}
}
