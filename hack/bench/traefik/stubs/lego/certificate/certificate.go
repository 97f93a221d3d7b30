// Package certificate has the shape of a request for a certificate and of its answer.
package certificate

import (
	"context"
	"errors"

	"github.com/go-acme/lego/v5/certcrypto"
)

var errStub = errors.New("built without ACME")

// Resource is a certificate that was obtained.
type Resource struct {
	ID          string
	Domains     []string
	PrivateKey  []byte
	Certificate []byte
}

// ObtainRequest asks for a certificate.
type ObtainRequest struct {
	Domains          []string
	Bundle           bool
	EmailAddresses   []string
	Profile          string
	PreferredChain   string
	EnableCommonName bool
	KeyType          certcrypto.KeyType
}

// RenewOptions ask for a certificate anew.
type RenewOptions struct {
	Bundle           bool
	EmailAddresses   []string
	Profile          string
	PreferredChain   string
	EnableCommonName bool
}

// Certifier obtains no certificate.
type Certifier struct{}

// Obtain always fails.
func (*Certifier) Obtain(context.Context, ObtainRequest) (*Resource, error) { return nil, errStub }

// Renew always fails.
func (*Certifier) Renew(context.Context, Resource, *RenewOptions) (*Resource, error) {
	return nil, errStub
}
