// Package proxytest helps to test filters and handlers: exchanges made from the text of a request, and an upstream that
// answers and remembers.
package proxytest

import (
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

// Peer is who sends the requests of Exchange.
var Peer = netip.MustParseAddrPort("192.0.2.1:50123")

// Start is when they arrive.
var Start = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// Exchange makes an exchange from a request in the form of HTTP/1.1, as the engine would. Lines may end in LF. A body is
// whatever follows the empty line.
func Exchange(tb testing.TB, request string) *exchange.Exchange {
	tb.Helper()
	head, body, _ := strings.Cut(strings.ReplaceAll(request, "\r\n", "\n"), "\n\n")
	raw := strings.ReplaceAll(strings.TrimRight(head, "\n"), "\n", "\r\n") + "\r\n\r\n"
	x := &exchange.Exchange{Listener: "http", Peer: Peer, Start: Start}
	n, m, protocol, err := http1.ParseRequest([]byte(raw), &x.Request, http1.DefaultLimits)
	if err != nil || n == 0 {
		tb.Fatalf("request %q: %d bytes read, error %v", request, n, err)
	}
	x.Protocol, x.Request.Scheme = protocol, "http"
	if m.Length != 0 {
		x.Request.Body = strings.NewReader(body)
	}
	return x
}

// Upstream is the last handler of a chain: it answers with Status (0 means 200), Head and Body, or fails with Err, and
// remembers the request as a backend would have got it. It is used by one goroutine at a time.
type Upstream struct {
	Status int
	// Head has alternating names and values.
	Head []string
	Body string
	Err  error

	// Got is the head of the last request, in lines that end in LF, with its Host.
	Got string
}

// Serve answers.
func (u *Upstream) Serve(x *exchange.Exchange) error {
	u.Got = RequestText(x)
	if u.Err != nil {
		return u.Err
	}
	x.Response.Status = max(u.Status, 200)
	for i := 0; i+1 < len(u.Head); i += 2 {
		x.Response.Head.Add(u.Head[i], u.Head[i+1])
	}
	if u.Body != "" {
		x.SetBody([]byte(u.Body))
	}
	return nil
}

// RequestText is the head of the request as a backend would get it, in lines that end in LF.
func RequestText(x *exchange.Exchange) string {
	q := &x.Request
	target := q.Path
	if q.HasQuery {
		target += "?" + q.Query
	}
	return q.Method + " " + target + " HTTP/1.1\nHost: " + q.Authority + "\n" + lines(&q.Head)
}

// ResponseText is the response, its head in lines that end in LF. It reads the body.
func ResponseText(tb testing.TB, x *exchange.Exchange) string {
	tb.Helper()
	text := statusLine(x.Response.Status) + lines(&x.Response.Head) + "\n"
	if x.Response.Body == nil {
		return text
	}
	body, err := io.ReadAll(x.Response.Body)
	if err != nil {
		tb.Fatalf("response body: %v", err)
	}
	return text + string(body)
}

func statusLine(status int) string {
	return "HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\n"
}

func lines(h *exchange.Head) string {
	return strings.ReplaceAll(string(h.AppendTo(nil)), "\r\n", "\n")
}
