// Package cidr finds addresses in lists of networks.
package cidr

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"
)

// Set is a set of networks. A look-up takes the same time, whatever their number, and allocates nothing. It is safe for
// concurrent use.
type Set struct{ table bart.Lite }

// Parse returns the set of networks, which are CIDRs or single addresses.
func Parse(networks []string) (*Set, error) {
	s := new(Set)
	for i, text := range networks {
		p, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		s.table.Insert(p)
	}
	return s, nil
}

func parse(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Is4In6() || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a CIDR", s)
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a CIDR", s)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its length: write %s for the network", s, p.Masked())
	}
	return p, nil
}

// Contains reports whether a network of the set holds a; the zero Addr is in none.
func (s *Set) Contains(a netip.Addr) bool { return s.table.Contains(a) }
