// Package redirecthttp sends clients that came without TLS to the same URL with https.
package redirecthttp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
)

// Name is the filter's name.
const Name = "redirectHTTP"

// Config says where https is.
type Config struct {
	// Port is the port that clients reach https at, from 1 to 65535.
	Port int `json:"port"`
}

// defaultPort is what a URL with https means without a port.
const defaultPort = 443

// Validate checks the port.
func (c *Config) Validate() error {
	if c.Port < 1 || c.Port > 65535 {
		return fmt.Errorf("port: %d is not from 1 to 65535", c.Port)
	}
	return nil
}

// Definition is the filter.
var Definition = filter.Define(Name, build, nil)

// redirectHTTP holds what stands between host and path: empty for the default port.
type redirectHTTP struct{ port string }

var _ filter.Filter = redirectHTTP{}

func build(c Config, _ filter.Env) (filter.Filter, error) {
	if c.Port == defaultPort {
		return redirectHTTP{}, nil
	}
	return redirectHTTP{port: ":" + strconv.Itoa(c.Port)}, nil
}

// Wrap returns a handler that answers requests with the scheme http. One without a host can't be led anywhere and is
// left to next.
func (r redirectHTTP) Wrap(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		if x.Request.Scheme != "http" || x.Request.Host == "" {
			return next.Serve(x)
		}
		location := r.location(x)
		x.Reply(308) // keeps method and body, as the client meant them for this URL
		x.Response.Head.AddID(exchange.Location, location)
		return nil
	})
}

// location is always absolute, so that a path such as "//elsewhere" can't become a host. Routes with TLS have names and
// IPv4 addresses for hosts, which need no brackets.
func (r redirectHTTP) location(x *exchange.Exchange) string {
	q := &x.Request
	b := x.Alloc(len("https://") + len(q.Host) + len(r.port) + len(q.Target) + len(q.Path) + len("?") + len(q.Query))[:0]
	b = append(b, "https://"...)
	b = append(b, q.Host...)
	b = append(b, r.port...)
	if strings.HasPrefix(q.Target, "/") {
		return exchange.String(append(b, q.Target...))
	}
	b = append(b, q.Path...) // of an absolute target
	if q.HasQuery {
		b = append(b, '?')
		b = append(b, q.Query...)
	}
	return exchange.String(b)
}
