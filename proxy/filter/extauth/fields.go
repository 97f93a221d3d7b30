package extauth

import (
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
)

// sends reports whether the service gets a field of the request. What tells it who asks, it always gets.
func (h *Headers) sends(name string) bool {
	switch exchange.IDOf(name) {
	case exchange.Expect:
		return false // met by the engine
	case exchange.Forwarded, exchange.XForwardedFor, exchange.XForwardedHost, exchange.XForwardedProto, exchange.TraceID:
		return true
	}
	if len(h.Send) == 0 {
		return !isConditional(name)
	}
	for _, s := range h.Send {
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}

// isConditional reports whether a field asks for another answer than the whole one (RFC 9110 §13, §14). What it means of the
// client's request, it would mean of the service's.
func isConditional(name string) bool {
	for _, n := range [...]string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"} {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
