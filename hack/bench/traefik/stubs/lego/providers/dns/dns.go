// Package dns knows no provider: their libraries are most of what Traefik depends on, and some cannot be had as modules.
package dns

import (
	"errors"

	"github.com/go-acme/lego/v5/challenge"
)

// NewDNSChallengeProviderByName always fails.
func NewDNSChallengeProviderByName(string) (challenge.Provider, error) {
	return nil, errors.New("built without ACME")
}
