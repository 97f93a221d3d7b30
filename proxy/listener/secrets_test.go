package listener

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

// secret is the content of a Secret of type kubernetes.io/tls.
type secret struct{ certificate, key []byte }

var validUntil = time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC)

// issue makes a self-signed certificate whose subject is name.
func issue(tb testing.TB, name string) secret {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: validUntil,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return secret{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

func ref(name, key string) snapshot.Ref { return snapshot.Ref{Namespace: "ns", Name: name, Key: key} }

// policyFor makes a policy from "host secret [minimum version]"; the host "-" is the default.
func policyFor(line string) *snapshot.TLSPolicy {
	f := strings.Fields(line + " 1.2")
	p := &snapshot.TLSPolicy{
		Host: strings.TrimPrefix(f[0], "-"), Certificate: ref(f[1], "tls.crt"), Key: ref(f[1], "tls.key"),
		MinVersion: snapshot.TLSVersion(f[2]),
	}
	return p.Seal()
}

// sealed are the values of a secret in a snapshot.
func sealed(name string, s secret) []*snapshot.Secret {
	return []*snapshot.Secret{
		(&snapshot.Secret{Ref: ref(name, "tls.crt"), Value: s.certificate}).Seal(),
		(&snapshot.Secret{Ref: ref(name, "tls.key"), Value: s.key}).Seal(),
	}
}

// secure applies policies, as policyFor has them, and secrets by name.
func (s *Set) secure(lines []string, secrets map[string]secret) {
	var policies []*snapshot.TLSPolicy
	for _, l := range lines {
		policies = append(policies, policyFor(l))
	}
	var values []*snapshot.Secret
	for name, v := range secrets {
		values = append(values, sealed(name, v)...)
	}
	parts := proxytest.Snapshot(proxytest.Parts{TLS: policies, Secrets: values})
	s.Secure(parts.TLS, parts.Secrets)
}

// isShown reports whether it is the certificate that a client sees.
func (s secret) isShown(state tls.ConnectionState) bool {
	block, _ := pem.Decode(s.certificate)
	return len(state.PeerCertificates) == 1 && bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes)
}
