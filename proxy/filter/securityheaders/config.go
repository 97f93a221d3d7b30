package securityheaders

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Off leaves a field to the backend, where there would be a default.
const Off = "Off"

// BackendFields says what becomes of the same fields of a backend.
type BackendFields string

// What may become of them.
const (
	// Keep leaves a field as it is that the backend sets, since it knows its pages.
	Keep BackendFields = "Keep"
	// Replace puts the configured field in its place.
	Replace BackendFields = "Replace"
)

// Config says what browsers are told. What is empty has the default that stands with it.
type Config struct {
	// StrictTransportSecurity is for answers over TLS alone (RFC 6797 §7.2); nil: a year.
	StrictTransportSecurity *HSTS `json:"strictTransportSecurity,omitempty"`
	// ContentTypeOptions is NoSniff or Off; empty: NoSniff.
	ContentTypeOptions string `json:"contentTypeOptions,omitempty"`
	// FrameOptions is Deny, SameOrigin or Off; empty: SameOrigin, or Off with FrameAncestors.
	FrameOptions string `json:"frameOptions,omitempty"`
	// FrameAncestors are the sources of the directive frame-ancestors, which is added to ContentSecurityPolicy.
	FrameAncestors []string `json:"frameAncestors,omitempty"`
	// ReferrerPolicy is one of the standard's policies or Off; empty: strict-origin-when-cross-origin.
	ReferrerPolicy string `json:"referrerPolicy,omitempty"`
	// The following are field values; empty: none.
	PermissionsPolicy               string `json:"permissionsPolicy,omitempty"`
	ContentSecurityPolicy           string `json:"contentSecurityPolicy,omitempty"`
	ContentSecurityPolicyReportOnly string `json:"contentSecurityPolicyReportOnly,omitempty"`
	CrossOriginOpenerPolicy         string `json:"crossOriginOpenerPolicy,omitempty"`
	CrossOriginEmbedderPolicy       string `json:"crossOriginEmbedderPolicy,omitempty"`
	CrossOriginResourcePolicy       string `json:"crossOriginResourcePolicy,omitempty"`
	// BackendFields is Keep or Replace; empty: Keep.
	BackendFields BackendFields `json:"backendFields,omitempty"`
	// HideServer removes the fields in which a backend says what it runs on.
	HideServer bool `json:"hideServer,omitempty"`
}

// HSTS makes browsers use TLS alone for a host.
type HSTS struct {
	// MaxAge is how long, in whole seconds; nil: 365 days; 0 ends it.
	MaxAge *snapshot.Duration `json:"maxAge,omitempty"`
	// IncludeSubdomains makes it hold for every host below, too.
	IncludeSubdomains bool `json:"includeSubdomains,omitempty"`
	// Preload asks to be put on the lists that browsers come with. It needs a year and IncludeSubdomains.
	Preload bool `json:"preload,omitempty"`
	// Disabled leaves the field to the backend.
	Disabled bool `json:"disabled,omitempty"`
}

const year = 365 * 24 * time.Hour

// The values that fields may have.
var (
	contentTypeOptions = map[string]string{"": "nosniff", "NoSniff": "nosniff", Off: ""}
	frameOptions       = map[string]string{"Deny": "DENY", "SameOrigin": "SAMEORIGIN", Off: ""}
	referrerPolicies   = []string{
		"no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin", "same-origin", "strict-origin",
		"strict-origin-when-cross-origin", "unsafe-url",
	}
	openerPolicies   = []string{"", "same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"}
	embedderPolicies = []string{"", "require-corp", "credentialless", "unsafe-none"}
	resourcePolicies = []string{"", "same-origin", "same-site", "cross-origin"}
)

// Validate checks the values.
func (c *Config) Validate() error {
	_, err := c.compile()
	return err
}

