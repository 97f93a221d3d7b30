package ratelimit

import (
	"errors"
	"fmt"
	"time"

	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/predicate"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Config is the limits of all policies that hold for a route's rule, as far as they are of one filter.
type Config struct {
	Policies []Policy `json:"policies"`
}

// Policy is the limits of one policy.
type Policy struct {
	// Name is "namespace/name".
	Name string `json:"name"`
	// Report says which answers tell of the limits: Refused (the default), Always or Never.
	Report string `json:"report,omitempty"`
	// LegacyHeaders adds X-RateLimit-Limit, -Remaining and -Reset to what is told.
	LegacyHeaders bool    `json:"legacyHeaders,omitempty"`
	Limits        []Limit `json:"limits"`
}

// Limit is one limit.
type Limit struct {
	Name string `json:"name"`
	// Algorithm is TokenBucket (the default), SlidingWindow or Concurrency.
	Algorithm string            `json:"algorithm,omitempty"`
	Requests  int64             `json:"requests"`
	Period    snapshot.Duration `json:"period,omitempty"`
	// Burst is Requests if it is 0.
	Burst int64 `json:"burst,omitempty"`
	// Key has the parts that a bucket is told by; none: all requests share one.
	Key []Source `json:"key,omitempty"`
	// OnMissingKey is Shared (the default), NoLimit or Refuse.
	OnMissingKey string `json:"onMissingKey,omitempty"`
	// Match narrows which requests count; nil: all.
	Match *snapshot.Match `json:"match,omitempty"`
	Cost  *Cost           `json:"cost,omitempty"`
	// Scope is Replica (the default) or Cluster.
	Scope string `json:"scope,omitempty"`
	// FailureMode is LocalShare (the default), Open or Closed.
	FailureMode string `json:"failureMode,omitempty"`
	// Mode is Enforce (the default) or Shadow.
	Mode string `json:"mode,omitempty"`
}

// Source is what a part of a key is taken from.
type Source struct {
	// Type is one of the names in sources.
	Type string `json:"type"`
	// Name is that of a Header, Cookie or Claim.
	Name string `json:"name,omitempty"`
	// Expression is that of an Expression, in CEL.
	Expression string `json:"expression,omitempty"`
	// IPv4PrefixLength and IPv6PrefixLength are how many bits of a ClientAddress count; 0: 32 and 64.
	IPv4PrefixLength int `json:"ipv4PrefixLength,omitempty"`
	IPv6PrefixLength int `json:"ipv6PrefixLength,omitempty"`
}

// Cost is what a request takes of the allowance.
type Cost struct {
	// Type is Constant, RequestHeader or ResponseHeader.
	Type string `json:"type"`
	// Value is the constant, and what counts where there is no header; 0 means 1.
	Value int64 `json:"value,omitempty"`
	// Name is that of the header field.
	Name string `json:"name,omitempty"`
}

// What an empty name of the API means stands first.
var (
	algorithms   = choice[limit.Algorithm]{"algorithm", []named[limit.Algorithm]{{"TokenBucket", limit.TokenBucket}, {"SlidingWindow", limit.SlidingWindow}, {"Concurrency", limit.Concurrency}}}
	reports      = choice[report]{"report", []named[report]{{"Refused", reportRefused}, {"Always", reportAlways}, {"Never", reportNever}}}
	missingKeys  = choice[missingKey]{"onMissingKey", []named[missingKey]{{"Shared", shared}, {"NoLimit", noLimit}, {"Refuse", refuse}}}
	scopes       = choice[bool]{"scope", []named[bool]{{"Replica", false}, {"Cluster", true}}}
	failureModes = choice[limit.FailureMode]{"failureMode", []named[limit.FailureMode]{{"LocalShare", limit.LocalShare}, {"Open", limit.Open}, {"Closed", limit.Closed}}}
	modes        = choice[bool]{"mode", []named[bool]{{"Enforce", false}, {"Shadow", true}}}
	costs        = choice[costSource]{"cost.type", []named[costSource]{{"Constant", constantCost}, {"RequestHeader", requestCost}, {"ResponseHeader", responseCost}}}
)

// choice is the names that a field may have.
type choice[V any] struct {
	field  string
	values []named[V]
}

type named[V any] struct {
	name  string
	value V
}

// parse returns the value of a name; of the empty one the first.
func (c choice[V]) parse(name string) (V, error) {
	for _, n := range c.values {
		if n.name == name || name == "" {
			return n.value, nil
		}
	}
	var none V
	return none, fmt.Errorf("%s: %q is unknown", c.field, name)
}

type report uint8

const (
	reportRefused report = iota
	reportAlways
	reportNever
)

type missingKey uint8

const (
	shared missingKey = iota
	noLimit
	refuse
)

type costSource uint8

const (
	constantCost costSource = iota
	requestCost
	responseCost
)

// most bounds numbers of requests and costs, as the API does.
const most = 1_000_000_000

// Validate checks what the types can't express.
func (c *Config) Validate() error {
	for i := range c.Policies {
		p := &c.Policies[i]
		if _, err := reports.parse(p.Report); err != nil {
			return fmt.Errorf("policies[%d].%w", i, err)
		}
		for n := range p.Limits {
			if err := p.Limits[n].validate(); err != nil {
				return fmt.Errorf("policies[%d].limits[%d].%w", i, n, err)
			}
		}
	}
	return nil
}

func (l *Limit) validate() error {
	_, algorithm := algorithms.parse(l.Algorithm)
	_, missing := missingKeys.parse(l.OnMissingKey)
	_, scope := scopes.parse(l.Scope)
	_, failure := failureModes.parse(l.FailureMode)
	_, mode := modes.parse(l.Mode)
	if err := errors.Join(algorithm, missing, scope, failure, mode); err != nil {
		return err
	}
	if err := l.validateNumbers(); err != nil {
		return err
	}
	for i := range l.Key {
		if err := l.Key[i].validate(); err != nil {
			return fmt.Errorf("key[%d].%w", i, err)
		}
	}
	if l.Match != nil {
		if _, err := predicate.CompileAll(l.Match); err != nil {
			return fmt.Errorf("match: %w", err)
		}
	}
	return l.Cost.validate()
}

func (l *Limit) validateNumbers() error {
	flights := l.Algorithm == "Concurrency"
	switch period := time.Duration(l.Period); {
	case l.Requests < 1 || l.Requests > most:
		return fmt.Errorf("requests: %d is not from 1 to %d", l.Requests, most)
	case l.Burst < 0 || l.Burst > most:
		return fmt.Errorf("burst: %d is not from 1 to %d", l.Burst, most)
	case l.Burst != 0 && l.Algorithm != "" && l.Algorithm != "TokenBucket":
		return errors.New("burst: only a TokenBucket has one")
	case flights && (period != 0 || l.Scope == "Cluster" || l.Cost != nil):
		return errors.New("algorithm: Concurrency has no period and no cost, and is of each replica")
	case !flights && (period <= 0 || period > 24*time.Hour):
		return fmt.Errorf("period: %s is not longer than 0s and at most 24h", period)
	}
	return nil
}

func (s *Source) validate() error {
	form, ok := sources[s.Type]
	switch {
	case !ok:
		return fmt.Errorf("type: %q is unknown", s.Type)
	case form.named != (s.Name != ""):
		return fmt.Errorf("name: %s has one: %t", s.Type, form.named)
	case form.expressed != (s.Expression != ""):
		return fmt.Errorf("expression: %s has one: %t", s.Type, form.expressed)
	case s.IPv4PrefixLength < 0 || s.IPv4PrefixLength > 32:
		return fmt.Errorf("ipv4PrefixLength: %d is not from 1 to 32", s.IPv4PrefixLength)
	case s.IPv6PrefixLength < 0 || s.IPv6PrefixLength > 128:
		return fmt.Errorf("ipv6PrefixLength: %d is not from 1 to 128", s.IPv6PrefixLength)
	case s.Type == "Header":
		return field.Name(s.Name)
	}
	_, err := form.build(*s)
	return err
}

func (c *Cost) validate() error {
	if c == nil {
		return nil
	}
	source, err := costs.parse(c.Type)
	if err != nil {
		return err
	}
	if c.Value < 0 || c.Value > most {
		return fmt.Errorf("cost.value: %d is not from 1 to %d", c.Value, most)
	}
	if source == constantCost {
		return nil
	}
	if err := field.Name(c.Name); err != nil {
		return fmt.Errorf("cost.name: %w", err)
	}
	return nil
}
