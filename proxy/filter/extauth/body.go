package extauth

import (
	"bytes"
	"errors"
	"io"

	"github.com/penstock/penstock/proxy/exchange"
)

// errClient: the client left, or stopped in the middle of its request.
var errClient = &exchange.Error{Status: exchange.StatusClientClosed, Code: "client.closed", Source: exchange.FromClient, Close: true}

// content reads the body of a request that is sent along, and gives the request one that can be read again.
func (f *extAuth) content(x *exchange.Exchange) ([]byte, error) {
	q := &x.Request
	if f.Body == nil || q.Body == nil || q.ContentLength == 0 {
		return nil, nil
	}
	most := f.Body.MaxBytes
	if q.ContentLength > most {
		return nil, errBodyTooLarge
	}
	size := most + 1 // to see that there is more
	if q.ContentLength > 0 {
		size = q.ContentLength
	}
	b := x.Alloc(int(size))
	n, err := exchange.ReadFull(q.Body, b)
	switch {
	case err == nil && q.ContentLength < 0:
		return nil, errBodyTooLarge
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && q.ContentLength < 0:
	case err != nil:
		return nil, unread(x, err)
	}
	b = b[:n]
	q.Body, q.ContentLength = bytes.NewReader(b), int64(n)
	return b, nil
}

// unread is why a body could not be read.
func unread(x *exchange.Exchange, err error) error {
	if cancelled := x.Cancelled(); cancelled != nil {
		return cancelled
	}
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		return e
	}
	return errClient.With(err)
}
