package jwks

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/filter/jwt/jws"
)

var everywhere = &Reach{Everywhere: true}

// keySet is a JWK Set of one key with that ID.
func keySet(kid string) string {
	public := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	return fmt.Sprintf(`{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": %q, "x": %q}]}`, kid, base64.RawURLEncoding.EncodeToString(public))
}

func setOf(tb testing.TB, kid string) *jws.Set {
	tb.Helper()
	set, err := jws.ParsePublicJWKS([]byte(keySet(kid)))
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func serve(tb testing.TB, h http.HandlerFunc) *httptest.Server {
	tb.Helper()
	s := httptest.NewServer(h)
	tb.Cleanup(s.Close)
	return s
}

func answer(head, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if name, value, ok := strings.Cut(head, ": "); ok {
			w.Header().Set(name, value)
		}
		_, _ = io.WriteString(w, body)
	}
}

func get(tb testing.TB, url, ca string, reach *Reach) (*jws.Set, time.Duration, error) {
	tb.Helper()
	c, err := newClient(url, ca, reach)
	if err != nil {
		tb.Fatal(err)
	}
	return c.get(tb.Context())
}

func TestASetIsFetched(t *testing.T) {
	for head, want := range map[string]time.Duration{
		"":                                     0,
		"Cache-Control: no-store":              0,
		"Cache-Control: public, max-age=60":    time.Minute,
		`Cache-Control: Max-Age="60"`:          time.Minute,
		"Cache-Control: max-age=0":             time.Nanosecond,
		"Cache-Control: max-age=soon":          0,
		"Cache-Control: s-maxage=60, private":  0,
		"Cache-Control: max-age=9999999999999": 0,
	} {
		var asked *http.Request
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { asked = r; answer(head, keySet("a"))(w, r) })
		set, age, err := get(t, s.URL+"/keys?of=all", "", everywhere)
		if err != nil || set.Len() != 1 || !set.Has("a") || set.Has("b") || age != want {
			t.Errorf("%q: age %v, want %v, error %v", head, age, want, err)
		}
		if asked.Method != http.MethodGet || asked.RequestURI != "/keys?of=all" || asked.UserAgent() != "penstock" {
			t.Errorf("asked for %s %s by %s", asked.Method, asked.RequestURI, asked.UserAgent())
		}
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(answer("", keySet("a")))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	if _, _, err := get(t, s.URL, ca, everywhere); err != nil {
		t.Errorf("of its roots: %v", err)
	}
	for url, want := range map[string]string{
		s.URL: "its certificate is of no authority that is trusted",
		strings.Replace(s.URL, "127.0.0.1", "localhost", 1): "its certificate is not valid for the host",
	} {
		roots := ca
		if url == s.URL {
			roots = ""
		}
		if _, _, err := get(t, url, roots, everywhere); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", url, err, want)
		}
	}
	if _, err := newClient(s.URL, "no PEM", everywhere); err == nil {
		t.Error("roots that are none are accepted")
	}
}

func TestCertificateErrorsAreTheSameEachTime(t *testing.T) {
	for want, err := range map[string]error{
		"its certificate has expired, or is not valid yet": x509.CertificateInvalidError{Reason: x509.Expired, Detail: time.Now().String()},
		"its certificate is not valid":                     x509.CertificateInvalidError{Reason: x509.TooManyIntermediates},
		"the connection failed":                            tls.AlertError(40),
	} {
		if got := explain(fmt.Errorf("get: %w", err)); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

func TestWhatCannotBeUsed(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, tt := range map[string]struct{ url, want string }{
		"a status":      {serve(t, http.NotFound).URL, "the answer has status 404, want 200"},
		"a redirect":    {serve(t, http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP).URL, "the answer has status 302, want 200"},
		"no JSON":       {serve(t, answer("", "<html>")).URL, "the answer is no JWK Set: no JSON object"},
		"no keys":       {serve(t, answer("", `{"keys": []}`)).URL, "the answer is no JWK Set: no key that signatures can be verified with"},
		"a secret":      {serve(t, answer("", `{"kty": "oct", "k": "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnRlcjI"}`)).URL, "a symmetric key where everybody can read it"},
		"a large key":   {serve(t, answer("", `{"kty": "RSA", "e": "AQAB", "n": "`+strings.Repeat("_", 2000)+`"}`)).URL, "RSA has 2048 to 8192 bits"},
		"a long type":   {serve(t, answer("", `{"kty": "`+strings.Repeat("x", 9000)+`"}`)).URL, `kty "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is not known`},
		"a large set":   {serve(t, answer("", strings.Repeat(" ", maxSet+1))).URL, "the answer is larger than 1048576 bytes"},
		"half of a set": {serve(t, answer("Content-Length: 900", keySet("a"))).URL, "the answer broke off"},
		"a large head":  {serve(t, answer("X: "+strings.Repeat("x", 128<<10), keySet("a"))).URL, "the connection failed"},
		"no server":     {gone.URL, "the connection was refused"},
		"no host":       {"http://nobody.invalid/keys", "host"},
	} {
		if _, _, err := get(t, tt.url, "", everywhere); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

func TestAServerThatHangsIsLeft(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c, err := newClient(s.URL, "", everywhere)
	if err != nil {
		t.Fatal(err)
	}
	c.http.Timeout = time.Millisecond
	if _, _, err := c.get(t.Context()); err == nil || err.Error() != "there was no answer within 5s" {
		t.Error(err)
	}
}
