package extauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/live"
)

// secured sends exchanges to the endpoints of a cluster over TLS, in turn. Its connections are kept by net/http.
type secured struct {
	cluster   *live.Cluster
	transport *http.Transport
}

var _ exchange.Handler = (*secured)(nil)

const (
	// idle is how many connections to an endpoint are kept, and idleTime how long, without a request.
	idle     = 64
	idleTime = 30 * time.Second
	// maxAnswerHead bounds the head of an answer, in bytes.
	maxAnswerHead = 64 << 10
	// dials is how many endpoints are tried that take no connection.
	dials = 3
)

func newSecured(p peer) (*secured, error) {
	config, err := p.config()
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &secured{p.cluster, &http.Transport{
		TLSClientConfig: config, Protocols: protocols, DisableCompression: true,
		MaxIdleConnsPerHost: idle, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: maxAnswerHead,
	}}, nil
}

var errNoEndpoint = errors.New("there is no endpoint")

// Serve answers an exchange that has a deadline.
func (s *secured) Serve(x *exchange.Exchange) error {
	ctx, cancel := context.WithDeadline(context.Background(), x.Deadline())
	if cancelled := x.SetInterrupt(canceller(cancel)); cancelled != nil {
		cancel()
		return cancelled
	}
	answer, err := s.send(ctx, &x.Request) //nolint:bodyclose // who reads the answer closes it
	if err != nil {
		cancel()
		return err
	}
	x.Response.Status = answer.StatusCode
	for name, values := range answer.Header {
		for _, v := range values {
			x.Response.Head.Add(name, v)
		}
	}
	x.Response.Body = answerBody{answer.Body, cancel}
	return nil
}

// answerBody ends the call when it is closed.
type answerBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// send tries the next endpoint, and others where no connection can be made.
func (s *secured) send(ctx context.Context, q *exchange.Request) (answer *http.Response, err error) {
	content, err := readAll(q)
	if err != nil {
		return nil, err
	}
	addresses := addresses(s.cluster.Endpoints())
	if len(addresses) == 0 {
		return nil, errNoEndpoint
	}
	first := s.cluster.Turn() % uint64(len(addresses))
	for i := range min(dials, len(addresses)) {
		request, failed := outgoing(ctx, q, addresses[(int(first)+i)%len(addresses)], content)
		if failed != nil {
			return nil, failed
		}
		answer, err = s.transport.RoundTrip(request)
		if dial, ok := errors.AsType[*net.OpError](err); !ok || dial.Op != "dial" || ctx.Err() != nil {
			break
		}
	}
	return answer, err
}

// readAll copies the body: net/http may go on to read it, and all else of a request, when the exchange has ended.
func readAll(q *exchange.Request) ([]byte, error) {
	if q.Body == nil {
		return nil, nil
	}
	content := make([]byte, q.ContentLength)
	_, err := exchange.ReadFull(q.Body, content)
	return content, err
}

// outgoing makes a request to an address. It has nothing of the memory of the exchange.
func outgoing(ctx context.Context, q *exchange.Request, to netip.AddrPort, content []byte) (*http.Request, error) {
	raw := strings.Clone(q.Path)
	path, err := url.PathUnescape(raw)
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", raw, err)
	}
	u := &url.URL{Scheme: "https", Host: to.String(), Path: path, RawPath: raw, RawQuery: strings.Clone(q.Query), ForceQuery: q.HasQuery}
	request := (&http.Request{Method: strings.Clone(q.Method), URL: u, Host: strings.Clone(q.Authority), Header: http.Header{}}).WithContext(ctx)
	for name, value := range q.Head.All() {
		if field.Editable(name) == nil {
			request.Header.Add(strings.Clone(name), strings.Clone(value))
		}
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "") // else net/http says its own
	}
	if content != nil {
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	}
	return request, nil
}
