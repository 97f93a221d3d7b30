// Package securityheaders tells browsers to be careful with a site's pages.
package securityheaders

import (
	"fmt"
	"slices"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
)

// Name is the filter's name.
const Name = "securityHeaders"

// Definition is the filter.
var Definition = filter.Define(Name, func(c Config, _ filter.Env) (filter.Filter, error) { return c.compile() }, nil)

const strictTransportSecurity = "Strict-Transport-Security"

// tells are fields in which servers say what they run on.
var tells = [...]string{"Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version"}

type securityHeaders struct {
	hsts          string // empty: none
	fields        []header
	replace, hide bool
}

type header struct{ name, value string }

var _ filter.Filter = (*securityHeaders)(nil)

func (f *securityHeaders) add(name, value string) { f.fields = append(f.fields, header{name, value}) }

// choose adds the field that one of the API's values stands for.
func (f *securityHeaders) choose(name, field string, values map[string]string, value string) error {
	text, ok := values[value]
	if !ok {
		return fmt.Errorf("%s: %q is not known", name, value)
	}
	if text != "" {
		f.add(field, text)
	}
	return nil
}

// pick adds a field with one of its values as they are.
func (f *securityHeaders) pick(name, field string, values []string, value string) error {
	if !slices.Contains(values, value) {
		return fmt.Errorf("%s: %q is not known", name, value)
	}
	if value != "" {
		f.add(field, value)
	}
	return nil
}

// Wrap returns a handler that adds the fields to every answer, also to one that reports a failure.
func (f *securityHeaders) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		err := next.Serve(x)
		h := &x.Response.Head
		if err != nil {
			h = &x.FailureHead
		}
		f.apply(h, x.Request.Scheme == "https")
		return err
	})
}

func (f *securityHeaders) apply(h *exchange.Head, secure bool) {
	if f.hide {
		for _, name := range tells {
			h.Drop(name)
		}
	}
	if secure && f.hsts != "" {
		f.set(h, strictTransportSecurity, f.hsts)
	}
	for i := range f.fields {
		f.set(h, f.fields[i].name, f.fields[i].value)
	}
}

func (f *securityHeaders) set(h *exchange.Head, name, value string) {
	if f.replace {
		h.Drop(name)
	} else if _, ok := h.Lookup(name); ok {
		return
	}
	h.Add(name, value)
}
