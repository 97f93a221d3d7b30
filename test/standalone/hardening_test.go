package standalone

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

func TestHeadsHaveBounds(t *testing.T) {
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, echo("r")))})
	for _, tt := range []struct {
		name, line, fields string
		status             int
	}{
		{"line of 8 KiB", "GET /" + strings.Repeat("a", 8<<10-len("GET / HTTP/1.1")) + " HTTP/1.1", "", 200},
		{"longer line", "GET /" + strings.Repeat("a", 8<<10-len("GET / HTTP/1.1")+1) + " HTTP/1.1", "", 414},
		{"line without end", "GET /" + strings.Repeat("a", 16<<10), "", 414},
		{"head of nearly 60 KiB", "GET / HTTP/1.1", "Cookie: " + strings.Repeat("c", 59<<10) + "\r\n", 200},
		{"larger head", "GET / HTTP/1.1", "Cookie: " + strings.Repeat("c", 60<<10) + "\r\n", 431},
		{"100 fields", "GET / HTTP/1.1", strings.Repeat("A: b\r\n", 99), 200},
		{"101 fields", "GET / HTTP/1.1", strings.Repeat("A: b\r\n", 100), 431},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := g.dial(t)
			c.send("%s\r\nHost: a\r\n%s\r\n", tt.line, tt.fields)
			r := c.receive()
			if r.StatusCode != tt.status {
				t.Errorf("got %d, want %d", r.StatusCode, tt.status)
			}
			if tt.status == 200 {
				return
			}
			c.ended()
			if l := g.log(t, r.Header.Get("X-Trace-ID")); l.Status != tt.status || l.Why == "" {
				t.Errorf("logged as %+v", l)
			}
		})
	}
}

func TestWhatTwoParsersCouldReadDifferentlyIsRefused(t *testing.T) {
	var smuggled atomic.Bool
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.Contains(r.RequestURI, "smuggled") {
			smuggled.Store(true)
		}
	}))})
	const behind = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, tt := range []struct{ name, request string }{
		{"length and coding", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"coding and length", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
		{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"},
		{"the same length twice", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"},
		{"list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n"},
		{"length with a sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n"},
		{"length in hex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n"},
		{"empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
		{"length over 64 bits", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"},
		{"two codings", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
		{"chunked not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
		{"folded line", "POST / HTTP/1.1\r\nHost: a\r\nX: b\r\n Content-Length: 5\r\n\r\n"},
		{"folded coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
		{"LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
		{"LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"},
		{"CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rContent-Length: 5\r\n\r\n"},
		{"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\x00\r\n\r\n"},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
		{"no Host", "GET / HTTP/1.1\r\n\r\n"},
		{"Host beside the target's", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"HTTP/0.9", "GET /\r\n"},
		{"chunk size with a sign", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n"},
		{"chunk size with LF", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n"},
		{"chunk longer than its size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n"},
		{"chunk size over 64 bits", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := g.dial(t)
			c.send("%s", tt.request+behind)
			r := c.receive()
			if r.StatusCode != 400 || r.Header.Get("Connection") != "close" && !r.Close {
				t.Errorf("got %d, closing: %v", r.StatusCode, r.Close)
			}
			c.ended()
		})
	}
	if smuggled.Load() {
		t.Error("a request that stood behind a refused one reached the backend")
	}
}

func TestAccessLogLinesCannotBeForged(t *testing.T) {
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, echo("r")))})
	forged := `x","status":200,"route":"forged","y":"`
	requests := []string{
		"GET /" + forged + " HTTP/1.1\r\nHost: a\r\nUser-Agent: " + forged + "\r\n\r\n",
		"GET /%0a%0d{%22traceId%22:%22forged%22} HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\xfe\tb\\\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: " + forged + "\r\n\r\n",
		forged + " / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\n{\"traceId\":\"forged\"} HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \x1b[2J\r\n\r\n",
	}
	for _, request := range requests {
		c := g.dial(t)
		c.send("%s", request)
		g.log(t, c.receive().Header.Get("X-Trace-ID"))
	}
	lines := strings.Split(strings.TrimSuffix(g.accessLog.String(), "\n"), "\n")
	if len(lines) != len(requests) {
		t.Errorf("%d lines about %d requests", len(lines), len(requests))
	}
	for _, line := range lines {
		var l logged
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Route == "forged" || l.TraceID == "forged" {
			t.Errorf("%q: %v", line, err)
		}
		for _, c := range line {
			if c < ' ' || c == 0x7f {
				t.Errorf("%q contains a control character", line)
			}
		}
	}
	var first logged
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || first.UserAgent != forged || first.Path != "/"+forged {
		t.Errorf("the first line is %+v, %v", first, err)
	}
}
