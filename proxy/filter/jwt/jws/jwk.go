package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// jwk is a JSON Web Key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2). Private parts are not read.
type jwk struct {
	Kty    string    `json:"kty"`
	Kid    string    `json:"kid"`
	Alg    Algorithm `json:"alg"`
	Use    string    `json:"use"`
	KeyOps []string  `json:"key_ops"`
	Crv    string    `json:"crv"`
	N      string    `json:"n"`
	E      string    `json:"e"`
	X      string    `json:"x"`
	Y      string    `json:"y"`
	K      string    `json:"k"`
}

// ParseJWKS reads a JWK Set (RFC 7517 §5), or a single JWK. Keys that signatures can't be verified with are left out, as the RFC
// has it: those for encryption, and those of a type, curve, length or algorithm that is not known. It fails if none is left.
func ParseJWKS(text []byte) (*Set, error) { return parseJWKS(text, false) }

// ParsePublicJWKS is ParseJWKS for what everybody may read: it leaves out symmetric keys, which are no secret there.
func ParsePublicJWKS(text []byte) (*Set, error) { return parseJWKS(text, true) }

func parseJWKS(text []byte, public bool) (*Set, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("no JSON object") // the error of the decoder may cite a secret
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	s := &Set{}
	var last error
	for i, raw := range set.Keys {
		k, err := parseJWK(raw)
		if err == nil && public && k.isSymmetric() {
			err = errors.New("a symmetric key where everybody can read it")
		}
		if err != nil {
			last = fmt.Errorf("key %d: %w", i, err)
			continue
		}
		s.keys = append(s.keys, k)
	}
	if len(s.keys) == 0 && last != nil {
		return nil, fmt.Errorf("no key that signatures can be verified with: %w", last)
	}
	return s.bounded()
}

// HasSecret reports whether one of the keys is symmetric: whoever can read it can make tokens.
func (s *Set) HasSecret() bool {
	return slices.ContainsFunc(s.keys, func(k key) bool { return k.isSymmetric() })
}

func (k *key) isSymmetric() bool { _, ok := k.public.([]byte); return ok }

func parseJWK(raw json.RawMessage) (key, error) {
	var j jwk
	if err := json.Unmarshal(raw, &j); err != nil {
		return key{}, errors.New("no JWK")
	}
	if j.Use != "" && j.Use != "sig" || j.KeyOps != nil && !slices.Contains(j.KeyOps, "verify") {
		return key{}, errors.New("not for signatures")
	}
	public, err := j.public()
	if err != nil {
		return key{}, err
	}
	k := key{id: j.Kid, public: public, algorithms: algorithmsOf(public)}
	if j.Alg != "" {
		if !slices.Contains(k.algorithms, j.Alg) {
			return key{}, fmt.Errorf("alg %.32q is not one for such a key", j.Alg)
		}
		k.algorithms = []Algorithm{j.Alg}
	}
	if len(k.algorithms) == 0 {
		return key{}, errWeak
	}
	return k, nil
}

func (j *jwk) public() (crypto.PublicKey, error) {
	switch j.Kty {
	case "RSA":
		return j.rsa()
	case "EC":
		return j.ec()
	case "OKP":
		x, err := decode(j.X)
		if err != nil || j.Crv != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil, errors.New("no Ed25519 key")
		}
		return ed25519.PublicKey(x), nil
	case "oct":
		return decode(j.K)
	}
	return nil, fmt.Errorf("kty %.32q is not known", j.Kty)
}

func (j *jwk) rsa() (crypto.PublicKey, error) {
	n, err := decode(j.N)
	if err != nil {
		return nil, fmt.Errorf("n: %w", err)
	}
	e, err := decode(j.E)
	if err != nil || len(e) == 0 || len(e) > 4 {
		return nil, errors.New("e: no exponent")
	}
	exponent := 0
	for _, b := range e {
		exponent = exponent<<8 | int(b)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exponent}, nil
}

func (j *jwk) ec() (crypto.PublicKey, error) {
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[j.Crv]
	if curve == nil {
		return nil, fmt.Errorf("crv %.32q is not known", j.Crv)
	}
	x, errX := decode(j.X)
	y, errY := decode(j.Y)
	size := (curve.Params().BitSize + 7) / 8
	if errX != nil || errY != nil || len(x) != size || len(y) != size {
		return nil, errors.New("x and y: no point")
	}
	// It fails for a point that is not on the curve.
	return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
}

// decode reads base64url as RFC 7515 §2 has it: no padding, no line breaks, no other form of the same bytes.
func decode(s string) ([]byte, error) {
	for i := range len(s) {
		if s[i] == '\r' || s[i] == '\n' {
			return nil, errors.New("a line break in base64url") // which the decoder would skip
		}
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}
