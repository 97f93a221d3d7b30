package listener

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/penstock/penstock/proxy/radix"
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

	applying sync.Mutex // guards what follows
	issued   uint64     // configurations made so far
	pairs    map[pairKey]*pair
	configs  map[configKey]configs
}

// protocols are what ALPN offers.
var protocols = []string{"http/1.1"}

func (c *certificates) init(log *slog.Logger) {
	c.log = log
	c.server = &tls.Config{GetConfigForClient: c.configFor}
	c.unknown = &tls.Config{NextProtos: protocols, SessionTicketsDisabled: true} // else it would resume any policy's sessions
	c.tickets = new(tls.Config)
	c.pairs, c.configs = map[pairKey]*pair{}, map[configKey]configs{}
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
	source  *radix.Tree[snapshot.TLSPolicy]
	secrets *radix.Tree[snapshot.Secret]
	// hosts has the policies by host: "a.example.com", ".example.com" for the wildcard, "" for the default.
	hosts map[string]*policy
	// missing counts the policies of the source that have none.
	missing int
}

// policy is what handshakes for one host use.
type policy struct {
	configs
	spec *snapshot.TLSPolicy
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
func (c *certificates) apply(policies *radix.Tree[snapshot.TLSPolicy], secrets *radix.Tree[snapshot.Secret]) {
	c.applying.Lock()
	defer c.applying.Unlock()
	prev := c.current.Load()
	if prev.source == policies && prev.secrets == secrets {
		return
	}
	b := builder{
		certificates: c, prev: prev, changed: changed(prev.secrets, secrets), used: make(map[*pair]bool, policies.Len()),
		next: &table{source: policies, secrets: secrets, hosts: make(map[string]*policy, policies.Len())},
	}
	for p := range policies.Values() {
		b.add(p)
	}
	c.current.Store(b.next)
	b.forget()
}

// changed returns the names of the secrets that came, went or changed.
func changed(old, next *radix.Tree[snapshot.Secret]) map[snapshot.Ref]bool {
	all := map[snapshot.Ref]bool{}
	for _, s := range old.Diff(next) {
		if !same(s.Old, s.New) {
			all[cmp.Or(s.New, s.Old).Ref] = true
		}
	}
	return all
}

// builder makes one table.
type builder struct {
	*certificates
	prev, next *table
	changed    map[snapshot.Ref]bool
	used       map[*pair]bool
}

func (b *builder) add(spec *snapshot.TLSPolicy) {
	host := strings.TrimPrefix(spec.Host, "*")
	last := b.prev.hosts[host]
	if last == nil || last.stale || last.spec != spec || b.changed[spec.Certificate] || b.changed[spec.Key] {
		last = b.policy(spec, last)
	}
	if last == nil {
		b.next.missing++
		return
	}
	b.used[last.pair] = true
	b.next.hosts[host] = last
}

// policy makes the policy of a host from what is wanted, and where that has no good certificate, from the last one, which may be nil.
func (b *builder) policy(spec *snapshot.TLSPolicy, last *policy) *policy {
	p := &policy{spec: spec, pair: b.pair(spec)}
	if p.pair.err != nil {
		b.used[p.pair] = true // so that it is not reported again
		if last == nil {
			return nil
		}
		p.pair, p.stale = last.pair, true
	}
	p.configs = b.configsOf(spec, p.pair)
	return p
}

// pair returns certificate and key of the policy, parsed only if they have changed.
func (b *builder) pair(spec *snapshot.TLSPolicy) *pair {
	key := pairKey{spec.Certificate, spec.Key}
	p := &pair{certificate: b.secret(key.certificate), key: b.secret(key.key)}
	if old := b.pairs[key]; old != nil && same(old.certificate, p.certificate) && same(old.key, p.key) {
		return old
	}
	b.pairs[key] = p
	if p.err = p.parse(); p.err != nil {
		b.log.Warn("certificate can't be used; where there was a good one, it goes on to serve",
			"namespace", key.certificate.Namespace, "secret", key.certificate.Name, "error", p.err)
	}
	return p
}

func (b *builder) secret(ref snapshot.Ref) *snapshot.Secret { return b.next.secrets.Get(ref.String()) }

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

// configsOf returns the configurations for a policy with a certificate.
func (b *builder) configsOf(spec *snapshot.TLSPolicy, p *pair) configs {
	key := configKey{pairKey{spec.Certificate, spec.Key}, spec.MinVersion, p}
	c, ok := b.configs[key]
	if !ok {
		b.issued++
		c = newConfigs(p, spec.MinVersion, session{b.tickets, b.issued})
		b.configs[key] = c
	}
	return c
}

// forget drops the keys and configurations that nothing uses any more.
func (b *builder) forget() {
	maps.DeleteFunc(b.pairs, func(_ pairKey, p *pair) bool { return !b.used[p] })
	maps.DeleteFunc(b.configs, func(k configKey, _ configs) bool { return !b.used[k.pair] })
}
