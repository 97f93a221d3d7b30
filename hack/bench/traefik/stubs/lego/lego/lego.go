// Package lego has the shape of an ACME client that cannot be made.
package lego

import (
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/go-acme/lego/v5/certificate"
	"github.com/go-acme/lego/v5/challenge"
	"github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/challenge/http01"
	"github.com/go-acme/lego/v5/challenge/tlsalpn01"
	"github.com/go-acme/lego/v5/registration"
)

// DirectoryURLLetsEncrypt is the server a configuration has if it names none.
const DirectoryURLLetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

var errStub = errors.New("built without ACME")

// Config configures a client.
type Config struct {
	CADirURL    string
	UserAgent   string
	HTTPClient  *http.Client
	Certificate struct{ Timeout time.Duration }
}

// NewConfig ignores the account.
func NewConfig(any) *Config { return &Config{} }

// Client is never made.
type Client struct {
	Certificate  *certificate.Certifier
	Challenge    *Challenges
	Registration *registration.Registrar
}

// NewClient always fails.
func NewClient(*Config) (*Client, error) { return nil, errStub }

// CreateCertPool always fails.
func CreateCertPool([]string, bool) (*x509.CertPool, error) { return nil, errStub }

// Challenges takes no provider.
type Challenges struct{}

// SetDNS01Provider always fails.
func (*Challenges) SetDNS01Provider(challenge.Provider, ...dns01.Option) error { return errStub }

// SetHTTP01Provider always fails.
func (*Challenges) SetHTTP01Provider(challenge.Provider, ...http01.Option) error { return errStub }

// SetTLSALPN01Provider always fails.
func (*Challenges) SetTLSALPN01Provider(challenge.Provider, ...tlsalpn01.Option) error {
	return errStub
}
