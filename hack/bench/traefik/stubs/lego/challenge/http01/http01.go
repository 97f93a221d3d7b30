// Package http01 has the options of a challenge by HTTP.
package http01

import "time"

// PathPrefix is where an ACME server asks (RFC 8555, section 8.3).
const PathPrefix = "/.well-known/acme-challenge/"

// Option has no effect.
type Option struct{}

// SetDelay has no effect.
func SetDelay(time.Duration) Option { return Option{} }
