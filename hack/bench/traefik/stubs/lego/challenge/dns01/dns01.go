// Package dns01 has the options of a challenge by DNS.
package dns01

import (
	"strings"
	"time"
)

// Options say which name servers to ask.
type Options struct{ RecursiveNameservers []string }

// Client asks none.
type Client struct{}

// NewClient ignores its options.
func NewClient(*Options) *Client { return &Client{} }

// SetDefaultClient does nothing.
func SetDefaultClient(*Client) {}

// Option has no effect.
type Option struct{}

// CondOptions has no effect.
func CondOptions(bool, ...Option) Option { return Option{} }

// DisableAuthoritativeNssPropagationRequirement has no effect.
func DisableAuthoritativeNssPropagationRequirement() Option { return Option{} }

// DisableRecursiveNSsPropagationRequirement has no effect.
func DisableRecursiveNSsPropagationRequirement() Option { return Option{} }

// PropagationWait has no effect.
func PropagationWait(time.Duration, bool) Option { return Option{} }

// UnFqdn is the name without a dot at its end. Traefik calls it for certificates of any origin.
func UnFqdn(name string) string { return strings.TrimSuffix(name, ".") }
