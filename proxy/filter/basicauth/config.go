package basicauth

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Config says who the users are.
type Config struct {
	// Disabled leaves nothing of the filter but that clients can't set UserHeader.
	Disabled bool `json:"disabled,omitempty"`
	// SecretName names a Secret that has a password file under the key .htpasswd.
	SecretName string `json:"secretName,omitempty"`
	// Realm is what browsers show; empty: "Restricted".
	Realm    string `json:"realm,omitempty"`
	Optional bool   `json:"optional,omitempty"`
	Forward  bool   `json:"forward,omitempty"`
	// UserHeader tells the backend the name of the user; empty: nothing does.
	UserHeader string `json:"userHeader,omitempty"`
}

// fileKey is the key of the password file, as others name it too.
const fileKey = ".htpasswd"

// Validate checks names.
func (c *Config) Validate() error {
	if c.SecretName == "" && !c.Disabled {
		return errors.New("secretName: it is empty")
	}
	if strings.ContainsAny(c.Realm, "\"\\") {
		return errors.New("realm: it has a quote or backslash")
	}
	if err := field.Value(c.Realm); err != nil {
		return fmt.Errorf("realm: %w", err)
	}
	if c.UserHeader == "" {
		return nil
	}
	if err := credential.ValidateHeader(c.UserHeader, from); err != nil {
		return fmt.Errorf("userHeader: %w", err)
	}
	return nil
}

func (c *Config) ref() snapshot.Ref { return snapshot.Ref{Name: c.SecretName, Key: fileKey} }

func refs(c Config) []snapshot.Ref {
	if c.Disabled {
		return nil
	}
	return []snapshot.Ref{c.ref()}
}

// challenge asks for a name and password (RFC 7617 §2).
func (c *Config) challenge() string {
	return `Basic realm="` + cmp.Or(c.Realm, "Restricted") + `", charset="UTF-8"`
}
