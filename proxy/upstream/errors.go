package upstream

import (
	"errors"
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
)

// How a round trip can fail. Another code, upstream.malformed with 502, comes from http1 also.
var (
	// errNoEndpoint: the cluster has no endpoint, or its name could not be resolved.
	errNoEndpoint = &exchange.Error{Status: http.StatusServiceUnavailable, Code: "upstream.no_endpoint", Source: exchange.FromUpstream, Retry: exchange.RetryAlways}
	// errConnect: no endpoint that was asked took a connection.
	errConnect = &exchange.Error{Status: http.StatusBadGateway, Code: "upstream.connect_failed", Source: exchange.FromUpstream, Retry: exchange.RetryAlways}
	// errConnectTimeout: the same, because nothing came back in time.
	errConnectTimeout = &exchange.Error{Status: http.StatusGatewayTimeout, Code: "upstream.connect_timeout", Source: exchange.FromUpstream, Retry: exchange.RetryAlways}
	// errUnsent: the connection broke before a byte of the request was sent.
	errUnsent = &exchange.Error{Status: http.StatusBadGateway, Code: "upstream.reset", Source: exchange.FromUpstream, Retry: exchange.RetryAlways}
	// errReset: the connection ended before the first byte of an answer. What was sent may have been seen.
	errReset = &exchange.Error{Status: http.StatusBadGateway, Code: "upstream.reset", Source: exchange.FromUpstream, Retry: exchange.RetryReplay}
	// errCut: the connection ended within the answer.
	errCut = &exchange.Error{Status: http.StatusBadGateway, Code: "upstream.reset", Source: exchange.FromUpstream}
	// errTimeout: the exchange, the attempt or a silence took too long.
	errTimeout = &exchange.Error{Status: http.StatusGatewayTimeout, Code: "upstream.timeout", Source: exchange.FromUpstream, Retry: exchange.RetryReplay}

	errUnasked = &exchange.Error{
		Status: http.StatusBadGateway, Code: "upstream.malformed", Source: exchange.FromUpstream,
		Err: errors.New("status 101, but the request did not ask for that protocol or has not been sent whole"),
	}
	errInterim = &exchange.Error{
		Status: http.StatusBadGateway, Code: "upstream.malformed", Source: exchange.FromUpstream,
		Err: errors.New("too many interim answers"),
	}

	// errClient: the client left, or stopped in the middle of its request.
	errClient = &exchange.Error{Status: exchange.StatusClientClosed, Code: "client.closed", Source: exchange.FromClient, Close: true}
)

// failure returns the *exchange.Error that err is, or else one of kind, with err as its cause.
func failure(err error, kind *exchange.Error) *exchange.Error {
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		return e
	}
	return kind.With(err)
}
