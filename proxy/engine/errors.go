package engine

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// What ends exchanges beside what the codec refuses.
var (
	// errClientClosed: the client left. It is logged and never sent.
	errClientClosed = &exchange.Error{Status: exchange.StatusClientClosed, Code: "client.closed", Source: exchange.FromClient, Close: true}
	// errHeadTimeout: Timeouts.Head passed before the head was complete.
	errHeadTimeout = &exchange.Error{Status: http.StatusRequestTimeout, Code: "request.head_timeout", Source: exchange.FromClient, Close: true}
	// errBodyTimeout: Timeouts.Body passed without a byte of the body.
	errBodyTimeout = &exchange.Error{Status: http.StatusRequestTimeout, Code: "request.body_timeout", Source: exchange.FromClient, Close: true}
	// errTimeout: the exchange's Deadline passed.
	errTimeout = &exchange.Error{Status: http.StatusGatewayTimeout, Code: "request.timeout", Source: exchange.FromGateway}
	// errIdle: neither direction moved a byte for Timeouts.Idle of the exchange, while the answer was delivered.
	errIdle = &exchange.Error{Status: http.StatusGatewayTimeout, Code: "request.idle_timeout", Source: exchange.FromGateway}
	// errTruncated: a body came that was not as long as its head said, or broke off.
	errTruncated = &exchange.Error{Status: http.StatusBadGateway, Code: "upstream.truncated", Source: exchange.FromUpstream}
	// errOverloaded: MaxExchanges are being served, or there is no memory for a large head.
	errOverloaded = &exchange.Error{
		Status: http.StatusServiceUnavailable, Code: "gateway.overloaded", Source: exchange.FromGateway, RetryAfter: time.Second,
	}
	// errClosing: the engine was closed while the exchange was served.
	errClosing = &exchange.Error{Status: http.StatusServiceUnavailable, Code: "gateway.closing", Source: exchange.FromGateway, Close: true}
	// errInternal: a handler failed with something that is no exchange.Error, panicked, or made no valid answer.
	errInternal = &exchange.Error{Status: http.StatusInternalServerError, Code: "internal", Source: exchange.FromGateway, Close: true}
)

// asError returns err as what it is, or a copy of otherwise with err as its cause.
func asError(err error, otherwise *exchange.Error) *exchange.Error {
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		return e
	}
	return otherwise.With(err)
}

// isEnd tells a reader's end, which is never wrapped, from errors that have io.EOF as their cause.
func isEnd(err error) bool {
	return err == io.EOF //nolint:errorlint // As said above.
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
