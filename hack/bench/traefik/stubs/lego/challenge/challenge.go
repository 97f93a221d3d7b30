// Package challenge says what solves a challenge of an ACME server.
package challenge

import "context"

// Provider presents the answer to a challenge and takes it away again.
type Provider interface {
	Present(ctx context.Context, domain, token, keyAuth string) error
	CleanUp(ctx context.Context, domain, token, keyAuth string) error
}
