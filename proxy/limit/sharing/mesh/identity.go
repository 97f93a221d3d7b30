package mesh

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Key is a public key of Ed25519, by which a replica is known.
type Key [ed25519.PublicKeySize]byte

// Identity is the key pair of a replica.
type Identity struct {
	Key         Key
	certificate tls.Certificate
}

// NewIdentity makes one that nobody else has.
func NewIdentity() (Identity, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Identity{}, err
	}
	return identity(private)
}

// leastSecret is the length in bytes from which on a secret can't be guessed, if it was made at random.
const leastSecret = 32

// SharedIdentities derives identities from secrets, one a line. Replicas that have the same secret have the same identity. They are
// as the first and trust all, so that a secret is replaced by adding a second, putting it first, and taking the old one away.
func SharedIdentities(secrets string) ([]Identity, error) {
	var all []Identity
	for line := range strings.Lines(secrets) {
		secret := strings.TrimSpace(line)
		if secret == "" {
			continue
		}
		if len(secret) < leastSecret {
			return nil, fmt.Errorf("secret %d is shorter than %d characters", len(all)+1, leastSecret)
		}
		seed, err := hkdf.Key(sha256.New, []byte(secret), nil, "penstock rate limit sharing", ed25519.SeedSize)
		if err != nil {
			return nil, err
		}
		i, err := identity(ed25519.NewKeyFromSeed(seed))
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no secret")
	}
	return all, nil
}

// identity puts a key into a certificate, since TLS has no other form for it. Nobody looks at anything but the key.
func identity(private ed25519.PrivateKey) (Identity, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "penstock replica"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // no expiry: RFC 5280 §4.1.2.5
	}
	public, _ := private.Public().(ed25519.PublicKey)
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		return Identity{}, fmt.Errorf("certificate of a replica: %w", err)
	}
	return Identity{Key: Key(public), certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}}, nil
}

var errUntrusted = errors.New("the key of the peer is not that of a replica")

// verify checks that a peer, which has proved to have the key of its certificate, is trusted.
func verify(state tls.ConnectionState, trusted func(Key) bool) error {
	if len(state.PeerCertificates) == 0 {
		return errUntrusted
	}
	public, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok || !trusted(Key(public)) {
		return errUntrusted
	}
	return nil
}

// config is that of both sides.
func (i Identity) config(trusted func(Key) bool) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{i.certificate},
		ClientAuth:   tls.RequireAnyClientCert,
		// There are no names and no authorities to verify: VerifyConnection compares keys, on each side and for each connection.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return verify(s, trusted) },
	}
}
