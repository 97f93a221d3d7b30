// Package accesslog writes a line about every exchange.
package accesslog

import (
	"sync"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/observe"
)

// lineSize is enough for most lines, in bytes.
const lineSize = 1024

// Definition is the filter. It writes to log.
func Definition(log *observe.AccessLog) filter.Definition {
	a := &accessLog{log: log}
	return filter.DefineBase("accesslog", func(filter.Env) filter.Filter { return a })
}

// accessLog has no state of a route: all chains share one.
type accessLog struct {
	log    *observe.AccessLog
	stamps stamper
	lines  sync.Pool // of *[]byte
}

var (
	_ filter.Filter     = (*accessLog)(nil)
	_ exchange.Finisher = (*accessLog)(nil)
)

// Wrap returns next: all is known when the exchange has ended.
func (a *accessLog) Wrap(next exchange.Handler) exchange.Handler { return next }

// Done writes the line.
func (a *accessLog) Done(x *exchange.Exchange) {
	line, ok := a.lines.Get().(*[]byte)
	if !ok {
		line = new([]byte)
		*line = make([]byte, 0, lineSize)
	}
	*line = a.appendLine((*line)[:0], x)
	a.log.Add(*line)
	a.lines.Put(line)
}
