package jws

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
)

// MaxToken is the length of the longest token that is looked at, in bytes.
const MaxToken = 16 << 10

// What is wrong with a token. The texts never cite it.
var (
	ErrMalformed = errors.New("token: not a JWS in compact form")
	ErrTooLong   = fmt.Errorf("token: longer than %d bytes", MaxToken)
	// ErrHeader is about header parameters that say how the signature is to be verified, which is not for the token to say.
	ErrHeader    = errors.New("token: crit, jwk, jku, x5u or x5c in the header")
	ErrAlgorithm = errors.New("token: an algorithm that is not allowed")
	ErrNoKey     = errors.New("token: no key for its kid and alg")
	ErrSignature = errors.New("token: the signature is not valid")
)

// Token is a token that nobody has verified yet.
type Token struct {
	Algorithm Algorithm
	// KeyID is the kid; empty: the token names no key.
	KeyID string
	// Payload is what is signed, decoded. It is not to be believed before Verify.
	Payload []byte

	signed    string
	signature []byte
}

// Parse takes a token to pieces.
func Parse(compact string) (*Token, error) {
	if len(compact) > MaxToken {
		return nil, ErrTooLong
	}
	parts := strings.SplitN(compact, ".", 4)
	if len(parts) != 3 {
		return nil, ErrMalformed
	}
	header, errHeader := decode(parts[0])
	payload, errPayload := decode(parts[1])
	signature, errSignature := decode(parts[2])
	if errHeader != nil || errPayload != nil || errSignature != nil {
		return nil, ErrMalformed
	}
	t := &Token{Payload: payload, signature: signature, signed: compact[:len(parts[0])+1+len(parts[1])]}
	if err := t.readHeader(header); err != nil {
		return nil, err
	}
	return t, nil
}

// readHeader reads what matters of a JOSE header (RFC 7515 §4), in which no name stands twice.
func (t *Token) readHeader(text []byte) error {
	members, err := exchange.ParseClaims(text)
	if err != nil {
		return ErrMalformed
	}
	for _, name := range []string{"crit", "jwk", "jku", "x5u", "x5c"} {
		if _, there := members.Members()[name]; there {
			return ErrHeader
		}
	}
	algorithm, ok := members.Members()["alg"].(string)
	if !ok {
		return ErrMalformed
	}
	kid, there := members.Members()["kid"]
	if t.KeyID, ok = kid.(string); there && !ok {
		return ErrMalformed
	}
	t.Algorithm = Algorithm(algorithm)
	return nil
}

// Verify reports whether a key of the set has signed the token by an algorithm that is among the allowed ones; none: any that the key is
// for. The error is one of this package.
func (t *Token) Verify(s *Set, allowed []Algorithm) error {
	method := methods[t.Algorithm]
	if method == nil || len(allowed) > 0 && !slices.Contains(allowed, t.Algorithm) {
		return ErrAlgorithm
	}
	err := ErrNoKey
	for i := range s.keys {
		k := &s.keys[i]
		if !k.serves(t.KeyID) || !slices.Contains(k.algorithms, t.Algorithm) {
			continue
		}
		if method.Verify(t.signed, t.signature, k.public) == nil {
			return nil
		}
		err = ErrSignature
	}
	return err
}
