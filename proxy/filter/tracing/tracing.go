// Package tracing gives every exchange a trace id.
package tracing

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
)

// Definition is the filter.
var Definition = filter.DefineBase("tracing", func(filter.Env) filter.Filter { return tracing{} })

type tracing struct{}

var _ filter.Filter = tracing{}

// Wrap returns a handler that names the trace towards both sides.
func (tracing) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		id := start(x)
		err := next.Serve(x)
		if err == nil {
			x.Response.Head.SetID(exchange.TraceID, id)
		}
		return err
	})
}

// start sets x.Trace and the request's header, and returns the id in hex.
func start(x *exchange.Exchange) string {
	// A refused request may be partly filled, so its id isn't looked for.
	if x.Refusal == nil {
		id := x.Request.Head.Get(exchange.TraceID)
		if t, ok := exchange.ParseTrace(id); ok {
			x.Trace = t
			x.Request.Head.SetID(exchange.TraceID, id) // one field, whatever the client repeated
			return id
		}
	}
	x.Trace = random()
	id := exchange.String(x.Trace.AppendHex(x.Alloc(2 * len(x.Trace.ID))[:0]))
	x.Request.Head.SetID(exchange.TraceID, id)
	return id
}

// random makes an id from the runtime's per-thread ChaCha8 generators, which take no lock.
func random() exchange.Trace {
	for {
		var t exchange.Trace
		binary.NativeEndian.PutUint64(t.ID[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(t.ID[8:], rand.Uint64())
		if t.IsValid() {
			return t
		}
	}
}
