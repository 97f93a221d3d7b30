// Package forwarded tells backends who asked, and believes about that only proxies that are trusted.
package forwarded

import (
	"iter"
	"net/netip"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// Definition is the filter. Peers within trusted are proxies whose word about the client is taken; none by default.
func Definition(trusted []netip.Prefix) filter.Definition {
	return filter.DefineBase("forwarded", func(filter.Env) filter.Filter { return &forwarded{trusted} })
}

type forwarded struct {
	trusted []netip.Prefix
}

var _ filter.Filter = (*forwarded)(nil)

// Wrap returns a handler that sets x.Client and rebuilds the fields.
func (f *forwarded) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		x.Client = plain(x.Peer.Addr())
		if x.Refusal == nil {
			f.rebuild(x)
		}
		return next.Serve(x)
	})
}

func (f *forwarded) rebuild(x *exchange.Exchange) {
	h, peer := &x.Request.Head, x.Client
	scheme, host := x.Request.Scheme, x.Request.Authority
	element := exchange.String(appendElement(x.Alloc(elementSize)[:0], peer, host, scheme))
	addresses := exchange.String(peer.AppendTo(x.Alloc(addressSize)[:0]))
	if f.isTrusted(peer) {
		field.DropIf(h, isLookalike)
		element, addresses = join(x, exchange.Forwarded, element), join(x, exchange.XForwardedFor, addresses)
		x.Client = f.client(addresses)
		if s := h.Get(exchange.XForwardedProto); s == "http" || s == "https" {
			x.Request.Scheme, scheme = s, s
		}
		if s := h.Get(exchange.XForwardedHost); s != "" {
			host = s
		}
	} else {
		field.DropIf(h, isClaim)
	}
	h.SetID(exchange.Forwarded, element)
	h.SetID(exchange.XForwardedFor, addresses)
	h.SetID(exchange.XForwardedProto, scheme)
	if host != "" {
		h.SetID(exchange.XForwardedHost, host)
	}
}

const (
	// elementSize is enough for most elements of Forwarded, in bytes; a larger one is allocated.
	elementSize = 128
	// addressSize is enough for an IPv6 address.
	addressSize = 48
)

func (f *forwarded) isTrusted(a netip.Addr) bool {
	for _, p := range f.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// client is the right-most address of a list that is no trusted proxy. Where the list ends or can't be read, it is the last
// proxy that was trusted. The list ends with the peer.
func (f *forwarded) client(addresses string) (client netip.Addr) {
	for addresses != "" {
		i := strings.LastIndexByte(addresses, ',')
		a, ok := parse(strings.Trim(addresses[i+1:], " \t"))
		if !ok {
			return client
		}
		if client = a; !f.isTrusted(a) {
			return client
		}
		addresses = addresses[:max(i, 0)]
	}
	return client
}

// parse reads an address with or without a port; IPv6 may be in brackets.
func parse(s string) (netip.Addr, bool) {
	if i := strings.LastIndexByte(s, ':'); i > 0 && (s[i-1] == ']' || strings.IndexByte(s, ':') == i) {
		s = s[:i]
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	return plain(a), err == nil
}

// plain makes addresses comparable with prefixes: IPv4 as such, IPv6 without zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

const prefix = "X-Forwarded-"

// isClaim reports whether a field says who the client is: X-Forwarded-* whatever it is, Forwarded and X-Real-IP. Underscores
// count as hyphens, because backends that turn names into variables (CGI, WSGI) can't tell them apart.
func isClaim(name string) bool {
	if name == "" || name[0]|0x20 != 'x' && name[0]|0x20 != 'f' {
		return false // as most are
	}
	return len(name) > len(prefix) && field.Alike(name[:len(prefix)], prefix) || field.Alike(name, "Forwarded") || field.Alike(name, "X-Real-IP")
}

// isLookalike reports whether a field only passes for a claim. No proxy sends such a field; its clients may.
func isLookalike(name string) bool { return strings.IndexByte(name, '_') >= 0 && isClaim(name) }

// join returns the values of a list field and last as one value.
func join(x *exchange.Exchange, id exchange.ID, last string) string {
	n := len(last)
	for v := range values(&x.Request.Head, id) {
		n += len(v) + len(", ")
	}
	if n == len(last) {
		return last
	}
	b := x.Alloc(n)[:0]
	for v := range values(&x.Request.Head, id) {
		b = append(append(b, v...), ", "...)
	}
	return exchange.String(append(b, last...))
}

// values yields the values of a field but empty ones.
func values(h *exchange.Head, id exchange.ID) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name, v := range h.All() {
			if v != "" && exchange.IDOf(name) == id && !yield(v) {
				return
			}
		}
	}
}

// appendElement appends one element of Forwarded (RFC 7239 §4).
func appendElement(b []byte, peer netip.Addr, host, scheme string) []byte {
	b = append(b, "for="...)
	if peer.Is4() {
		b = peer.AppendTo(b)
	} else {
		b = append(b, `"[`...)
		b = peer.AppendTo(b)
		b = append(b, `]"`...)
	}
	if host != "" {
		b = append(b, ";host="...)
		b = appendValue(b, host)
	}
	b = append(b, ";proto="...)
	return append(b, scheme...)
}

// appendValue appends a token as it is and anything else quoted (RFC 9110 §5.6.4).
func appendValue(b []byte, s string) []byte {
	if isToken(s) {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

func isToken(s string) bool {
	for i := range len(s) {
		if !field.IsToken(s[i]) {
			return false
		}
	}
	return true
}
