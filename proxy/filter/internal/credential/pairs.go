package credential

import (
	"iter"
	"net/url"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
)

// params yields the parameters of a query as they stand there, and their names and values still escaped.
func params(query string) iter.Seq2[string, [2]string] {
	return func(yield func(string, [2]string) bool) {
		for len(query) > 0 {
			param, rest, _ := strings.Cut(query, "&")
			query = rest
			name, value, _ := strings.Cut(param, "=")
			if !yield(param, [2]string{name, value}) {
				return
			}
		}
	}
}

// unescape undoes percent-encoding. What can't be unescaped stays as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func (s *search) query(name string) {
	for _, p := range params(s.x.Request.Query) {
		if unescape(p[0]) == name {
			s.add(unescape(p[1]))
		}
	}
}

// stripQuery removes the parameters of that name.
func stripQuery(x *exchange.Exchange, name string) {
	s := search{x: x}
	if s.query(name); s.count == 0 {
		return
	}
	b := x.Alloc(len(x.Request.Query))[:0]
	for param, p := range params(x.Request.Query) {
		if unescape(p[0]) != name {
			b = appendSeparated(b, "&", param)
		}
	}
	x.Request.Query, x.Request.HasQuery = exchange.String(b), len(b) > 0
}

// cookies yields the pairs of Cookie fields as they stand there, their names, and their values without quotes
// (RFC 6265 §4.2.1).
func cookies(h *exchange.Head) iter.Seq2[string, [2]string] {
	return func(yield func(string, [2]string) bool) {
		if !h.Has(exchange.Cookie) {
			return
		}
		for line := range h.Values("Cookie") {
			for len(line) > 0 {
				pair, rest, _ := strings.Cut(line, ";")
				line = rest
				pair = strings.Trim(pair, " \t")
				name, value, _ := strings.Cut(pair, "=")
				if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
					value = value[1 : n-1]
				}
				if pair != "" && !yield(pair, [2]string{strings.TrimRight(name, " \t"), value}) {
					return
				}
			}
		}
	}
}

func (s *search) cookie(name string) {
	for _, p := range cookies(&s.x.Request.Head) {
		if p[0] == name {
			s.add(p[1])
		}
	}
}

// stripCookie removes the cookies of that name.
func stripCookie(x *exchange.Exchange, name string) {
	s := search{x: x}
	if s.cookie(name); s.count == 0 {
		return
	}
	n := 0
	for pair := range cookies(&x.Request.Head) {
		n += len(pair) + len("; ")
	}
	b := x.Alloc(n)[:0]
	for pair, p := range cookies(&x.Request.Head) {
		if p[0] != name {
			b = appendSeparated(b, "; ", pair)
		}
	}
	x.Request.Head.DropID(exchange.Cookie)
	if len(b) > 0 {
		x.Request.Head.AddID(exchange.Cookie, exchange.String(b))
	}
}

func appendSeparated(b []byte, separator, s string) []byte {
	if len(b) > 0 {
		b = append(b, separator...)
	}
	return append(b, s...)
}
