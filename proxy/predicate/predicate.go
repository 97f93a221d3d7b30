// Package predicate tests requests: what a match asks of them.
package predicate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Predicate is one condition of a match. It is safe for concurrent use and doesn't allocate.
type Predicate interface {
	Holds(x *exchange.Exchange) bool
}

// methods holds for any of its methods, which are case-sensitive (RFC 9110 §9.1).
type methods []string

func (m methods) Holds(x *exchange.Exchange) bool { return slices.Contains(m, x.Request.Method) }

// Path holds if the whole path matches.
type Path struct{ Regexp *regexp.Regexp }

// Holds tests the request's path.
func (p Path) Holds(x *exchange.Exchange) bool { return p.Regexp.MatchString(x.Request.Path) }

// value tests one value of a name.
type value struct {
	name    string
	exact   string
	re      *regexp.Regexp // nil unless the type is ValueRegex
	present bool           // any value will do
	invert  bool
}

// fits reports whether a value that is there is the wanted one.
func (v *value) fits(s string) bool {
	switch {
	case v.present:
		return true
	case v.re != nil:
		return v.re.MatchString(s)
	}
	return s == v.exact
}

// header holds if the value of any field line of that name fits. Values that are lists are not taken apart.
type header struct{ value }

func (h *header) Holds(x *exchange.Exchange) bool {
	for name, s := range x.Request.Head.All() {
		if strings.EqualFold(name, h.name) && h.fits(s) {
			return !h.invert
		}
	}
	return h.invert
}

// query holds if the first parameter of that name fits, as Gateway API recommends.
type query struct{ value }

func (q *query) Holds(x *exchange.Exchange) bool {
	s, found := parameter(x.Request.Query, q.name)
	return (found && q.fitsEncoded(s)) != q.invert
}

func (q *query) fitsEncoded(s string) bool {
	switch {
	case q.present:
		return true
	case q.re != nil:
		return matchDecoded(q.re, s)
	}
	return equalDecoded(s, q.exact)
}

// cookie holds if the first cookie of that name fits. Names are case-sensitive; quotes are part of a value (RFC
// 6265bis §5.6).
type cookie struct{ value }

func (c *cookie) Holds(x *exchange.Exchange) bool {
	s, found := Cookie(&x.Request, c.name)
	return (found && c.fits(s)) != c.invert
}

// Cookie returns the value of the first cookie of that name, and whether there is one.
func Cookie(r *exchange.Request, name string) (value string, found bool) {
	for field, s := range r.Head.All() {
		if !strings.EqualFold(field, "cookie") {
			continue
		}
		for pair := range strings.SplitSeq(s, ";") {
			n, v, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if n == name {
				return v, true
			}
		}
	}
	return "", false
}

func compileValue(spec snapshot.Predicate) (v value, err error) {
	v = value{name: spec.Name, invert: spec.Invert}
	switch spec.Type {
	case snapshot.ValueExact:
		v.exact = spec.Value
	case snapshot.ValueRegex:
		v.re, _, err = Regexp(spec.Value)
	case snapshot.ValuePresent:
		v.present = true
	default:
		err = fmt.Errorf("unknown type %q", spec.Type)
	}
	return v, err
}

// Compile compiles all of a match but its path, cheapest first.
func Compile(spec *snapshot.Match) ([]Predicate, error) {
	var list []Predicate
	if len(spec.Methods) > 0 {
		list = append(list, methods(spec.Methods))
	}
	for _, group := range []struct {
		what  string
		specs []snapshot.Predicate
		wrap  func(value) Predicate
	}{
		{"header", spec.Headers, func(v value) Predicate { return &header{v} }},
		{"query parameter", spec.Query, func(v value) Predicate { return &query{v} }},
		{"cookie", spec.Cookies, func(v value) Predicate { return &cookie{v} }},
	} {
		for _, s := range group.specs {
			v, err := compileValue(s)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", group.what, s.Name, err)
			}
			list = append(list, group.wrap(v))
		}
	}
	return list, nil
}

// CompileAll compiles all of a match.
func CompileAll(spec *snapshot.Match) ([]Predicate, error) {
	list, err := Compile(spec)
	if err != nil {
		return nil, err
	}
	switch spec.Path.Type {
	case snapshot.Exact:
		list = append(list, exactPath(spec.Path.Value))
	case snapshot.Prefix:
		if spec.Path.Value != "/" {
			list = append(list, prefixPath(spec.Path.Value))
		}
	case snapshot.Regex:
		re, _, err := Regexp(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("path: %w", err)
		}
		list = append(list, Path{Regexp: re})
	default:
		return nil, fmt.Errorf("path: unknown type %q", spec.Path.Type)
	}
	return list, nil
}

// exactPath holds for one path.
type exactPath string

func (p exactPath) Holds(x *exchange.Exchange) bool { return x.Request.Path == string(p) }

// prefixPath holds for whole path elements: /a for /a and /a/b, not for /ab. It has no trailing slash.
type prefixPath string

func (p prefixPath) Holds(x *exchange.Exchange) bool {
	rest, ok := strings.CutPrefix(x.Request.Path, string(p))
	return ok && (rest == "" || rest[0] == '/')
}
