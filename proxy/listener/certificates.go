package listener

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/penstock/penstock/proxy/snapshot"
)

// certificates chooses policy and certificate of each handshake. Readers never wait: a table is replaced as a whole.
type certificates struct {
	log *slog.Logger
	// server is what every handshake begins with, until the client has said which host it wants; unknown is for hosts that
	// nobody has. A configuration without certificates is what makes crypto/tls say unrecognized_name (RFC 6066 §3).
	server, unknown *tls.Config
	// tickets has the keys of session tickets, which crypto/tls renews every day.
	tickets *tls.Config
	current atomic.Pointer[table]

	applying sync.Mutex
	issued   uint64 // configurations made so far
}

// protocols are what ALPN offers.
var protocols = []string{"http/1.1"}

func (c *certificates) init(log *slog.Logger) {
	c.log = log
	c.server = &tls.Config{GetConfigForClient: c.configFor}
	c.unknown = &tls.Config{NextProtos: protocols, SessionTicketsDisabled: true} // else it would resume any policy's sessions
	c.tickets = new(tls.Config)
	c.current.Store(new(table))
}

// configFor returns the configuration for a client that has said hello.
func (c *certificates) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	d := hello.Conn.(*door)
	p := c.current.Load().find(strings.ToLower(hello.ServerName))
	if p == nil {
		d.wrong = unknownHost
		return c.unknown, nil
	}
	switch {
	case slices.Contains(hello.SupportedVersions, tls.VersionTLS13):
	case slices.Contains(hello.SupportedVersions, tls.VersionTLS12) && p.tls12 != nil:
		return p.tls12, nil
	default:
		d.wrong = oldVersion
	}
	return p.tls13, nil
}

// table is the policies of one snapshot that have a certificate. It never changes.
type table struct {
	source  []*snapshot.TLSPolicy
	secrets []*snapshot.Secret
	// hosts has the policies by host: "a.example.com", ".example.com" for the wildcard, "" for the default.
	hosts map[string]*policy
	// missing counts the policies of the source that have none.
	missing int
	pairs   map[pairKey]*pair
	configs map[configKey]configs
}

// policy is what handshakes for one host use.
type policy struct {
	configs
	pair *pair
	// stale says that the certificate is not the present one, which is missing or broken, but the last good one.
	stale bool
}

// pair is a certificate with its key, or why there is none.
type pair struct {
	certificate, key *snapshot.Secret // nil if missing
	parsed           tls.Certificate
	err              error
}

type pairKey struct{ certificate, key snapshot.Ref }

// configKey is all that distinguishes configurations. Hosts with equal policies share one, so that a session of one host can
// be resumed for the other, as its connections can be shared.
type configKey struct {
	refs pairKey
	min  snapshot.TLSVersion
	pair *pair
}

// find returns the policy of a host: its own, else that of the longest wildcard, else the default, or nil.
func (t *table) find(name string) *policy {
	if p := t.hosts[name]; p != nil {
		return p
	}
	for i := 1; i < len(name); i++ {
		if name[i] == '.' {
			if p := t.hosts[name[i:]]; p != nil {
				return p
			}
		}
	}
	return t.hosts[""]
}

// apply replaces the table, if it changes. What has not changed keeps its parsed certificates and its configurations, and with
// them the sessions that clients may resume.
func (c *certificates) apply(policies []*snapshot.TLSPolicy, secrets []*snapshot.Secret) {
	c.applying.Lock()
	defer c.applying.Unlock()
	prev := c.current.Load()
	if slices.Equal(prev.source, policies) && slices.Equal(prev.secrets, secrets) {
		return
	}
	b := builder{certificates: c, prev: prev, secrets: make(map[snapshot.Ref]*snapshot.Secret, len(secrets)), next: &table{
		source: policies, secrets: secrets,
		hosts: make(map[string]*policy, len(policies)),
		pairs: map[pairKey]*pair{}, configs: map[configKey]configs{},
	}}
	for _, s := range secrets {
		b.secrets[s.Ref] = s
	}
	for _, p := range policies {
		b.add(p)
	}
	c.current.Store(b.next)
}

// builder makes one table.
type builder struct {
	*certificates
	prev, next *table
	secrets    map[snapshot.Ref]*snapshot.Secret
}

func (b *builder) add(spec *snapshot.TLSPolicy) {
	host := strings.TrimPrefix(spec.Host, "*")
	p := &policy{pair: b.pair(spec)}
	if p.pair.err != nil {
		last := b.prev.hosts[host]
		if last == nil {
			b.next.missing++
			return
		}
		p.pair, p.stale = last.pair, true
	}
	p.configs = b.configs(spec, p.pair)
	b.next.hosts[host] = p
}

// pair returns certificate and key of the policy, parsed only if they have changed.
func (b *builder) pair(spec *snapshot.TLSPolicy) *pair {
	key := pairKey{spec.Certificate, spec.Key}
	if p := b.next.pairs[key]; p != nil {
		return p
	}
	p := &pair{certificate: b.secrets[key.certificate], key: b.secrets[key.key]}
	if old := b.prev.pairs[key]; old != nil && same(old.certificate, p.certificate) && same(old.key, p.key) {
		p = old
	} else if p.err = p.parse(); p.err != nil {
		b.log.Warn("certificate can't be used; where there was a good one, it goes on to serve",
			"namespace", key.certificate.Namespace, "secret", key.certificate.Name, "error", p.err)
	}
	b.next.pairs[key] = p
	return p
}

// same reports whether two secrets, which may be missing, have equal content.
func same(a, b *snapshot.Secret) bool {
	return a == b || a != nil && b != nil && a.Digest() == b.Digest() && a.Digest() != snapshot.Digest{}
}

var errNoSecret = errors.New("the secret is missing or has no such key")

func (p *pair) parse() (err error) {
	if p.certificate == nil || p.key == nil {
		return errNoSecret
	}
	p.parsed, err = tls.X509KeyPair(p.certificate.Value, p.key.Value)
	if err != nil {
		return fmt.Errorf("parse certificate: %w", err)
	}
	return nil
}

// configs returns the configurations for a policy with a certificate.
func (b *builder) configs(spec *snapshot.TLSPolicy, p *pair) configs {
	key := configKey{pairKey{spec.Certificate, spec.Key}, spec.MinVersion, p}
	c, ok := b.next.configs[key]
	if !ok {
		c, ok = b.prev.configs[key]
	}
	if !ok {
		b.issued++
		c = newConfigs(p, spec.MinVersion, session{b.tickets, b.issued})
	}
	b.next.configs[key] = c
	return c
}
