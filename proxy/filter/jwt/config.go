package jwt

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/filter/jwt/jws"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Config says whose tokens are accepted, and where requests carry them.
type Config struct {
	// Disabled leaves nothing of the filter but that clients can't set the headers of ClaimsToHeaders.
	Disabled  bool       `json:"disabled,omitempty"`
	Providers []Provider `json:"providers,omitempty"`
	// From is where tokens are; empty: the header Authorization with the scheme Bearer.
	From            []credential.Source `json:"from,omitempty"`
	Optional        bool                `json:"optional,omitempty"`
	Forward         bool                `json:"forward,omitempty"`
	ClaimsToHeaders []ClaimToHeader     `json:"claimsToHeaders,omitempty"`
}

// Provider issues tokens. Exactly one of RemoteJWKS, Secret and ConfigMap is set.
type Provider struct {
	Name string `json:"name"`
	// Issuer is the claim iss of its tokens.
	Issuer string `json:"issuer"`
	// Audiences are those of which the claim aud has to have one; empty: it may have any.
	Audiences      []string        `json:"audiences,omitempty"`
	RequiredClaims []RequiredClaim `json:"requiredClaims,omitempty"`
	// RequiredScopes have to be there, all of them.
	RequiredScopes []string `json:"requiredScopes,omitempty"`
	// Algorithms are those that are allowed; empty: all that its keys are for.
	Algorithms []jws.Algorithm `json:"algorithms,omitempty"`
	// ClockSkew is how far clocks may differ, as a duration; empty: 30 s.
	ClockSkew  string      `json:"clockSkew,omitempty"`
	RemoteJWKS *RemoteJWKS `json:"remoteJWKS,omitempty"`
	Secret     *Keys       `json:"secret,omitempty"`
	// ConfigMap has no symmetric keys.
	ConfigMap *Keys `json:"configMap,omitempty"`
}

// RequiredClaim is one that a token has to have, with one of Values, if there are any; of a list, one item has to be among them.
type RequiredClaim struct {
	Name   string   `json:"name"`
	Values []string `json:"values,omitempty"`
}

// RemoteJWKS says where a provider publishes its keys.
type RemoteJWKS struct {
	URL string `json:"url"`
	// MaxAge is a duration; empty: 10 min.
	MaxAge string `json:"maxAge,omitempty"`
	// CASecretName names a Secret whose key ca.crt has the roots of the server's certificate; empty: those of the system.
	CASecretName string `json:"caSecretName,omitempty"`
}

// Format is the form of keys.
type Format string

// The forms of keys.
const (
	JWKS         Format = "JWKS"
	PEM          Format = "PEM"
	SharedSecret Format = "SharedSecret"
)

// Keys are keys that a Secret or ConfigMap has.
type Keys struct {
	Name   string `json:"name"`
	Key    string `json:"key"`
	Format Format `json:"format"`
}

// ClaimToHeader tells the backend a claim.
type ClaimToHeader struct {
	Claim  string `json:"claim"`
	Header string `json:"header"`
}

const (
	defaultSkew   = 30 * time.Second
	maxSkew       = 10 * time.Minute
	defaultMaxAge = 10 * time.Minute
	caKey         = "ca.crt"
)

var defaultFrom = []credential.Source{{Header: "Authorization", Scheme: "Bearer"}}

func (c *Config) from() []credential.Source {
	if len(c.From) == 0 {
		return defaultFrom
	}
	return c.From
}

// Validate checks what types can't.
func (c *Config) Validate() error {
	if len(c.Providers) == 0 && !c.Disabled {
		return errors.New("providers: there is none")
	}
	issuers := map[string]bool{}
	for i := range c.Providers {
		p := &c.Providers[i]
		if err := p.validate(); err != nil {
			return fmt.Errorf("providers[%d].%w", i, err)
		}
		if issuers[p.Issuer] {
			return fmt.Errorf("providers[%d].issuer: another provider has it", i)
		}
		issuers[p.Issuer] = true
	}
	for i, h := range c.ClaimsToHeaders {
		if err := credential.ValidateHeader(h.Header, c.from()); err != nil {
			return fmt.Errorf("claimsToHeaders[%d].header: %w", i, err)
		}
	}
	return credential.Validate(c.From)
}

func (p *Provider) validate() error {
	if p.Issuer == "" {
		return errors.New("issuer: it is empty")
	}
	for i, a := range p.Algorithms {
		if !a.Known() {
			return fmt.Errorf("algorithms[%d]: %q is not known", i, a)
		}
	}
	if d, err := duration(p.ClockSkew, defaultSkew); err != nil || d < 0 || d > maxSkew {
		return fmt.Errorf("clockSkew: %q is no duration of at most %v", p.ClockSkew, maxSkew)
	}
	return p.validateKeys()
}

func (p *Provider) validateKeys() error {
	var errs []error
	if p.RemoteJWKS != nil {
		errs = append(errs, p.RemoteJWKS.validate())
	}
	if p.Secret != nil {
		errs = append(errs, p.Secret.validate("secret"))
	}
	if p.ConfigMap != nil {
		errs = append(errs, p.ConfigMap.validate("configMap"))
	}
	if len(errs) != 1 {
		return errors.New("remoteJWKS, secret, configMap: exactly one must be set")
	}
	return errs[0]
}

func (k *Keys) validate(at string) error {
	if at == "configMap" && k.Format == SharedSecret {
		return errors.New("configMap.format: a shared secret belongs into a Secret")
	}
	if f := k.Format; f != JWKS && f != PEM && f != SharedSecret {
		return fmt.Errorf("%s.format: %q is not known", at, f)
	}
	return nil
}

func (r *RemoteJWKS) validate() error {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("remoteJWKS.url: no URL with https or http, a host, and neither user nor fragment")
	}
	if d, err := duration(r.MaxAge, defaultMaxAge); err != nil || d <= 0 {
		return fmt.Errorf("remoteJWKS.maxAge: %q is no duration", r.MaxAge)
	}
	return nil
}

func duration(text string, otherwise time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	return time.ParseDuration(text)
}

// ref names the value that the provider's keys, or the roots for fetching them, are in.
func (p *Provider) ref() (snapshot.Ref, bool) {
	switch {
	case p.Secret != nil:
		return snapshot.Ref{Name: p.Secret.Name, Key: p.Secret.Key}, true
	case p.ConfigMap != nil:
		return snapshot.Ref{Kind: snapshot.InConfigMap, Name: p.ConfigMap.Name, Key: p.ConfigMap.Key}, true
	case p.RemoteJWKS.CASecretName != "":
		return snapshot.Ref{Name: p.RemoteJWKS.CASecretName, Key: caKey}, true
	}
	return snapshot.Ref{}, false
}

func refs(c Config) (out []snapshot.Ref) {
	if c.Disabled {
		return nil
	}
	for i := range c.Providers {
		if ref, ok := c.Providers[i].ref(); ok {
			out = append(out, ref)
		}
	}
	return out
}

// headers are those that only the filter sets.
func (c *Config) headers() (names []string) {
	for _, h := range c.ClaimsToHeaders {
		names = append(names, h.Header)
	}
	return names
}
