package jws

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// MaxKeys bounds the keys of a set, and with them the work that one token can ask for.
const MaxKeys = 64

// Set is keys that signatures are verified with. It never changes and is safe for concurrent use.
type Set struct{ keys []key }

type key struct {
	// id is the kid; empty: the key has no name, and serves tokens whatever key they name.
	id         string
	public     crypto.PublicKey
	algorithms []Algorithm
}

// Has reports whether a key of the set may be the one that a token names.
func (s *Set) Has(kid string) bool {
	return slices.ContainsFunc(s.keys, func(k key) bool { return k.serves(kid) })
}

// Len is the number of keys.
func (s *Set) Len() int { return len(s.keys) }

// Equal reports whether two sets have the same keys, in the same order.
func (s *Set) Equal(o *Set) bool { return slices.EqualFunc(s.keys, o.keys, key.equal) }

func (k key) equal(o key) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	if !ok { // a secret
		a, b := k.public.([]byte), o.public
		other, ok := b.([]byte)
		return ok && k.id == o.id && subtle.ConstantTimeCompare(a, other) == 1
	}
	return k.id == o.id && public.Equal(o.public) && slices.Equal(k.algorithms, o.algorithms)
}

// serves reports whether a token that names a kid, or none, may be signed with the key.
func (k *key) serves(kid string) bool { return k.id == "" || kid == "" || k.id == kid }

// ParsePEM reads public keys and certificates in PEM. Every block has to be usable: whoever wrote it meant it.
func ParsePEM(text []byte) (*Set, error) {
	s := &Set{}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		public, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(s.keys)+1, err)
		}
		algorithms := algorithmsOf(public)
		if algorithms == nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(s.keys)+1, errWeak)
		}
		s.keys = append(s.keys, key{public: public, algorithms: algorithms})
	}
	if len(bytes.TrimSpace(text)) > 0 {
		return nil, errors.New("not PEM")
	}
	return s.bounded()
}

var errWeak = errors.New("a key of a type, curve or length that no algorithm is for (RSA has 2048 to 8192 bits)")

func parseBlock(b *pem.Block) (crypto.PublicKey, error) {
	switch b.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(b.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(b.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	}
	return nil, fmt.Errorf("a %s is no public key", b.Type)
}

// SharedSecret is the set of one key for the HS algorithms, taken as it is. It has at least 32 bytes (RFC 7518 §3.2).
func SharedSecret(secret []byte) (*Set, error) {
	algorithms := algorithmsOf(secret)
	if len(algorithms) == 0 {
		return nil, errors.New("a shared secret has at least 32 bytes")
	}
	return &Set{[]key{{public: bytes.Clone(secret), algorithms: algorithms}}}, nil
}

func (s *Set) bounded() (*Set, error) {
	switch {
	case len(s.keys) == 0:
		return nil, errors.New("no key that signatures can be verified with")
	case len(s.keys) > MaxKeys:
		return nil, fmt.Errorf("%d keys, at most %d are used", len(s.keys), MaxKeys)
	}
	return s, nil
}
