package authorization

import (
	"slices"
	"strconv"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/cidr"
	"github.com/penstock/penstock/proxy/filter/internal/expression"
)

// rule is a compiled Rule. What is empty or nil holds for every request.
type rule struct {
	name       string
	methods    []string
	clients    *cidr.Set
	scopes     []string
	claims     []Claim
	expression *expression.Predicate
}

// holds reports whether all conditions of the rule do, the cheap ones first. It fails if the expression does, or the address of the client is
// not known.
func (r *rule) holds(x *exchange.Exchange) (bool, error) {
	if len(r.methods) > 0 && !slices.Contains(r.methods, x.Request.Method) ||
		r.clients != nil && x.Client.IsValid() && !r.clients.Contains(x.Client) ||
		!hasAll(x.Subject.Scopes, r.scopes) {
		return false, nil
	}
	for i := range r.claims {
		if !r.claims[i].holds(x.Subject.Claims) {
			return false, nil
		}
	}
	if r.clients != nil && !x.Client.IsValid() {
		return false, errNoAddress
	}
	if r.expression == nil {
		return true, nil
	}
	return r.expression.Test(x)
}

func hasAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

// holds reports whether the claim is as wanted. One that is missing never is.
func (c *Claim) holds(claims *exchange.Claims) bool {
	v, ok := claims.Lookup(c.Path)
	if !ok {
		return false
	}
	items, isList := v.([]any)
	switch {
	case c.Equals != nil:
		return is(v, *c.Equals)
	case c.Contains != nil:
		return has(items, *c.Contains)
	}
	for _, want := range c.AnyOf {
		if is(v, want) || isList && has(items, want) {
			return true
		}
	}
	return false
}

func has(items []any, want string) bool {
	for _, item := range items {
		if is(item, want) {
			return true
		}
	}
	return false
}

// is reports whether the text of a value is want. Lists, objects and null have none.
func is(v any, want string) bool {
	var buf [32]byte
	switch v := v.(type) {
	case string:
		return v == want
	case int64:
		return string(strconv.AppendInt(buf[:0], v, 10)) == want
	case float64:
		return string(strconv.AppendFloat(buf[:0], v, 'g', -1, 64)) == want
	case bool:
		return string(strconv.AppendBool(buf[:0], v)) == want
	}
	return false
}
