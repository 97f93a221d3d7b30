package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
)

// Digest is a hash over the content of one part of a snapshot.
type Digest [sha256.Size]byte

// Seal computes the route's digest and returns the route. A route must not change afterwards.
func (r *Route) Seal() *Route { r.digest = digest(r); return r }

// Digest is the route's content hash; zero before Seal.
func (r *Route) Digest() Digest { return r.digest }

// Seal computes the cluster's digest and returns the cluster. A cluster must not change afterwards.
func (c *Cluster) Seal() *Cluster { c.digest = digest(c); return c }

// Digest is the cluster's content hash; zero before Seal.
func (c *Cluster) Digest() Digest { return c.digest }

// Seal computes the secret's digest, over its bytes, and returns the secret.
func (s *Secret) Seal() *Secret {
	h := sha256.New()
	h.Write(marshal(s.Ref))
	h.Write([]byte(s.Value))
	s.digest = Digest(h.Sum(nil))
	return s
}

// Digest is the secret's content hash; zero before Seal.
func (s *Secret) Digest() Digest { return s.digest }

// Seal computes the policy's digest and returns the policy. A policy must not change afterwards.
func (p *TLSPolicy) Seal() *TLSPolicy { p.digest = digest(p); return p }

// Digest is the policy's content hash; zero before Seal.
func (p *TLSPolicy) Digest() Digest { return p.digest }

// New combines sealed parts, which must be in the order that Snapshot documents, into a snapshot with its Version.
// It takes time linear in the number of parts, not in their size.
func New(s Snapshot) *Snapshot {
	h := sha256.New()
	h.Write(marshal(s.Listeners))
	combine(h, s.Routes, (*Route).Digest)
	combine(h, s.Clusters, (*Cluster).Digest)
	combine(h, s.TLS, (*TLSPolicy).Digest)
	combine(h, s.Secrets, (*Secret).Digest)
	s.Version = hex.EncodeToString(h.Sum(nil))
	return &s
}

// combine hashes a list by the digests of its parts, many at a time: each Write has a price of its own. A zero digest
// ends the list, so that what moves from one list to another makes a difference.
func combine[P any](h hash.Hash, parts []P, digestOf func(P) Digest) {
	const block = 64 * sha256.Size
	buf := make([]byte, 0, block+sha256.Size)
	for _, p := range parts {
		d := digestOf(p)
		if buf = append(buf, d[:]...); len(buf) == block {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	h.Write(append(buf, make([]byte, sha256.Size)...))
}

func digest(v any) Digest { return sha256.Sum256(marshal(v)) }

// marshal relies on encoding/json writing struct fields in order and on the absence of maps in this package.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("snapshot: a type of this package has no JSON form: %v", err))
	}
	return b
}
