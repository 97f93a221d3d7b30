// Package localreply turns the error that a handler returns into the gateway's own answer.
package localreply

import (
	"errors"
	"strconv"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/jsontext"
	"github.com/penstock/penstock/proxy/i18n"
)

// typePrefix makes the problem type of a code: a tag URI (RFC 4151), because there is no page to lead to (RFC 9457 §3.1.1).
const typePrefix = "tag:gateway.penstock.io,2026:"

// bodySize is enough for most bodies, in bytes; a larger one is allocated.
const bodySize = 512

type localReply struct {
	catalogue *i18n.Catalogue
}

var _ filter.Filter = (*localReply)(nil)

// Definition is the filter, with its texts from catalogue.
func Definition(catalogue *i18n.Catalogue) filter.Definition {
	return filter.DefineBase("localreply", func(filter.Env) filter.Filter { return &localReply{catalogue} })
}

// Wrap returns a handler that never fails.
func (l *localReply) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		if err := next.Serve(x); err != nil {
			l.reply(x, problem(err))
		}
		return nil
	})
}

// problem is the *exchange.Error in err's tree; anything else is the gateway's own fault.
func problem(err error) *exchange.Error {
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		return e
	}
	return &exchange.Error{Status: 500, Code: "internal", Source: exchange.FromGateway, Err: err}
}

func (l *localReply) reply(x *exchange.Exchange, e *exchange.Error) {
	x.Reply(e.Status)
	x.Err = e
	if e.Status == exchange.StatusClientClosed {
		return // nobody reads it: the engine closes, and the status is for the log
	}
	title, detail, language := l.catalogue.Text(e.Code, e.Args, x.Request.Head.Get(exchange.AcceptLanguage))
	x.SetBody(appendProblem(x.Alloc(bodySize)[:0], x, title, detail))
	h := &x.Response.Head
	h.AddID(exchange.ContentType, "application/problem+json")
	h.AddID(exchange.CacheControl, "no-store")
	if e.RetryAfter > 0 {
		// A fraction of a second is rounded up: the header has whole seconds (RFC 9110 §10.2.3).
		h.AddID(exchange.RetryAfter, strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	for name, value := range x.FailureHead.All() {
		h.Add(name, value)
	}
	if l.catalogue.Negotiates() {
		h.Add("Content-Language", language)
		h.Add("Vary", "Accept-Language")
	}
}

// appendProblem appends the problem details of x.Err (RFC 9457 §3).
func appendProblem(b []byte, x *exchange.Exchange, title, detail string) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, typePrefix...)
	b = append(b, x.Err.Code...)
	b = append(b, `","title":`...)
	b = jsontext.AppendString(b, title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(x.Err.Status), 10)
	b = append(b, `,"detail":`...)
	b = jsontext.AppendString(b, detail)
	b = append(b, `,"code":"`...)
	b = append(b, x.Err.Code...)
	b = append(b, `","traceId":"`...)
	b = x.Trace.AppendHex(b)
	return append(b, "\"}\n"...)
}
