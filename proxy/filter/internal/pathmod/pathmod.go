// Package pathmod changes the path of a request as Gateway API's HTTPPathModifier does.
package pathmod

import (
	"errors"
	"fmt"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
)

// Type says what part of a path is replaced.
type Type string

// The parts of a path that can be replaced.
const (
	ReplacePrefixMatch Type = "ReplacePrefixMatch"
	ReplaceFullPath    Type = "ReplaceFullPath"
)

// Modifier replaces a path, or the prefix of it that matched.
type Modifier struct {
	Type               Type   `json:"type"`
	ReplacePrefixMatch string `json:"replacePrefixMatch,omitempty"`
	ReplaceFullPath    string `json:"replaceFullPath,omitempty"`
}

// Validate checks that the replacement belongs to the type and is an absolute path.
func (m *Modifier) Validate() error {
	used, unused := m.ReplacePrefixMatch, m.ReplaceFullPath
	switch m.Type {
	case ReplacePrefixMatch:
	case ReplaceFullPath:
		used, unused = unused, used
	default:
		return fmt.Errorf("path: type %q is not known", m.Type)
	}
	if unused != "" {
		return errors.New("path: replacePrefixMatch and replaceFullPath must not both be set")
	}
	if !strings.HasPrefix(used, "/") {
		return fmt.Errorf("path: %q does not start with /", used)
	}
	for i := range len(used) {
		if c := used[i]; c <= ' ' || c >= 0x7f || c == '?' || c == '#' || c == '\\' {
			return fmt.Errorf("path: %q contains a character that a path must not contain", used)
		}
	}
	return nil
}

// Path is the changed path of x. It lives until the exchange is reset.
func (m *Modifier) Path(x *exchange.Exchange) string {
	if m.Type == ReplaceFullPath {
		return m.ReplaceFullPath
	}
	prefix := x.Route.Prefixes[x.Match]
	if prefix == "" {
		return x.Request.Path // matched otherwise: there is no prefix to replace
	}
	// Both without their last slash, so that what follows them brings the only one.
	replacement := strings.TrimSuffix(m.ReplacePrefixMatch, "/")
	rest := x.Request.Path[len(strings.TrimSuffix(prefix, "/")):]
	if len(replacement)+len(rest) == 0 {
		return "/"
	}
	b := x.Alloc(len(replacement) + len(rest))
	copy(b[copy(b, replacement):], rest)
	return exchange.String(b)
}
