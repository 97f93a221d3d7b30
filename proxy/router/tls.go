package router

import (
	"crypto/tls"
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// errMisdirected is for a request whose host isn't secured as its connection is (RFC 9110 §15.5.20). Clients that share one connection
// among the hosts of one certificate repeat it on a connection of its own.
var errMisdirected = &exchange.Error{Status: http.StatusMisdirectedRequest, Code: "route.misdirected", Source: exchange.FromClient}

// tlsPolicy is what policies can have in common.
type tlsPolicy struct {
	certificate snapshot.Ref
	least       uint16 // the oldest version that is spoken
}

// policies has the TLS policies by the keys of their hosts; see hostKey.
type policies radix.Tree[tlsPolicy]

func compilePolicy(s *snapshot.TLSPolicy) *tlsPolicy {
	if s.MinVersion == snapshot.TLS13 {
		return &tlsPolicy{s.Certificate, tls.VersionTLS13}
	}
	return &tlsPolicy{s.Certificate, tls.VersionTLS12}
}

// updatePolicies takes over the TLS policies that changed.
func (c *compiler) updatePolicies() {
	t := c.table
	all := (*radix.Tree[tlsPolicy])(t.policies)
	for host, change := range c.prev.TLS.Diff(t.source.TLS) {
		var now *tlsPolicy
		if change.New != nil {
			now = compilePolicy(change.New)
		}
		all = all.Put(t.generation, hostKey(host), now)
	}
	t.policies = (*policies)(all)
}

// of returns the policy of a host: its own, else that of the longest wildcard, else the default; the zero value for none.
func (p *policies) of(name string) tlsPolicy {
	all := (*radix.Tree[tlsPolicy])(p)
	if found := all.Get(name); found != nil {
		return *found
	}
	for i := 1; i < len(name); i++ {
		if name[i] == '.' {
			if found := all.Get(name[i:]); found != nil {
				return *found
			}
		}
	}
	if found := all.Get(""); found != nil {
		return *found
	}
	return tlsPolicy{}
}

// misdirects reports whether the host of x is to be secured otherwise than the connection is: by another certificate, or by a newer
// version. The policies are those of now, which the handshake may not have known.
func (p *policies) misdirects(x *exchange.Exchange) bool {
	switch {
	case x.TLS == nil:
		return false
	case x.TLS.ServerName == x.Request.Host && x.TLS.Version == tls.VersionTLS13:
		return false // as nearly all are
	}
	host := p.of(x.Request.Host)
	return host != p.of(x.TLS.ServerName) || x.TLS.Version < host.least
}