func (c *Config) compile() (*securityHeaders, error) {
	f := &securityHeaders{replace: c.BackendFields == Replace, hide: c.HideServer}
	if !slices.Contains([]BackendFields{"", Keep, Replace}, c.BackendFields) {
		return nil, fmt.Errorf("backendFields: %q is neither Keep nor Replace", c.BackendFields)
	}
	return f, errors.Join(
		c.addHSTS(f),
		f.choose("contentTypeOptions", "X-Content-Type-Options", contentTypeOptions, c.ContentTypeOptions),
		f.choose("frameOptions", "X-Frame-Options", frameOptions, c.frameOption()),
		c.addReferrerPolicy(f),
		c.addPolicies(f),
		f.pick("crossOriginOpenerPolicy", "Cross-Origin-Opener-Policy", openerPolicies, c.CrossOriginOpenerPolicy),
		f.pick("crossOriginEmbedderPolicy", "Cross-Origin-Embedder-Policy", embedderPolicies, c.CrossOriginEmbedderPolicy),
		f.pick("crossOriginResourcePolicy", "Cross-Origin-Resource-Policy", resourcePolicies, c.CrossOriginResourcePolicy),
	)
}

func (c *Config) frameOption() string {
	switch {
	case c.FrameOptions != "":
		return c.FrameOptions
	case len(c.FrameAncestors) > 0:
		return Off // browsers that know the directive don't look at the field, and the others would read another meaning
	}
	return "SameOrigin"
}

func (c *Config) addHSTS(f *securityHeaders) error {
	s := c.StrictTransportSecurity
	if s == nil {
		s = new(HSTS)
	}
	age := year
	if s.MaxAge != nil {
		age = time.Duration(*s.MaxAge)
	}
	switch {
	case age < 0 || age%time.Second != 0:
		return fmt.Errorf("strictTransportSecurity.maxAge: %v is no number of whole seconds", age)
	case s.Preload && (age < year || !s.IncludeSubdomains):
		return errors.New("strictTransportSecurity.preload: it needs includeSubdomains, and a maxAge of at least 8760h")
	case s.Disabled:
		return nil
	}
	f.hsts = "max-age=" + strconv.FormatInt(int64(age/time.Second), 10)
	if s.IncludeSubdomains {
		f.hsts += "; includeSubDomains"
	}
	if s.Preload {
		f.hsts += "; preload"
	}
	return nil
}

func (c *Config) addReferrerPolicy(f *securityHeaders) error {
	switch p := c.ReferrerPolicy; p {
	case "":
		f.add("Referrer-Policy", "strict-origin-when-cross-origin")
		return nil
	case Off:
		return nil
	default:
		return f.pick("referrerPolicy", "Referrer-Policy", referrerPolicies, p)
	}
}

func (c *Config) addPolicies(f *securityHeaders) error {
	policy, err := c.contentSecurityPolicy()
	if err != nil {
		return err
	}
	for _, p := range []struct{ name, header, value string }{
		{"permissionsPolicy", "Permissions-Policy", c.PermissionsPolicy},
		{"contentSecurityPolicy", "Content-Security-Policy", policy},
		{"contentSecurityPolicyReportOnly", "Content-Security-Policy-Report-Only", c.ContentSecurityPolicyReportOnly},
	} {
		if err := field.Value(p.value); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if p.value != "" {
			f.add(p.header, p.value)
		}
	}
	return nil
}

const frameAncestors = "frame-ancestors"

// contentSecurityPolicy is the policy with the directive frame-ancestors.
func (c *Config) contentSecurityPolicy() (string, error) {
	policy := c.ContentSecurityPolicy
	if len(c.FrameAncestors) == 0 {
		return policy, nil
	}
	for i, source := range c.FrameAncestors {
		if source == "" || strings.ContainsAny(source, " \t;,") {
			return "", fmt.Errorf("frameAncestors[%d]: %q is not one source", i, source)
		}
	}
	for directive := range strings.SplitSeq(policy, ";") {
		if name, _, _ := strings.Cut(strings.TrimSpace(directive), " "); strings.EqualFold(name, frameAncestors) {
			return "", errors.New("frameAncestors: contentSecurityPolicy has the directive frame-ancestors already")
		}
	}
	directive := frameAncestors + " " + strings.Join(c.FrameAncestors, " ")
	if policy == "" {
		return directive, nil
	}
	return strings.TrimRight(policy, "; ") + "; " + directive, nil
}
