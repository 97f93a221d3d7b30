package router

import "github.com/penstock/penstock/proxy/exchange"

// limited bounds the bodies of requests on their way to a backend: at once where the length is known, else as they arrive.
type limited struct {
	exchange.Handler
	most int64
}

func (l *limited) Serve(x *exchange.Exchange) error {
	if x.Request.ContentLength > l.most {
		return exchange.ErrBodyTooLarge
	}
	x.MaxRequestBody = l.most
	return l.Handler.Serve(x)
}
