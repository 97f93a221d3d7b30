package standalone

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// login is an issuer of tokens that publishes its keys on a port that it keeps.
type login struct {
	private ed25519.PrivateKey
	address string
	asked   atomic.Int32
	server  *http.Server
}

func newLogin(t *testing.T) *login {
	t.Helper()
	l := &login{address: "127.0.0.1:" + freePorts(t, 1)[0]}
	l.rotate(t)
	t.Cleanup(func() { l.end() })
	return l
}

// rotate gives it another key.
func (l *login) rotate(t *testing.T) {
	t.Helper()
	var err error
	if _, l.private, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
}

func (l *login) begin(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	l.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		l.asked.Add(1)
		_, _ = io.WriteString(w, l.keys())
	})}
	go l.server.Serve(listener)
}

func (l *login) end() {
	if l.server != nil {
		_ = l.server.Close()
	}
}

// keys is the JWK Set.
func (l *login) keys() string {
	public := l.private.Public().(ed25519.PublicKey)
	return fmt.Sprintf(`{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": %q}]}`, base64.RawURLEncoding.EncodeToString(public))
}

// token is the header field of a request by anna.
func (l *login) token(t *testing.T) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"iss": "login", "sub": "anna", "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = "a"
	text, err := token.SignedString(l.private)
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: Bearer " + text
}

// protected is a route whose rule answers 204 to those with a token.
func protected(name, keys string) string {
	return manifest(name, `
  - matches: [{path: {value: /`+name+`}}]
    filters:
      jwt: {providers: [{name: login, issuer: login, `+keys+`}]}
      directResponse: {statusCode: 204}
`)
}

func (l *login) remote() string {
	return `remoteJWKS: {url: "http://` + l.address + `/keys", maxAge: 10s}`
}

const keysInConfigMap = "configMap: {name: login-keys, key: keys, format: JWKS}"

func (l *login) configMap() string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: login-keys}\ndata:\n  keys: '" + l.keys() + "'\n"
}

func TestAProviderThatDiesAndComesBack(t *testing.T) {
	l := newLogin(t)
	l.begin(t)
	g := start(t, map[string]string{"remote.yaml": protected("remote", l.remote()), "local.yaml": protected("local", keysInConfigMap), "keys.yaml": l.configMap()})
	token := l.token(t)
	if r := g.get(t, "a", "/remote", token); r.StatusCode != http.StatusNoContent {
		t.Fatalf("the first token, which waits for the keys: %d", r.StatusCode)
	}
	if log := g.stderr.String(); strings.Contains(log, "KeysNotFetched") {
		t.Errorf("all is well, and the log says:\n%s", log)
	}

	l.end()
	want := "the keys of provider login can't be fetched from http://" + l.address + "/keys: the connection was refused; the last good ones count until they can."
	within(t, 30*time.Second, "the route's condition", func() bool {
		log := g.stderr.String()
		return strings.Contains(log, "KeysNotFetched") && strings.Contains(log, want)
	})
	for _, path := range []string{"/remote", "/local"} {
		if r := g.get(t, "a", path, token); r.StatusCode != http.StatusNoContent {
			t.Errorf("while the provider is away: %s gets %d", path, r.StatusCode)
		}
	}
	if r := g.get(t, "a", "/remote", newLogin(t).token(t)); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("while the provider is away, a token of another key gets %d", r.StatusCode)
	}

	l.rotate(t)
	l.begin(t)
	within(t, 30*time.Second, "the keys that it has now", func() bool {
		return strings.Contains(g.stderr.String(), "keys can be fetched again") && g.get(t, "a", "/remote", l.token(t)).StatusCode == http.StatusNoContent
	})
	if r := g.get(t, "a", "/remote", token); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token of a key that is gone gets %d", r.StatusCode)
	}
	log := g.stderr.String()
	if n := strings.Count(log, "KeysNotFetched"); n != 1 || strings.Contains(log, "name=local") {
		t.Errorf("the condition was said %d times, want once, of one route:\n%s", n, log)
	}
}

