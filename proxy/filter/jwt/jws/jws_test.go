package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var (
	rsaKey     = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey      = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, edKey   = must2(ed25519.GenerateKey(rand.Reader))
	secret     = []byte(strings.Repeat("s", 64))
	signingKey = map[Algorithm]any{HS256: secret, HS512: secret, RS256: rsaKey, PS256: rsaKey, ES256: ecKey, EdDSA: edKey}
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// sign makes a token with a header that may say anything, signed by an algorithm.
func sign(tb testing.TB, header string, by Algorithm, key any) string {
	tb.Helper()
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"u"}`))
	signature, err := methods[by].Sign(signed, key)
	if err != nil {
		tb.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func header(a Algorithm) string { return fmt.Sprintf(`{"alg":%q}`, a) }

func pemOf(tb testing.TB, public crypto.PublicKey) []byte {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// all has one key of each type.
func all(tb testing.TB) *Set {
	tb.Helper()
	s, err := ParsePEM([]byte(string(pemOf(tb, rsaKey.Public())) + string(pemOf(tb, ecKey.Public())) + string(pemOf(tb, edKey.Public()))))
	if err != nil {
		tb.Fatal(err)
	}
	shared, err := SharedSecret(secret)
	if err != nil {
		tb.Fatal(err)
	}
	s.keys = append(s.keys, shared.keys...)
	return s
}

func verify(s *Set, token string, allowed ...Algorithm) error {
	t, err := Parse(token)
	if err != nil {
		return err
	}
	return t.Verify(s, allowed)
}

func TestSignaturesOfEveryTypeOfKeyAreVerified(t *testing.T) {
	for a, key := range signingKey {
		token := sign(t, header(a), a, key)
		if err := verify(all(t), token); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		if err := verify(all(t), token, a); err != nil {
			t.Errorf("%s, allowed: %v", a, err)
		}
		if err := verify(all(t), token, ES384); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%s, not allowed: %v", a, err)
		}
		parts := strings.Split(token, ".")
		other := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"v"}`)) + "." + parts[2]
		if err := verify(all(t), other); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, other payload: %v", a, err)
		}
	}
}

