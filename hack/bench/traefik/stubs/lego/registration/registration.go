// Package registration registers no account.
package registration

import (
	"context"
	"errors"

	"github.com/go-acme/lego/v5/acme"
)

var errStub = errors.New("built without ACME")

// RegisterOptions register an account.
type RegisterOptions struct{ TermsOfServiceAgreed bool }

// RegisterEABOptions register one that is bound to an external account.
type RegisterEABOptions struct {
	TermsOfServiceAgreed bool
	Kid                  string
	HmacEncoded          string
}

// Registrar registers none.
type Registrar struct{}

// Register always fails.
func (*Registrar) Register(context.Context, RegisterOptions) (*acme.ExtendedAccount, error) {
	return nil, errStub
}

// RegisterWithExternalAccountBinding always fails.
func (*Registrar) RegisterWithExternalAccountBinding(context.Context, RegisterEABOptions) (*acme.ExtendedAccount, error) {
	return nil, errStub
}
