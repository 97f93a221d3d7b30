package cors

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/filter/internal/origin"
	"github.com/penstock/penstock/proxy/snapshot"
)

// anything stands for every origin, method or field in a list of them, alone.
const anything = "*"

// Config says what other origins may do.
type Config struct {
	// AllowOrigins are those that may read answers, in the patterns of package origin, or "*" alone.
	AllowOrigins []string `json:"allowOrigins"`
	// AllowMethods are the methods that they may use, or "*" alone; empty: GET, HEAD and POST, which browsers send unasked.
	AllowMethods []string `json:"allowMethods,omitempty"`
	// AllowHeaders are the fields that they may send, or "*" alone, beyond those that browsers send unasked.
	AllowHeaders []string `json:"allowHeaders,omitempty"`
	// ExposeHeaders are the fields of answers that they may read, or "*" alone, beyond those that browsers show anyway.
	ExposeHeaders []string `json:"exposeHeaders,omitempty"`
	// AllowCredentials lets them send cookies. Not with any origin.
	AllowCredentials bool `json:"allowCredentials,omitempty"`
	// MaxAge is how long browsers may remember the answer to a preflight, in whole seconds; nil leaves it to them (5 s).
	MaxAge *snapshot.Duration `json:"maxAge,omitempty"`
	// AllowPrivateNetwork lets pages of public networks reach this one.
	AllowPrivateNetwork bool `json:"allowPrivateNetwork,omitempty"`
}

// Validate checks the lists and their combination.
func (c *Config) Validate() error {
	_, err := c.compile()
	return err
}

func (c *Config) compile() (*cors, error) {
	f := &cors{
		anyOrigin: slices.Contains(c.AllowOrigins, anything), credentials: c.AllowCredentials, private: c.AllowPrivateNetwork,
		exposed: strings.Join(c.ExposeHeaders, ", "),
	}
	var errMethods, errHeaders error
	f.methods, errMethods = newOffer("allowMethods", c.AllowMethods)
	f.headers, errHeaders = newOffer("allowHeaders", c.AllowHeaders)
	_, errExposed := newOffer("exposeHeaders", c.ExposeHeaders)
	if len(c.AllowMethods) == 0 {
		f.methods.list = "GET, HEAD, POST"
	}
	return f, errors.Join(c.parseOrigins(f), errMethods, errHeaders, errExposed, c.checkExposed(), c.parseMaxAge(f))
}

func (c *Config) parseOrigins(f *cors) error {
	switch {
	case len(c.AllowOrigins) == 0:
		return errors.New("allowOrigins: it is empty")
	case f.anyOrigin && len(c.AllowOrigins) > 1:
		return errors.New(`allowOrigins: "*" must stand alone`)
	case f.anyOrigin && c.AllowCredentials:
		return errors.New(`allowCredentials: it must not be set with the origin "*": every site could act in the name of its visitors`)
	case f.anyOrigin:
		return nil
	}
	set, err := origin.Parse(c.AllowOrigins)
	if err != nil {
		return fmt.Errorf("allowOrigins%w", err)
	}
	f.origins = set
	return nil
}

// checkExposed refuses what browsers would take literally.
func (c *Config) checkExposed() error {
	if c.AllowCredentials && slices.Contains(c.ExposeHeaders, anything) {
		return errors.New(`exposeHeaders: "*" must not be set with allowCredentials: browsers take it for a name then`)
	}
	return nil
}

func (c *Config) parseMaxAge(f *cors) error {
	if c.MaxAge == nil {
		return nil
	}
	d := time.Duration(*c.MaxAge)
	if d < 0 || d%time.Second != 0 {
		return fmt.Errorf("maxAge: %v is no number of whole seconds", d)
	}
	f.maxAge = strconv.FormatInt(int64(d/time.Second), 10)
	return nil
}

// offer is what a preflight may be granted: a list, or whatever it asks for.
type offer struct {
	list string
	echo bool
}

func newOffer(name string, tokens []string) (offer, error) {
	if slices.Contains(tokens, anything) {
		if len(tokens) > 1 {
			return offer{}, fmt.Errorf(`%s: "*" must stand alone`, name)
		}
		return offer{echo: true}, nil
	}
	for i, token := range tokens {
		if !field.IsName(token) {
			return offer{}, fmt.Errorf("%s[%d]: %q is no token", name, i, token)
		}
	}
	return offer{list: strings.Join(tokens, ", ")}, nil
}
