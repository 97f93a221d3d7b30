package apikey

import (
	"errors"
	"fmt"

	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Config says which keys are known, and where requests carry them.
type Config struct {
	// Disabled leaves nothing of the filter but that clients can't set ClientHeader.
	Disabled   bool   `json:"disabled,omitempty"`
	SecretName string `json:"secretName,omitempty"`
	// From is where keys are; empty: the header X-API-Key.
	From     []credential.Source `json:"from,omitempty"`
	Optional bool                `json:"optional,omitempty"`
	Forward  bool                `json:"forward,omitempty"`
	// ClientHeader tells the backend the name of the client; empty: nothing does.
	ClientHeader string `json:"clientHeader,omitempty"`
}

var defaultFrom = []credential.Source{{Header: "X-API-Key"}}

// Validate checks names.
func (c *Config) Validate() error {
	if c.SecretName == "" && !c.Disabled {
		return errors.New("secretName: it is empty")
	}
	if err := credential.Validate(c.From); err != nil {
		return err
	}
	if c.ClientHeader == "" {
		return nil
	}
	if err := credential.ValidateHeader(c.ClientHeader, c.from()); err != nil {
		return fmt.Errorf("clientHeader: %w", err)
	}
	return nil
}

func (c *Config) from() []credential.Source {
	if len(c.From) == 0 {
		return defaultFrom
	}
	return c.From
}

// ref names all values of the Secret.
func (c *Config) ref() snapshot.Ref { return snapshot.Ref{Name: c.SecretName} }

func refs(c Config) []snapshot.Ref {
	if c.Disabled {
		return nil
	}
	return []snapshot.Ref{c.ref()}
}