func TestKeysAreFetchedFromWhereTheInstallationPermits(t *testing.T) {
	l := newLogin(t)
	l.begin(t)
	manifests := map[string]string{"remote.yaml": protected("remote", l.remote())}
	g := start(t, manifests, "--allow-external-backends=false")
	eventually(t, "the log to say why", func() bool {
		return strings.Contains(g.stderr.String(), "127.0.0.1 is no public address, and this installation does not name 127.0.0.1 in --jwks-hosts; tokens are answered with 503")
	})
	if r := g.get(t, "a", "/remote", l.token(t)); r.StatusCode != http.StatusServiceUnavailable || r.problem(t).Code != "auth.unavailable" {
		t.Errorf("without keys: %d", r.StatusCode)
	}
	if n := l.asked.Load(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
	g = start(t, manifests, "--allow-external-backends=false", "--jwks-hosts=keycloak.identity.svc,127.0.0.1")
	if r := g.get(t, "a", "/remote", l.token(t)); r.StatusCode != http.StatusNoContent {
		t.Errorf("from a host that is named: %d", r.StatusCode)
	}
}

func TestKeysInAConfigMap(t *testing.T) {
	l := newLogin(t)
	g := start(t, map[string]string{"local.yaml": protected("local", keysInConfigMap), "keys.yaml": l.configMap()})
	old := l.token(t)
	status := func(field string) int { return g.get(t, "a", "/local", field).StatusCode }
	if got := status(old); got != http.StatusNoContent {
		t.Fatalf("a token: %d", got)
	}
	l.rotate(t)
	g.write(t, "keys.yaml", l.configMap())
	eventually(t, "the new key", func() bool { return status(l.token(t)) == http.StatusNoContent })
	if got := status(old); got != http.StatusUnauthorized {
		t.Errorf("a token of the old key: %d", got)
	}
	g.write(t, "keys.yaml", strings.Replace(l.configMap(), `{"keys": [`, `{"keys": [{"kty": "oct", "k": "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnRlcjI"}, `, 1))
	eventually(t, "a symmetric key to be refused", func() bool { return status(l.token(t)) == http.StatusInternalServerError })
	eventually(t, "the log to say why", func() bool {
		log := g.stderr.String()
		return strings.Contains(log, "InvalidConfigMap") && strings.Contains(log, "key keys of ConfigMap default/login-keys: it has a symmetric key")
	})
	if strings.Contains(g.stderr.String(), "aHVudGVy") {
		t.Error("the log shows the key")
	}
}

// A header in which the route's filter tells backends who asks is none that clients can set, whatever filter a rule has of its own.
func TestARulesOwnFilterKeepsTheHeadersOfItsRoute(t *testing.T) {
	seen := backend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header) })
	rules := manifest("partners", `
  - matches: [{path: {value: /own}}]
    filters: {apiKey: {secretName: keys, from: [{header: X-Own-Key}]}}
    backends: [`+endpoint(seen)+`]
  - matches: [{path: {value: /off}}]
    filters: {apiKey: {disabled: true}}
    backends: [`+endpoint(seen)+`]
  - matches: [{path: {value: /shared}}]
    backends: [`+endpoint(seen)+`]
`)
	g := start(t, map[string]string{
		"partners.yaml": strings.Replace(rules, "spec:\n", "spec:\n  filters: {apiKey: {secretName: keys, clientHeader: X-Client}}\n", 1),
		"keys.yaml":     "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {acme: 6c1f7f3e0d6b4f0a}\n",
	})
	for path, field := range map[string]string{"/own": "X-Own-Key: 6c1f7f3e0d6b4f0a", "/off": "Accept: */*", "/shared": "X-API-Key: 6c1f7f3e0d6b4f0a"} {
		r := g.get(t, "a", path, field, "X-Client: root", "x_client: root")
		if r.StatusCode != http.StatusOK || strings.Contains(r.body, "root") || strings.Contains(r.body, "X-Client:[acme]") != (path == "/shared") {
			t.Errorf("%s: %d, the backend gets %s", path, r.StatusCode, r.body)
		}
	}
	if metrics := g.getAdmin(t, "/metrics").body; !strings.Contains(metrics, `gateway_filter_decisions_total{filter="apiKey",outcome="allowed"} 2`) {
		t.Error("the decisions are not counted")
	}
}
