package http1

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

func TestAppendRequest(t *testing.T) {
	body := strings.NewReader("")
	for _, tt := range []struct {
		name string
		r    exchange.Request
		want string
	}{
		{"without body", exchange.Request{Method: "GET", Path: "/a", Authority: "x:80"}, "GET /a HTTP/1.1\r\nHost: x:80\r\nA: b\r\n\r\n"},
		{"a query", exchange.Request{Method: "GET", Path: "/a", Query: "b=c", HasQuery: true, Authority: "x"}, "GET /a?b=c HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"},
		{"an empty query", exchange.Request{Method: "GET", Path: "/", HasQuery: true, Authority: "x"}, "GET /? HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"},
		{"an empty POST", exchange.Request{Method: "POST", Path: "/", Authority: "x"}, "POST / HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 0\r\n\r\n"},
		{"a length", exchange.Request{Method: "GET", Path: "/", Authority: "x", Body: body, ContentLength: 5}, "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 5\r\n\r\n"},
		{"chunks", exchange.Request{Method: "PUT", Path: "/", Authority: "x", Body: body, ContentLength: exchange.Unknown}, "PUT / HTTP/1.1\r\nHost: x\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"an upgrade", exchange.Request{Method: "GET", Path: "/", Authority: "x", Upgrade: "websocket"}, "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"an asterisk", exchange.Request{Method: "OPTIONS", Path: "*", Authority: "x"}, "OPTIONS * HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.Head.Add("A", "b")
			if got := string(AppendRequest(nil, &tt.r)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAppendResponse(t *testing.T) {
	body := io.NopCloser(strings.NewReader(""))
	v11 := ResponseOptions{Protocol: exchange.HTTP11, KeepAlive: true}
	with := func(change func(*ResponseOptions)) ResponseOptions { o := v11; change(&o); return o }
	v10 := with(func(o *ResponseOptions) { o.Protocol = exchange.HTTP10 })
	head := with(func(o *ResponseOptions) { o.Head = true })
	closing := with(func(o *ResponseOptions) { o.KeepAlive = false })
	for _, tt := range []struct {
		name    string
		r       exchange.Response
		o       ResponseOptions
		want    string
		framing Framing
	}{
		{"a length", exchange.Response{Status: 200, Body: body, ContentLength: 5}, v11, "200 OK|Content-Length: 5", Sized},
		{"no body", exchange.Response{Status: 404}, v11, "404 Not Found|Content-Length: 0", Sized},
		{"chunks", exchange.Response{Status: 200, Body: body, ContentLength: exchange.Unknown}, v11, "200 OK|Transfer-Encoding: chunked", Chunked},
		{"a last answer", exchange.Response{Status: 200, Body: body, ContentLength: 5}, closing, "200 OK|Content-Length: 5|Connection: close", Sized},
		{"HTTP/1.0 with a length", exchange.Response{Status: 200, Body: body, ContentLength: 5}, v10, "200 OK|Content-Length: 5|Connection: keep-alive", Sized},
		{"HTTP/1.0 without", exchange.Response{Status: 200, Body: body, ContentLength: exchange.Unknown}, v10, "200 OK|Connection: close", ByClose},
		{"HEAD with a length", exchange.Response{Status: 200, ContentLength: 5}, head, "200 OK|Content-Length: 5", NoBody},
		{"HEAD without", exchange.Response{Status: 200, ContentLength: exchange.Unknown}, head, "200 OK", NoBody},
		{"HEAD and 204", exchange.Response{Status: 204}, head, "204 No Content", NoBody},
		{"204", exchange.Response{Status: 204}, v11, "204 No Content", NoBody},
		{"304 with a length", exchange.Response{Status: 304, ContentLength: 5}, v11, "304 Not Modified|Content-Length: 5", NoBody},
		{"304 without", exchange.Response{Status: 304, ContentLength: exchange.Unknown}, v11, "304 Not Modified", NoBody},
		{"101", exchange.Response{Status: 101}, with(func(o *ResponseOptions) { o.Upgrade = "websocket" }), "101 Switching Protocols|Connection: Upgrade|Upgrade: websocket", NoBody},
		{"a date", exchange.Response{Status: 204}, with(func(o *ResponseOptions) { o.Date = "now" }), "204 No Content|Date: now", NoBody},
		{"an unknown status", exchange.Response{Status: 599}, v11, "599 |Content-Length: 0", Sized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.Head.Add("A", "b")
			status, fields, more := strings.Cut(tt.want, "|")
			want := fmt.Sprintf("HTTP/1.1 %s\r\nA: b\r\n", status)
			if more {
				want += strings.ReplaceAll(fields, "|", "\r\n") + "\r\n"
			}
			if got := string(AppendResponse(nil, &tt.r, tt.o)); got != want+"\r\n" {
				t.Errorf("got %q, want %q", got, want)
			}
			if got := tt.o.Framing(&tt.r); got != tt.framing {
				t.Errorf("framing %d, want %d", got, tt.framing)
			}
		})
	}
}

func TestADateThatIsThereStays(t *testing.T) {
	r := exchange.Response{Status: 204}
	r.Head.AddID(exchange.Date, "then")
	got := string(AppendResponse(nil, &r, ResponseOptions{Protocol: exchange.HTTP11, KeepAlive: true, Date: "now"}))
	if want := "HTTP/1.1 204 No Content\r\nDate: then\r\n\r\n"; got != want {
		t.Errorf("got %q", got)
	}
}
