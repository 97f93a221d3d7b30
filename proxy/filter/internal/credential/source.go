// Package credential finds the credentials of requests, and takes them away.
package credential

import (
	"errors"
	"fmt"
	"slices"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// Source is a place in a request, in the form of the API: exactly one of Header, Query and Cookie is set.
type Source struct {
	Header string `json:"header,omitempty"`
	// Scheme stands before the credential in the header; empty: the whole value is the credential.
	Scheme string `json:"scheme,omitempty"`
	Query  string `json:"query,omitempty"`
	Cookie string `json:"cookie,omitempty"`
}

// Validate checks that the source is one place, with a name that can be found.
func (s *Source) Validate() error {
	n := 0
	for _, name := range []string{s.Header, s.Query, s.Cookie} {
		if name != "" {
			n++
		}
	}
	switch {
	case n != 1:
		return errors.New("exactly one of header, query and cookie must be set")
	case s.Header == "" && s.Scheme != "":
		return errors.New("scheme: there is no header")
	case s.Header != "":
		return field.Editable(s.Header)
	}
	for _, c := range []byte(s.Query + s.Cookie) {
		if !field.IsToken(c) {
			return fmt.Errorf("%q can't be the name of a query parameter or cookie", s.Query+s.Cookie)
		}
	}
	return nil
}

// Validate checks several sources.
func Validate(sources []Source) error {
	for i := range sources {
		if err := sources[i].Validate(); err != nil {
			return fmt.Errorf("from[%d]: %w", i, err)
		}
	}
	return nil
}

// ValidateHeader checks that a filter that finds credentials in these sources can tell the backend something in a header. Clients must
// not be able to set it, so that no credential can be in it.
func ValidateHeader(name string, sources []Source) error {
	if err := field.Editable(name); err != nil {
		return err
	}
	if slices.ContainsFunc(sources, func(s Source) bool { return field.Alike(s.Header, name) }) {
		return fmt.Errorf("%s is where the credential is looked for", name)
	}
	return nil
}

// Finder knows where credentials are. It is safe for concurrent use.
type Finder struct{ sources []source }

type source struct {
	Source
	id exchange.ID
}

// NewFinder returns a finder that looks into valid sources.
func NewFinder(sources []Source) *Finder {
	f := &Finder{}
	for _, s := range sources {
		f.sources = append(f.sources, source{s, exchange.IDOf(s.Header)})
	}
	return f
}

// Find returns the credential of a request, which lives as long as the exchange, and whether there is one. One that stands in
// several places is ErrAmbiguous: filters and backends may look into different ones.
func (f *Finder) Find(x *exchange.Exchange) (value string, found bool, err error) {
	s := search{x: x}
	for i := range f.sources {
		switch at := &f.sources[i]; {
		case at.Header != "":
			s.header(at)
		case at.Query != "":
			s.query(at.Query)
		default:
			s.cookie(at.Cookie)
		}
	}
	if s.count > 1 {
		return "", true, ErrAmbiguous
	}
	return s.value, s.count == 1, nil
}

// Strip removes all credentials from the request, so that the backend gets none of them.
func (f *Finder) Strip(x *exchange.Exchange) {
	for i := range f.sources {
		switch at := &f.sources[i]; {
		case at.Header != "":
			s := search{x: x}
			if s.header(at); s.count > 0 {
				x.Request.Head.Drop(at.Header)
			}
		case at.Query != "":
			stripQuery(x, at.Query)
		default:
			stripCookie(x, at.Cookie)
		}
	}
}

// search is one look through a request.
type search struct {
	x     *exchange.Exchange
	value string
	count int
}

func (s *search) add(value string) {
	s.value = value
	s.count++
}

func (s *search) header(at *source) {
	if at.id != exchange.Other && !s.x.Request.Head.Has(at.id) {
		return
	}
	for v := range s.x.Request.Head.Values(at.Header) {
		if at.Scheme == "" {
			s.add(v)
		} else if rest, ok := cutScheme(v, at.Scheme); ok {
			s.add(rest)
		}
	}
}

// cutScheme returns what follows the scheme and spaces (RFC 9110 §11.4).
func cutScheme(value, scheme string) (string, bool) {
	n := len(scheme)
	if len(value) < n || !equalFold(value[:n], scheme) {
		return "", false
	}
	if len(value) > n && value[n] != ' ' {
		return "", false
	}
	for n < len(value) && value[n] == ' ' {
		n++
	}
	return value[n:], true
}

// equalFold compares ASCII tokens of the same length without regard to case.
func equalFold(a, b string) bool {
	for i := range len(b) {
		if x, y := a[i], b[i]; x != y && (x^y != 0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}
