// Package csrf refuses requests that another site makes a browser send (cross-site request forgery). It asks the browser who
// sends a request, as net/http's CrossOriginProtection does; there are no tokens.
package csrf

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/origin"
	"github.com/penstock/penstock/proxy/observe"
)

// Name is the filter's name.
const Name = "csrf"

// Config says which other origins may send requests.
type Config struct {
	// TrustedOrigins are origins, or patterns of them, as in package origin.
	TrustedOrigins []string `json:"trustedOrigins,omitempty"`
}

// Validate checks the origins.
func (c *Config) Validate() error {
	_, err := c.trusted()
	return err
}

func (c *Config) trusted() (*origin.Set, error) {
	set, err := origin.Parse(c.TrustedOrigins)
	if err != nil {
		return nil, fmt.Errorf("trustedOrigins%w", err)
	}
	return set, nil
}

// Definition is the filter. It counts into decisions.
func Definition(decisions *observe.Decisions) filter.Definition {
	return filter.Define(Name, func(c Config, _ filter.Env) (filter.Filter, error) {
		trusted, err := c.trusted()
		if err != nil {
			return nil, err
		}
		return &csrf{trusted, decisions.Decision(Name, "allowed"), decisions.Decision(Name, "denied")}, nil
	}, nil)
}

// errCrossOrigin refuses what another origin makes a browser send.
var errCrossOrigin = &exchange.Error{Status: http.StatusForbidden, Code: "csrf.cross_origin", Source: exchange.FromClient}

type csrf struct {
	trusted         *origin.Set
	allowed, denied *observe.Decision
}

var _ filter.Filter = (*csrf)(nil)

// Wrap returns a handler that refuses forged requests.
func (c *csrf) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		if !isSafe(&x.Request) && !c.permits(&x.Request) {
			c.denied.Inc()
			return errCrossOrigin
		}
		c.allowed.Inc()
		return next.Serve(x)
	})
}

// isSafe reports whether a request changes nothing (RFC 9110 §9.2.1). An upgrade is a GET, but what follows it may change
// anything, with the cookies of that GET.
func isSafe(q *exchange.Request) bool {
	switch q.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return q.Upgrade == ""
	}
	return false
}

// permits asks the browser's words in the order of their strength. Who says nothing is no browser, or an old one without Referer;
// there a request can't be told from an honest one.
func (c *csrf) permits(q *exchange.Request) bool {
	from, isSent := q.Head.Lookup("Origin")
	if site, ok := q.Head.Lookup("Sec-Fetch-Site"); ok {
		return site == "same-origin" || site == "none" || c.trusted.Contains(from)
	}
	if !isSent {
		referer, ok := q.Head.Lookup("Referer")
		if !ok {
			return true
		}
		from = originOf(referer)
	}
	return isOwn(from, q.Authority) || c.trusted.Contains(from)
}

// isOwn reports whether an origin names the host that the request is for. The scheme does not count: behind a proxy that ends TLS
// it is not known for certain.
func isOwn(from, authority string) bool {
	_, host, ok := strings.Cut(from, "://")
	return ok && strings.EqualFold(host, authority)
}

// originOf is the origin of a URL, or what there is of one.
func originOf(url string) string {
	start := strings.Index(url, "://")
	if start < 0 {
		return url
	}
	start += len("://")
	if end := strings.IndexAny(url[start:], "/?#"); end >= 0 {
		return url[:start+end]
	}
	return url
}
