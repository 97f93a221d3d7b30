package jwks

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Reach says from where keys may be fetched. Whoever may write a route chooses the URL, and a gateway reaches more than they do: so
// its zero value is public addresses alone.
type Reach struct {
	// Everywhere permits all addresses but those of machines' own services.
	Everywhere bool
	// Hosts are names in lower case whose addresses need not be public; "*.example.com" stands for all names below example.com.
	Hosts []string
}

// unreachable says why an address is not asked.
type unreachable struct{ why string }

func (u *unreachable) Error() string { return u.why }

// permits returns an error unless a host may be asked at one of its addresses.
func (r *Reach) permits(host string, address netip.Addr) error {
	address = address.Unmap().WithZone("")
	switch {
	case isOwn(address):
		return &unreachable{fmt.Sprintf("%s is an address of services for the machine itself", address)}
	case r.Everywhere || isPublic(address) || r.names(host):
		return nil
	}
	return &unreachable{fmt.Sprintf("%s is no public address, and this installation does not name %s in --jwks-hosts", address, host)}
}

func (r *Reach) names(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return slices.ContainsFunc(r.Hosts, func(h string) bool {
		suffix, isWildcard := strings.CutPrefix(h, "*")
		return h == host || isWildcard && len(host) > len(suffix) && strings.HasSuffix(host, suffix)
	})
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

var (
	// metadata is where clouds tell a machine its credentials, beside link-local addresses.
	metadata = prefixes("100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128")
	// special is what is not reached over the internet, or leads elsewhere: the special-purpose registries of IANA (RFC 6890),
	// beside what net/netip knows. Those of IPv6 that hold an IPv4 address could stand for any of these.
	special = prefixes(
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
	)
)

// isOwn reports whether nobody but the machine itself has any business at an address.
func isOwn(a netip.Addr) bool {
	return a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || contains(metadata, a)
}

func isPublic(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !contains(special, a)
}
