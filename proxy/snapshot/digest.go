package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/penstock/penstock/proxy/radix"
)

// Digest is a hash over the content of one part of a snapshot.
type Digest = radix.Sum

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

// New combines sealed parts into a snapshot with its Version. What the parts share with a snapshot that was made before is
// not hashed again.
func New(s Snapshot) *Snapshot {
	h := sha256.New()
	h.Write(marshal(s.Listeners))
	for _, sum := range []Digest{
		s.Routes.Sum((*Route).Digest), s.Clusters.Sum((*Cluster).Digest), s.TLS.Sum((*TLSPolicy).Digest), s.Secrets.Sum((*Secret).Digest),
	} {
		h.Write(sum[:])
	}
	s.Version = hex.EncodeToString(h.Sum(nil))
	return &s
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
