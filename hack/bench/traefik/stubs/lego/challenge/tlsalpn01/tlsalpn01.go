// Package tlsalpn01 has the options of a challenge by TLS.
package tlsalpn01

import (
	"errors"
	"time"
)

// ACMETLS1Protocol is the protocol that an ACME server negotiates (RFC 8737, section 6.2).
const ACMETLS1Protocol = "acme-tls/1"

// Option has no effect.
type Option struct{}

// SetDelay has no effect.
func SetDelay(time.Duration) Option { return Option{} }

// ChallengeBlocks always fails.
func ChallengeBlocks(string, string) (certificate, key []byte, err error) {
	return nil, nil, errors.New("built without ACME")
}
