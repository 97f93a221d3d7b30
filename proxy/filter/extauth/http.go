package extauth

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// maxAnswer bounds the body of a refusal, in bytes.
const maxAnswer = 64 << 10

// httpChecker asks by a request of its own, which goes the way of all requests to backends.
type httpChecker struct {
	cluster   exchange.Handler
	headers   *Headers
	path      string // of every request, or before that of the client's
	prefixes  bool
	method    string
	scheme    string
	authority string // empty: the client's
}

func newHTTPChecker(c *Config, cluster exchange.Handler) *httpChecker {
	settings := c.HTTP
	if settings == nil {
		settings = new(HTTP)
	}
	h := &httpChecker{cluster: cluster, headers: c.Headers, scheme: "http", method: cmp.Or(settings.Method, http.MethodGet)}
	if c.TLS != nil {
		h.scheme = "https"
	}
	h.path, h.prefixes = cmp.Or(settings.Path, "/"), settings.PathPrefix != ""
	if h.prefixes {
		h.path = strings.TrimSuffix(settings.PathPrefix, "/")
	}
	if c.Backend.Host != "" {
		h.authority = net.JoinHostPort(c.Backend.Host, strconv.Itoa(int(c.Backend.Port.Number)))
	}
	return h
}

// call is a request to the service. It is pooled.
type call struct {
	exchange.Exchange
	body bytes.Reader
}

var calls = sync.Pool{New: func() any { return new(call) }}

// errGone ends a call whose exchange was cancelled; the exchange knows why.
var errGone = &exchange.Error{Status: exchange.StatusClientClosed, Code: "client.closed", Source: exchange.FromClient}

// Interrupt ends the call, from any goroutine.
func (c *call) Interrupt() { c.Cancel(errGone) }

func (c *call) release() {
	if b := c.Response.Body; b != nil {
		_ = b.Close() // what is left of it is of no interest
	}
	c.body.Reset(nil)
	c.Reset()
	calls.Put(c)
}

func (h *httpChecker) check(x *exchange.Exchange, content []byte, until time.Time) (verdict, error) {
	c := calls.Get().(*call)
	defer c.release()
	h.fill(c, x, content)
	c.SetDeadline(until)
	if cancelled := x.SetInterrupt(c); cancelled != nil {
		return verdict{}, cancelled
	}
	defer x.ClearInterrupt()
	if err := h.cluster.Serve(&c.Exchange); err != nil {
		return verdict{}, err
	}
	switch status := c.Response.Status; {
	case status < 200 || status >= 500:
		return verdict{}, fmt.Errorf("the service answered %d", status)
	case status < 300:
		return h.allow(x, c), nil
	}
	return deny(x, c)
}

// fill makes the request to the service.
func (h *httpChecker) fill(c *call, x *exchange.Exchange, content []byte) {
	q, from := &c.Request, &x.Request
	c.Protocol, c.Listener, c.Peer, c.Client, c.Trace, c.Start = exchange.HTTP11, x.Listener, x.Peer, x.Client, x.Trace, x.Start
	q.Method, q.Scheme, q.Path = h.method, h.scheme, h.path
	q.Authority, q.Host = cmp.Or(h.authority, from.Authority), from.Host
	if h.prefixes {
		q.Path, q.Query, q.HasQuery = h.path+from.Path, from.Query, from.HasQuery
	}
	for name, value := range from.Head.All() {
		if h.headers.sends(name) {
			q.Head.Add(name, value)
		}
	}
	q.Head.Set("X-Forwarded-Method", from.Method)
	q.Head.Set("X-Forwarded-Uri", target(x))
	if content != nil {
		c.body.Reset(content)
		q.Body, q.ContentLength = &c.body, int64(len(content))
	}
}

// target is the path and query of a request.
func target(x *exchange.Exchange) string {
	q := &x.Request
	if !q.HasQuery {
		return q.Path
	}
	b := append(x.Alloc(len(q.Path) + 1 + len(q.Query))[:0], q.Path...)
	return exchange.String(append(append(b, '?'), q.Query...))
}

// allow takes what the service's answer has for the backend and for the client.
func (h *httpChecker) allow(x *exchange.Exchange, c *call) (v verdict) {
	if b := c.Response.Body; b != nil {
		// Its connection can be used again if it is short.
		_, _ = io.CopyN(io.Discard, b, maxAnswer)
	}
	answer := &c.Response.Head
	for _, name := range h.headers.ToBackend {
		for value := range answer.Values(name) {
			x.Request.Head.Add(name, value) // which copies it
		}
	}
	for _, name := range h.headers.ToClient {
		for value := range answer.Values(name) {
			v.toClient = append(v.toClient, name, keep(x, value))
		}
	}
	if h.headers.Subject != "" {
		id, _ := answer.Lookup(h.headers.Subject)
		identify(x, keep(x, id))
	}
	return v
}

// keep copies s, which lives as long as the call, into memory of the exchange.
func keep(x *exchange.Exchange, s string) string {
	return exchange.String(append(x.Alloc(len(s))[:0], s...))
}

// deny makes the service's answer that of the client.
func deny(x *exchange.Exchange, c *call) (verdict, error) {
	var body []byte
	if b := c.Response.Body; b != nil {
		var err error
		if body, err = readAnswer(b); err != nil {
			return verdict{}, err
		}
	}
	return refuse(x, c.Response.Status, c.Response.Head.All(), body), nil
}

var errAnswerTooLarge = errors.New("the service's refusal is larger than 64 KiB")

func readAnswer(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if len(b) > maxAnswer {
		return nil, errAnswerTooLarge
	}
	return b, err
}
