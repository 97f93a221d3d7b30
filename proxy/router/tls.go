package router

import (
	"crypto/tls"
	"net/http"
	"slices"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/snapshot"
)

// errMisdirected is for a request whose host isn't secured as its connection is (RFC 9110 §15.5.20). Clients that share one connection
// among the hosts of one certificate repeat it on a connection of its own.
var errMisdirected = &exchange.Error{Status: http.StatusMisdirectedRequest, Code: "route.misdirected", Source: exchange.FromClient}

// tlsPolicy is what policies can have in common. Equal ones are one pointer.
type tlsPolicy struct {
	certificate snapshot.Ref
	least       uint16 // the oldest version that is spoken
}

// policies has the TLS policies by the keys of their hosts; see hostKey. It never changes.
type policies map[string]*tlsPolicy

func compilePolicies(specs []*snapshot.TLSPolicy) policies {
	p := make(policies, len(specs))
	distinct := make(map[tlsPolicy]*tlsPolicy)
	for _, s := range specs {
		content := tlsPolicy{s.Certificate, tls.VersionTLS12}
		if s.MinVersion == snapshot.TLS13 {
			content.least = tls.VersionTLS13
		}
		if distinct[content] == nil {
			distinct[content] = &content
		}
		p[hostKey(s.Host)] = distinct[content]
	}
	return p
}

// updatePolicies takes over the TLS policies, if they changed.
func (c *compiler) updatePolicies() {
	if now := c.table.source.TLS; !slices.Equal(c.prev.TLS, now) {
		c.table.policies = compilePolicies(now)
	}
}

// of returns the policy of a host: its own, else that of the longest wildcard, else the default, or nil.
func (p policies) of(name string) *tlsPolicy {
	if found := p[name]; found != nil {
		return found
	}
	for i := 1; i < len(name); i++ {
		if name[i] == '.' {
			if found := p[name[i:]]; found != nil {
				return found
			}
		}
	}
	return p[""]
}

// misdirects reports whether the host of x is to be secured otherwise than the connection is: by another certificate, or by a newer
// version. The policies are those of now, which the handshake may not have known.
func (p policies) misdirects(x *exchange.Exchange) bool {
	switch {
	case x.TLS == nil:
		return false
	case x.TLS.ServerName == x.Request.Host && x.TLS.Version == tls.VersionTLS13:
		return false // as nearly all are
	}
	host := p.of(x.Request.Host)
	return host != p.of(x.TLS.ServerName) || host != nil && x.TLS.Version < host.least
}
