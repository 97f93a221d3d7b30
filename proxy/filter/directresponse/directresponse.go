// Package directresponse answers a request with a fixed response.
package directresponse

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// Name is the filter's name.
const Name = "directResponse"

// Config is the response.
type Config struct {
	// StatusCode is from 200 to 599.
	StatusCode int    `json:"statusCode"`
	Body       string `json:"body,omitempty"`
	// ContentType is the media type of Body; empty means "text/plain; charset=utf-8".
	ContentType string `json:"contentType,omitempty"`
}

// Validate checks that the status is final and may have the body.
func (c *Config) Validate() error {
	if c.StatusCode < 200 || c.StatusCode > 599 {
		return fmt.Errorf("statusCode: %d is not from 200 to 599", c.StatusCode)
	}
	// RFC 9110 §15.3.5, §15.3.6 and §15.4.5.
	if s := c.StatusCode; c.Body != "" && (s == 204 || s == 205 || s == 304) {
		return fmt.Errorf("body: a response with status %d has none", s)
	}
	if c.ContentType != "" && c.Body == "" {
		return errors.New("contentType: there is no body")
	}
	if err := field.Value(c.ContentType); err != nil {
		return fmt.Errorf("contentType: %w", err)
	}
	return nil
}

// Definition is the filter.
var Definition = filter.Define(Name, build, nil)

type directResponse struct {
	status      int
	body        []byte
	contentType string
}

var _ filter.Filter = (*directResponse)(nil)

func build(c Config, _ filter.Env) (filter.Filter, error) {
	return &directResponse{c.StatusCode, []byte(c.Body), cmp.Or(c.ContentType, "text/plain; charset=utf-8")}, nil
}

// Wrap returns a handler that never calls next.
func (d *directResponse) Wrap(exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) error {
		x.Reply(d.status)
		if len(d.body) > 0 {
			x.Response.Head.AddID(exchange.ContentType, d.contentType)
			x.SetBody(d.body)
		}
		return nil
	})
}
