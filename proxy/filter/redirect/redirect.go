// Package redirect answers a request with a redirection to another URL.
package redirect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/filter/internal/pathmod"
)

// Name is the filter's name.
const Name = "redirect"

// Config is how the Location differs from the request's URL.
type Config struct {
	// Scheme is http or https; empty: the request's.
	Scheme string `json:"scheme,omitempty"`
	// Hostname is the host; empty: the request's.
	Hostname string `json:"hostname,omitempty"`
	// Path changes the path; nil: it stays. The query stays in any case.
	Path *pathmod.Modifier `json:"path,omitempty"`
	// Port is the port; 0: the default one of Scheme if that is set, else the request's.
	Port int `json:"port,omitempty"`
	// StatusCode is 301, 302, 303, 307 or 308; 0 means 302.
	StatusCode int `json:"statusCode,omitempty"`
}

var statuses = []int{0, 301, 302, 303, 307, 308}

// Validate checks the parts of the Location.
func (c *Config) Validate() error {
	switch {
	case c.Scheme == "" && c.Hostname == "" && c.Path == nil && c.Port == 0:
		return errors.New("at least one of scheme, hostname, path and port must be set")
	case c.Scheme != "" && defaultPort(c.Scheme) == "":
		return fmt.Errorf("scheme: %q is neither http nor https", c.Scheme)
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("port: %d is not from 1 to 65535", c.Port)
	case !slices.Contains(statuses, c.StatusCode):
		return fmt.Errorf("statusCode: %d is no redirection", c.StatusCode)
	}
	if c.Hostname != "" {
		if err := field.Hostname(c.Hostname); err != nil {
			return fmt.Errorf("hostname: %w", err)
		}
	}
	if c.Path != nil {
		return c.Path.Validate()
	}
	return nil
}

// errNoHost is for HTTP/1.0 requests without a Host: a Location needs one.
var errNoHost = &exchange.Error{Status: 400, Code: "redirect.no_host", Source: exchange.FromClient}

// Definition is the filter.
var Definition = filter.Define(Name, build, nil)

type redirect struct {
	Config
	port string
}

var _ filter.Filter = (*redirect)(nil)

func build(c Config, _ filter.Env) (filter.Filter, error) {
	c.StatusCode = cmp.Or(c.StatusCode, 302)
	r := &redirect{Config: c}
	if c.Port != 0 {
		r.port = strconv.Itoa(c.Port)
	}
	return r, nil
}

// Wrap returns a handler that never calls next.
func (r *redirect) Wrap(exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		location, err := r.location(x)
		if err != nil {
			return err
		}
		x.Reply(r.StatusCode)
		x.Response.Head.AddID(exchange.Location, location)
		return nil
	})
}

// location is always absolute, so that a path such as "//elsewhere" can't become a host.
func (r *redirect) location(x *exchange.Exchange) (string, error) {
	q := &x.Request
	host := cmp.Or(r.Hostname, q.Host)
	if host == "" {
		return "", errNoHost
	}
	scheme, path := cmp.Or(r.Scheme, q.Scheme), q.Path
	if r.Path != nil {
		path = r.Path.Path(x)
	}
	b := x.Alloc(len(scheme) + len(host) + len(path) + len(q.Query) + len("://[]:65535?"))[:0]
	b = append(b, scheme...)
	b = append(b, "://"...)
	b = appendHost(b, host)
	if port := r.portOf(q); port != "" && port != defaultPort(scheme) {
		b = append(b, ':')
		b = append(b, port...)
	}
	b = append(b, path...)
	if q.HasQuery {
		b = append(b, '?')
		b = append(b, q.Query...)
	}
	return exchange.String(b), nil
}

// portOf is the port of the Location; empty for the scheme's default.
func (r *redirect) portOf(q *exchange.Request) string {
	if r.port != "" || r.Scheme != "" {
		return r.port
	}
	if i := strings.LastIndexByte(q.Authority, ':'); i > strings.LastIndexByte(q.Authority, ']') {
		return q.Authority[i+1:]
	}
	return ""
}

// appendHost puts an IPv6 address into its brackets.
func appendHost(b []byte, host string) []byte {
	if strings.IndexByte(host, ':') < 0 {
		return append(b, host...)
	}
	b = append(b, '[')
	b = append(b, host...)
	return append(b, ']')
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}
