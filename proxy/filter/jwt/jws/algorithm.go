// Package jws verifies JSON Web Signatures in their compact form (RFC 7515), with the care of RFC 8725: a key says which
// algorithms it is for, and no token can ask for another.
package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithm is the name of a signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
type Algorithm string

// The algorithms that are known. There is no "none".
const (
	HS256 Algorithm = "HS256"
	HS384 Algorithm = "HS384"
	HS512 Algorithm = "HS512"
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA"
)

// methods verify signatures. Nobody else's registry has a say in what they are.
var methods = map[Algorithm]jwt.SigningMethod{
	HS256: jwt.SigningMethodHS256, HS384: jwt.SigningMethodHS384, HS512: jwt.SigningMethodHS512,
	RS256: jwt.SigningMethodRS256, RS384: jwt.SigningMethodRS384, RS512: jwt.SigningMethodRS512,
	PS256: strict(jwt.SigningMethodPS256), PS384: strict(jwt.SigningMethodPS384), PS512: strict(jwt.SigningMethodPS512),
	ES256: jwt.SigningMethodES256, ES384: jwt.SigningMethodES384, ES512: jwt.SigningMethodES512,
	EdDSA: jwt.SigningMethodEdDSA,
}

// strict returns a method that takes no other length of the salt than RFC 7518 §3.5 has: that of the hash.
func strict(m *jwt.SigningMethodRSAPSS) jwt.SigningMethod {
	exact := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return &jwt.SigningMethodRSAPSS{SigningMethodRSA: m.SigningMethodRSA, Options: exact, VerifyOptions: exact}
}

// Known reports whether there is such an algorithm.
func (a Algorithm) Known() bool { return methods[a] != nil }

// Bounds on the size of RSA keys, in bits: the least is that of RFC 7518 §3.3; larger ones than the most would make one token the work
// of seconds.
const (
	minRSA = 2048
	maxRSA = 8192
)

// algorithmsOf returns the algorithms that a key can be for: those of its type, its curve, its length. None: it is no key.
func algorithmsOf(key crypto.PublicKey) []Algorithm {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA || key.E < 3 || key.E%2 == 0 {
			return nil
		}
		return []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512}
	case *ecdsa.PublicKey:
		return ofCurve(key.Curve)
	case ed25519.PublicKey:
		return []Algorithm{EdDSA}
	case []byte:
		return ofSecret(len(key))
	}
	return nil
}

func ofCurve(c elliptic.Curve) []Algorithm {
	switch c {
	case elliptic.P256():
		return []Algorithm{ES256}
	case elliptic.P384():
		return []Algorithm{ES384}
	case elliptic.P521():
		return []Algorithm{ES512}
	}
	return nil
}

// ofSecret returns the algorithms whose hash is no longer than the secret (RFC 7518 §3.2).
func ofSecret(bytes int) []Algorithm {
	all := []Algorithm{HS256, HS384, HS512}
	return slices.DeleteFunc(all, func(a Algorithm) bool {
		return bytes < methods[a].(*jwt.SigningMethodHMAC).Hash.Size()
	})
}
