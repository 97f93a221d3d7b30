package expression

import (
	"net/url"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/penstock/penstock/proxy/exchange"
)

// headers are the fields of a request by their names in lower case. Several of one name are one, with commas between them (RFC 9110 §5.3).
type headers struct{ x *exchange.Exchange }

func (h headers) find(name string) ref.Val {
	if name != strings.ToLower(name) {
		return nil
	}
	joined, n := "", 0
	for v := range h.x.Request.Head.Values(name) {
		if joined = v; n > 0 {
			return types.String(h.join(name))
		}
		n++
	}
	if n == 0 {
		return nil
	}
	return types.String(joined)
}

func (h headers) join(name string) string {
	var b strings.Builder
	for v := range h.x.Request.Head.Values(name) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(v)
	}
	return b.String()
}

func (h headers) all() map[ref.Val]ref.Val {
	out := map[ref.Val]ref.Val{}
	for name := range h.x.Request.Head.All() {
		name = strings.ToLower(name)
		out[types.String(name)] = h.find(name)
	}
	return out
}

// query are the parameters of a request, decoded, each with the list of its values: a backend may take the first, the last or
// all of them.
type query struct{ x *exchange.Exchange }

func (q query) find(name string) ref.Val {
	var values []string
	for n, v := range q.parameters {
		if n == name {
			values = append(values, v)
		}
	}
	if values == nil {
		return nil
	}
	return types.NewStringList(types.DefaultTypeAdapter, values)
}

func (q query) all() map[ref.Val]ref.Val {
	out := map[ref.Val]ref.Val{}
	for name := range q.parameters {
		key := types.String(name)
		if out[key] == nil {
			out[key] = q.find(name)
		}
	}
	return out
}

// parameters yields names and values.
func (q query) parameters(yield func(name, value string) bool) {
	for pair := range strings.SplitSeq(q.x.Request.Query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if !yield(unescape(name), unescape(value)) {
			return
		}
	}
}

// unescape leaves what can't be decoded as it is.
func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}