func TestAKeyServesOnlyItsOwnAlgorithms(t *testing.T) {
	public, err := ParsePEM(pemOf(t, rsaKey.Public()))
	if err != nil {
		t.Fatal(err)
	}
	// The public key as a secret: CVE-2015-9235 and its many followers.
	confused := sign(t, header(HS256), HS256, pemOf(t, rsaKey.Public()))
	if err := verify(public, confused); !errors.Is(err, ErrNoKey) {
		t.Errorf("HS256 with an RSA key: %v", err)
	}
	bound := fmt.Sprintf(`{"kty":"RSA","alg":"RS256","n":%q,"e":"AQAB"}`, base64.RawURLEncoding.EncodeToString(rsaKey.N.Bytes()))
	set, err := ParseJWKS([]byte(bound))
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(set, sign(t, header(PS256), PS256, rsaKey)); !errors.Is(err, ErrNoKey) {
		t.Errorf("PS256 with a key for RS256: %v", err)
	}
	if err := verify(set, sign(t, header(RS256), RS256, rsaKey)); err != nil {
		t.Errorf("RS256 with a key for RS256: %v", err)
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	good := sign(t, header(ES256), ES256, ecKey)
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"none":                   {none, ErrAlgorithm},
		"none, in other case":    {sign(t, `{"alg":"nOnE"}`, ES256, ecKey), ErrAlgorithm},
		"crit":                   {sign(t, `{"alg":"ES256","crit":["exp"],"exp":1}`, ES256, ecKey), ErrHeader},
		"an unencoded payload":   {sign(t, `{"alg":"ES256","b64":false,"crit":["b64"]}`, ES256, ecKey), ErrHeader},
		"a key of its own":       {sign(t, `{"alg":"ES256","jwk":{"kty":"EC"}}`, ES256, ecKey), ErrHeader},
		"keys from elsewhere":    {sign(t, `{"alg":"ES256","jku":"https://e.org"}`, ES256, ecKey), ErrHeader},
		"a chain of its own":     {sign(t, `{"alg":"ES256","x5c":[]}`, ES256, ecKey), ErrHeader},
		"a chain elsewhere":      {sign(t, `{"alg":"ES256","x5u":"https://e.org"}`, ES256, ecKey), ErrHeader},
		"alg twice":              {sign(t, `{"alg":"ES256","alg":"none"}`, ES256, ecKey), ErrMalformed},
		"alg no string":          {sign(t, `{"alg":1}`, ES256, ecKey), ErrMalformed},
		"kid no string":          {sign(t, `{"alg":"ES256","kid":1}`, ES256, ecKey), ErrMalformed},
		"no signature":           {parts[0] + "." + parts[1], ErrMalformed},
		"an empty signature":     {parts[0] + "." + parts[1] + ".", ErrSignature},
		"a part too many":        {good + "." + parts[2], ErrMalformed},
		"padding":                {good + "=", ErrMalformed},
		"a line break":           {parts[0] + "." + parts[1] + ".\n" + parts[2], ErrMalformed},
		"the other base64":       {strings.ReplaceAll(strings.ReplaceAll(good, "-", "+"), "_", "/") + "+", ErrMalformed},
		"too long":               {good + strings.Repeat("A", MaxToken), ErrTooLong},
		"nothing":                {"", ErrMalformed},
		"the JSON serialisation": {`{"payload":"","signatures":[]}`, ErrMalformed},
	} {
		if err := verify(all(t), c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Bits that base64 does not need would make other texts of the same token.
func TestATokenHasOneText(t *testing.T) {
	token := sign(t, header(EdDSA), EdDSA, edKey) // 64 bytes: the last character has 4 bits to spare
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", token[len(token)-1])
	other := token[:len(token)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1])
	if err := verify(all(t), other); !errors.Is(err, ErrMalformed) {
		t.Errorf("%v, want %v", err, ErrMalformed)
	}
}

func TestKeysAreChosenByTheirID(t *testing.T) {
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	set, err := ParseJWKS([]byte(`{"keys":[` + ecJWK("a", &ecKey.PublicKey) + `,` + ecJWK("b", &other.PublicKey) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]error{
		`{"alg":"ES256","kid":"a"}`: nil, `{"alg":"ES256","kid":"b"}`: ErrSignature, `{"alg":"ES256","kid":"c"}`: ErrNoKey, `{"alg":"ES256"}`: nil,
	} {
		if err := verify(set, sign(t, header, ES256, ecKey)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", header, err, want)
		}
	}
	if set.Has("c") || !set.Has("a") || !set.Has("") {
		t.Error("Has is wrong about key IDs")
	}
}

func ecJWK(kid string, k *ecdsa.PublicKey) string {
	point := must(k.Bytes())
	x, y := point[1:33], point[33:]
	b, _ := json.Marshal(map[string]string{
		"kty": "EC", "crv": "P-256", "kid": kid, "x": base64.RawURLEncoding.EncodeToString(x), "y": base64.RawURLEncoding.EncodeToString(y),
	})
	return string(b)
}

func TestKeysThatAreNoneAreLeftOut(t *testing.T) {
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	good := ecJWK("a", &ecKey.PublicKey)
	for name, bad := range map[string]string{
		"for encryption":       `{"kty":"EC","use":"enc","crv":"P-256","x":"AA","y":"AA"}`,
		"for other operations": strings.Replace(good, `{`, `{"key_ops":["encrypt"],`, 1),
		"of an unknown type":   `{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`,
		"of an unknown curve":  `{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`,
		"not on the curve":     strings.Replace(good, `"y":"`, `"y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","z":"`, 1),
		"weak":                 fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB"}`, base64.RawURLEncoding.EncodeToString(weak.N.Bytes())),
		"for another alg":      strings.Replace(good, `{`, `{"alg":"RS256",`, 1),
		"a short secret":       `{"kty":"oct","k":"c2hvcnQ"}`,
		"no object":            `"a"`,
	} {
		s, err := ParseJWKS([]byte(`{"keys":[` + bad + `,` + good + `]}`))
		if err != nil || s.Len() != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ParseJWKS([]byte(`{"keys":[` + bad + `]}`)); err == nil {
			t.Errorf("%s: a set of it alone is accepted", name)
		}
	}
	symmetric := fmt.Sprintf(`{"keys":[{"kty":"oct","k":%q}]}`, base64.RawURLEncoding.EncodeToString(secret))
	if _, err := ParseJWKS([]byte(symmetric)); err != nil {
		t.Error(err)
	}
	if _, err := ParsePublicJWKS([]byte(symmetric)); err == nil {
		t.Error("a secret that everybody can read is accepted")
	}
}

func TestErrorsOfKeysDoNotCiteThem(t *testing.T) {
	for _, parse := range []func([]byte) (*Set, error){ParseJWKS, ParsePublicJWKS, ParsePEM, SharedSecret} {
		if _, err := parse([]byte("hunter2")); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestSetsAreEqualByTheirKeys(t *testing.T) {
	a, b := all(t), all(t)
	if !a.Equal(b) {
		t.Error("sets of the same keys differ")
	}
	b.keys[3].public = []byte(strings.Repeat("t", 64))
	if a.Equal(b) {
		t.Error("another secret is not another set")
	}
	b.keys = b.keys[:3]
	if a.Equal(b) {
		t.Error("a key less is not another set")
	}
}

// BenchmarkES256 stands beside BenchmarkBareECDSA, which is the signature check alone.
func BenchmarkES256(b *testing.B) {
	token, set := sign(b, header(ES256), ES256, ecKey), all(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := verify(set, token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareECDSA(b *testing.B) {
	hash := sha256.Sum256([]byte("payload"))
	r, s, err := ecdsa.Sign(rand.Reader, ecKey, hash[:])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !ecdsa.Verify(&ecKey.PublicKey, hash[:], r, s) {
			b.Fatal("not valid")
		}
	}
}
