// Package origin compares web origins (RFC 6454) with lists of those that are permitted.
package origin

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// Any is the pattern that stands for every origin.
const Any = "*"

// Set is a list of patterns: an origin as browsers write it ("https://shop.example.com", with a port where it is not the
// scheme's), or one whose host starts with "*.", which stands for one or more labels.
type Set struct {
	exact map[string]struct{}
	wild  []wildcard
}

// wildcard is what an origin begins and ends with: "https://" and ".example.com".
type wildcard struct{ scheme, rest string }

// Parse returns the set of the patterns; Any is not one of them.
func Parse(patterns []string) (*Set, error) {
	s := &Set{exact: make(map[string]struct{}, len(patterns))}
	for i, p := range patterns {
		if err := s.add(p); err != nil {
			return nil, fmt.Errorf("[%d]: %q %w", i, p, err)
		}
	}
	return s, nil
}

func (s *Set) add(pattern string) error {
	scheme, rest, ok := strings.Cut(pattern, "://")
	if !ok || scheme != "http" && scheme != "https" {
		return errors.New("is no origin of http or https, such as https://shop.example.com")
	}
	host, port := splitPort(rest)
	if err := checkPort(scheme, port); err != nil {
		return err
	}
	name, isWild := strings.CutPrefix(host, "*.")
	if err := checkHost(name, isWild); err != nil {
		return err
	}
	if isWild {
		s.wild = append(s.wild, wildcard{scheme + "://", rest[1:]})
		return nil
	}
	s.exact[pattern] = struct{}{}
	return nil
}

// splitPort cuts ":port" off, which stays part of what is returned second.
func splitPort(authority string) (host, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || i < strings.LastIndexByte(authority, ']') {
		return authority, ""
	}
	return authority[:i], authority[i:]
}

func checkPort(scheme, port string) error {
	switch {
	case port == "":
		return nil
	case scheme == "http" && port == ":80", scheme == "https" && port == ":443":
		return errors.New("has the default port, which browsers leave out")
	}
	if _, err := netip.ParseAddrPort("0.0.0.0" + port); err != nil {
		return errors.New("has a port that is none")
	}
	return nil
}

func checkHost(name string, isWild bool) error {
	if bare, ok := strings.CutPrefix(name, "["); ok && !isWild {
		if a, err := netip.ParseAddr(strings.TrimSuffix(bare, "]")); err == nil && a.Is6() && strings.HasSuffix(bare, "]") {
			return nil
		}
	}
	if field.Hostname(name) != nil {
		return errors.New("has a host that is neither a lower-case name nor an address")
	}
	return nil
}

// Contains reports whether an origin, as an Origin field has it, is in the set. It does not allocate.
func (s *Set) Contains(origin string) bool {
	if _, ok := s.exact[origin]; ok {
		return true
	}
	for i := range s.wild {
		if s.wild[i].matches(origin) {
			return true
		}
	}
	return false
}

// matches holds the part that the asterisk stands for to the characters of host names: a "/" or "@" in it could make another
// host of it.
func (w *wildcard) matches(origin string) bool {
	n := len(origin) - len(w.rest)
	if n <= len(w.scheme) || !strings.HasPrefix(origin, w.scheme) || !strings.HasSuffix(origin, w.rest) {
		return false
	}
	for _, c := range []byte(origin[len(w.scheme):n]) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
