package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/filter/jwt/jwks"
	"github.com/penstock/penstock/proxy/filter/jwt/jws"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

const issuer = "https://login.example.com/"

// signer is an issuer of tokens, with a server that publishes its keys.
type signer struct {
	*httptest.Server
	requests atomic.Int64
	broken   atomic.Bool
	keys     atomic.Pointer[map[string]*ecdsa.PrivateKey]
}

func newSigner(tb testing.TB, kids ...string) *signer {
	tb.Helper()
	s := &signer{}
	s.rotate(tb, kids...)
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.requests.Add(1)
		if s.broken.Load() {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		w.Write(s.published())
	}))
	tb.Cleanup(s.Close)
	return s
}

// rotate makes these its keys, new ones.
func (s *signer) rotate(tb testing.TB, kids ...string) {
	tb.Helper()
	keys := map[string]*ecdsa.PrivateKey{}
	for _, kid := range kids {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		keys[kid] = key
	}
	s.keys.Store(&keys)
}

func (s *signer) published() []byte {
	var keys []map[string]string
	for kid, key := range *s.keys.Load() {
		point, err := key.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		keys = append(keys, map[string]string{
			"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
			"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
		})
	}
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return b
}

// token makes a token of the issuer, good for an hour, with claims besides; nil takes one away.
func (s *signer) token(tb testing.TB, kid string, claims map[string]any) string {
	tb.Helper()
	all := golangjwt.MapClaims{"iss": issuer, "sub": "anna", "aud": "shop", "exp": proxytest.Start.Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	t := golangjwt.NewWithClaims(golangjwt.SigningMethodES256, all)
	t.Header["kid"] = kid
	text, err := t.SignedString((*s.keys.Load())[kid])
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// ca is the certificate of the server.
func (s *signer) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// rig is a filter before a backend.
type rig struct {
	handler  exchange.Handler
	upstream proxytest.Upstream
	store    *Store
}

// values are those of Secrets by name and key.
type values map[string][]byte

func (v values) get(ref snapshot.Ref) ([]byte, error) {
	value, ok := v[ref.Name+"/"+ref.Key]
	if !ok {
		return nil, fmt.Errorf("no %s", ref)
	}
	return value, nil
}

func newRig(tb testing.TB, store *Store, config string, v values) *rig {
	tb.Helper()
	d := Definition(store, nil)
	raw := json.RawMessage(config)
	if _, err := d.Check(raw); err != nil {
		tb.Fatal(err)
	}
	if err := d.Inspect(raw, v.get); err != nil {
		tb.Fatal(err)
	}
	f, err := d.Build(raw, filter.Env{Secret: v.get})
	if err != nil {
		tb.Fatal(err)
	}
	r := &rig{store: store}
	r.handler = f.Wrap(&r.upstream)
	return r
}

func newStore() *Store { return NewStore(slog.New(slog.DiscardHandler), jwks.Reach{Everywhere: true}) }

// fixedRig has the keys of a signer in a Secret.
func fixedRig(tb testing.TB, s *signer, members string) *rig {
	tb.Helper()
	return newRig(tb, newStore(), fixedConfig(members), values{"keys/jwks": s.published()})
}

func fixedConfig(members string) string {
	return `{"providers": [{"name": "login", "issuer": "` + issuer + `", "audiences": ["shop"], "secret": {"name": "keys", "key": "jwks", "format": "JWKS"}}]` + members + `}`
}

func (r *rig) serve(tb testing.TB, fields ...string) (*exchange.Exchange, error) {
	tb.Helper()
	x := proxytest.Exchange(tb, "GET /users HTTP/1.1\nHost: shop.example.com\n"+strings.Join(fields, "\n")+"\n")
	r.upstream.Got = ""
	return x, r.handler.Serve(x)
}

func TestAGoodTokenSaysWhoTheUserIs(t *testing.T) {
	s := newSigner(t, "a")
	r := fixedRig(t, s, `, "claimsToHeaders": [{"claim": "sub", "header": "X-User"}, {"claim": "realm.roles", "header": "X-Roles"}, {"claim": "none", "header": "X-None"}]`)
	token := s.token(t, "a", map[string]any{"scope": "read write", "realm": map[string]any{"roles": []string{"x", "y"}}})
	for range 2 { // as it is verified, and as it is remembered
		x, err := r.serve(t, "Authorization: bearer "+token, "X-User: root", "x_roles: admin", "X-None: z")
		if err != nil {
			t.Fatal(err)
		}
		want := "GET /users HTTP/1.1\nHost: shop.example.com\nX-User: anna\nX-Roles: x,y\n"
		if diff := cmp.Diff(want, r.upstream.Got); diff != "" {
			t.Errorf("backend (-want +got):\n%s", diff)
		}
		got := x.Subject
		if got.Claims.String("aud") != "shop" {
			t.Errorf("claims %v", got.Claims.Members())
		}
		got.Claims = nil
		if diff := cmp.Diff(exchange.Subject{Kind: exchange.ByToken, ID: "anna", Issuer: issuer, Scopes: []string{"read", "write"}}, got); diff != "" {
			t.Errorf("subject (-want +got):\n%s", diff)
		}
	}
}

func TestTokensAreRefused(t *testing.T) {
	s, stranger := newSigner(t, "a"), newSigner(t, "a")
	r := fixedRig(t, s, "")
	start := proxytest.Start.Unix()
	for name, c := range map[string]struct {
		token string
		why   error
	}{
		"of another key":         {stranger.token(t, "a", nil), jws.ErrSignature},
		"of another issuer":      {s.token(t, "a", map[string]any{"iss": "https://evil.example.com"}), errIssuer},
		"of no issuer":           {s.token(t, "a", map[string]any{"iss": nil}), errIssuer},
		"for another audience":   {s.token(t, "a", map[string]any{"aud": "bank"}), errAudience},
		"for no audience":        {s.token(t, "a", map[string]any{"aud": nil}), errAudience},
		"expired":                {s.token(t, "a", map[string]any{"exp": start - 30}), errExpired},
		"not valid yet":          {s.token(t, "a", map[string]any{"nbf": start + 31}), errNotYet},
		"issued in the future":   {s.token(t, "a", map[string]any{"iat": start + 31}), errNotYet},
		"for ever":               {s.token(t, "a", map[string]any{"exp": nil}), errNoExpiry},
		"expiring at no time":    {s.token(t, "a", map[string]any{"exp": "never"}), errNoExpiry},
		"valid from no time":     {s.token(t, "a", map[string]any{"nbf": -1}), errDate},
		"no token":               {"x", jws.ErrMalformed},
		"empty":                  {"", jws.ErrMalformed},
		"longer than any may be": {strings.Repeat("x", jws.MaxToken+1), jws.ErrTooLong},
	} {
		x, err := r.serve(t, "Authorization: Bearer "+c.token)
		if !errors.Is(err, credential.ErrInvalid) || !errors.Is(err, c.why) {
			t.Errorf("%s: %v, want %v", name, err, c.why)
		}
		if got, _ := x.FailureHead.Lookup("WWW-Authenticate"); got != `Bearer error="invalid_token"` {
			t.Errorf("%s: challenge %q", name, got)
		}
		if r.upstream.Got != "" || x.Subject.Kind != exchange.Anonymous {
			t.Errorf("%s: it passes", name)
		}
	}
	for name, claims := range map[string]map[string]any{
		"just expired":     {"exp": start - 29},
		"valid soon":       {"nbf": start + 30},
		"of two audiences": {"aud": []string{"bank", "shop"}},
		"a fraction":       {"exp": float64(start) + 0.5},
	} {
		if _, err := r.serve(t, "Authorization: Bearer "+s.token(t, "a", claims)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATokenThatIsRememberedExpires(t *testing.T) {
	s := newSigner(t, "a")
	r := fixedRig(t, s, "")
	token := s.token(t, "a", map[string]any{"exp": proxytest.Start.Unix() + 60})
	at := func(d time.Duration) error {
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nAuthorization: Bearer "+token+"\n")
		x.Start = x.Start.Add(d)
		return r.handler.Serve(x)
	}
	if err := errors.Join(at(0), at(89*time.Second)); err != nil {
		t.Error(err)
	}
	if err := at(90 * time.Second); !errors.Is(err, errExpired) {
		t.Errorf("after exp and skew: %v", err)
	}
}

func TestLargeTokensTakeOnePlaceOfABucket(t *testing.T) {
	var b bucket
	count := func() (n int) {
		for i := range b {
			if b[i].Load() != nil {
				n++
			}
		}
		return n
	}
	for i := range 3 * ways {
		b.put(&verified{token: strings.Repeat("x", large+1+i)})
	}
	if n := count(); n != 1 {
		t.Errorf("%d large tokens, want 1", n)
	}
	for i := range 3 * ways {
		b.put(&verified{token: strings.Repeat("x", large-i)})
	}
	b.put(&verified{token: strings.Repeat("x", maxCached+1)})
	if n := count(); n != ways {
		t.Errorf("%d tokens, want %d", n, ways)
	}
}

func TestWithoutAToken(t *testing.T) {
	s := newSigner(t, "a")
	r := fixedRig(t, s, "")
	x, err := r.serve(t, "Authorization: Basic YTpi")
	if got, _ := x.FailureHead.Lookup("WWW-Authenticate"); !errors.Is(err, credential.ErrRequired) || got != "Bearer" {
		t.Errorf("%v, challenge %q", err, got)
	}
	r = fixedRig(t, s, `, "optional": true, "claimsToHeaders": [{"claim": "sub", "header": "X-User"}]`)
	if x, err = r.serve(t, "X-User: root"); err != nil || x.Subject.Kind != exchange.Anonymous || strings.Contains(r.upstream.Got, "root") {
		t.Errorf("optional: %v\n%s", err, r.upstream.Got)
	}
	if _, err = r.serve(t, "Authorization: Bearer x"); !errors.Is(err, credential.ErrInvalid) {
		t.Errorf("optional, and bad: %v", err)
	}
}

func TestADisabledFilterOnlyKeepsItsHeaders(t *testing.T) {
	r := newRig(t, newStore(), fixedConfig(`, "disabled": true, "claimsToHeaders": [{"claim": "sub", "header": "X-User"}]`), nil)
	if _, err := r.serve(t, "X-User: root", "Authorization: Bearer x"); err != nil || strings.Contains(r.upstream.Got, "root") || !strings.Contains(r.upstream.Got, "Bearer") {
		t.Errorf("%v\n%s", err, r.upstream.Got)
	}
}

func TestWhereTokensAre(t *testing.T) {
	s := newSigner(t, "a")
	token := s.token(t, "a", nil)
	from := `, "from": [{"header": "X-Token"}, {"query": "token"}, {"cookie": "session"}]`
	r := fixedRig(t, s, from)
	serve := func(target string, fields ...string) error {
		x := proxytest.Exchange(t, "GET "+target+" HTTP/1.1\nHost: a\n"+strings.Join(fields, "\n")+"\n")
		return r.handler.Serve(x)
	}
	for name, err := range map[string]error{
		"header": serve("/", "X-Token: "+token), "query": serve("/?a=b&token=" + token), "cookie": serve("/", "Cookie: a=b; session="+token),
	} {
		if err != nil || strings.Contains(r.upstream.Got, token) {
			t.Errorf("%s: %v\n%s", name, err, r.upstream.Got)
		}
	}
	if err := serve("/?token="+token, "X-Token: "+token); !errors.Is(err, credential.ErrAmbiguous) {
		t.Errorf("in two places: %v", err)
	}
	r = fixedRig(t, s, from+`, "forward": true`)
	if err := serve("/", "X-Token: "+token); err != nil || !strings.Contains(r.upstream.Got, token) {
		t.Errorf("forwarded: %v\n%s", err, r.upstream.Got)
	}
}

func TestATokenMustHaveWhatIsRequired(t *testing.T) {
	s := newSigner(t, "a")
	config := strings.Replace(fixedConfig(""), `"audiences"`,
		`"requiredScopes": ["read", "write"], "requiredClaims": [{"name": "tenant"}, {"name": "roles", "values": ["admin", "7"]}], "audiences"`, 1)
	r := newRig(t, newStore(), config, values{"keys/jwks": s.published()})
	good := map[string]any{"scp": []string{"write", "read", "x"}, "tenant": 1, "roles": []any{"user", 7}}
	if _, err := r.serve(t, "Authorization: Bearer "+s.token(t, "a", good)); err != nil {
		t.Error(err)
	}
	for claim, value := range map[string]any{"scp": "read", "tenant": nil, "roles": []string{"user"}} {
		claims := maps.Clone(good)
		claims[claim] = value
		x, err := r.serve(t, "Authorization: Bearer "+s.token(t, "a", claims))
		if got, _ := x.FailureHead.Lookup("WWW-Authenticate"); !errors.Is(err, errInsufficient) || got != `Bearer error="insufficient_scope", scope="read write"` {
			t.Errorf("%s: %v, challenge %q", claim, err, got)
		}
	}
}

// remoteRig fetches the keys of a signer.
func remoteRig(tb testing.TB, store *Store, s *signer) *rig {
	tb.Helper()
	return newRig(tb, store, remoteConfig(s), values{"ca/ca.crt": s.ca()})
}

func remoteConfig(s *signer) string {
	return fmt.Sprintf(`{"providers": [{"name": "login", "issuer": %q, "remoteJWKS": {"url": %q, "caSecretName": "ca"}}]}`, issuer, s.URL)
}

// fetched returns the ID of what such a filter fetches.
func fetched(tb testing.TB, s *signer) string {
	tb.Helper()
	all := Definition(nil, nil).Fetches(json.RawMessage(remoteConfig(s)), values{"ca/ca.crt": s.ca()}.get)
	if len(all) != 1 || all[0].What != "the keys of provider login" || all[0].From != s.URL {
		tb.Fatalf("it fetches %+v", all)
	}
	return all[0].ID
}

func TestKeysAreFetchedAndRotate(t *testing.T) {
	s, store := newSigner(t, "a"), newStore()
	r := remoteRig(t, store, s)
	old := s.token(t, "a", nil)
	if _, err := r.serve(t, "Authorization: Bearer "+old); err != nil {
		t.Fatalf("the first token waits for the keys: %v", err)
	}
	// The next table has the keys, and the token, too.
	if _, err := remoteRig(t, store, s).serve(t, "Authorization: Bearer "+old); err != nil || s.requests.Load() != 1 {
		t.Errorf("after a swap: %v, %d requests", err, s.requests.Load())
	}
	s.rotate(t, "b")
	fresh := s.token(t, "b", nil)
	// Too early for another fetch: it is refused, and makes none.
	if _, err := r.serve(t, "Authorization: Bearer "+fresh); !errors.Is(err, jws.ErrNoKey) || s.requests.Load() != 1 {
		t.Errorf("a new kid, at once: %v, %d requests", err, s.requests.Load())
	}
	store.keys.Hasten()
	if _, err := r.serve(t, "Authorization: Bearer "+fresh); err != nil {
		t.Errorf("a new kid, later: %v", err)
	}
	if _, err := r.serve(t, "Authorization: Bearer "+old); !errors.Is(err, jws.ErrNoKey) {
		t.Errorf("a token of a key that is gone: %v", err)
	}
}

func TestTheLastGoodKeysGoOnToCount(t *testing.T) {
	s := newSigner(t, "a")
	changed := make(chan struct{}, 8)
	store := newStore()
	store.OnChange(func() { changed <- struct{}{} })
	r := remoteRig(t, store, s)
	if _, err := r.serve(t, "Authorization: Bearer "+s.token(t, "a", nil)); err != nil {
		t.Fatal(err)
	}
	s.broken.Store(true)
	store.keys.Hasten()
	if _, err := r.serve(t, "Authorization: Bearer "+s.token(t, "a", nil)[:40]); err == nil {
		t.Error("half a token passes")
	}
	s.rotate(t, "b")
	if _, err := r.serve(t, "Authorization: Bearer "+s.token(t, "b", nil)); !errors.Is(err, jws.ErrNoKey) {
		t.Errorf("an unknown kid: %v", err)
	}
	<-changed
	id := fetched(t, s)
	if diff := cmp.Diff(map[string]string{id: "the answer has status 500, want 200; the last good ones count until they can"}, store.Failing()); diff != "" {
		t.Errorf("failing (-want +got):\n%s", diff)
	}
	s.broken.Store(false)
	<-changed // it is tried again by itself
	if got := store.Failing(); len(got) > 0 {
		t.Errorf("failing after all is well: %v", got)
	}
	runtime.KeepAlive(r) // Without a filter that refers to them nobody would fetch the keys again.
}

func TestWithoutKeysNobodyPasses(t *testing.T) {
	s := newSigner(t, "a")
	s.broken.Store(true)
	x, err := remoteRig(t, newStore(), s).serve(t, "Authorization: Bearer "+s.token(t, "a", nil))
	if _, challenged := x.FailureHead.Lookup("WWW-Authenticate"); !errors.Is(err, errUnavailable) || challenged {
		t.Errorf("%v, challenged %v", err, challenged)
	}
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	d := Definition(nil, nil)
	raw := json.RawMessage(fixedConfig(""))
	var bad *filter.Unusable
	if err := d.Inspect(raw, values{"keys/jwks": []byte("hunter2")}.get); !errors.As(err, &bad) || bad.Ref.Key != "jwks" || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

func TestKeysInAConfigMap(t *testing.T) {
	s := newSigner(t, "a")
	config := `{"providers": [{"name": "login", "issuer": "` + issuer + `", "configMap": {"name": "keys", "key": "jwks", "format": "JWKS"}}]}`
	refs, err := Definition(nil, nil).Check(json.RawMessage(config))
	if want := []snapshot.Ref{{Kind: snapshot.InConfigMap, Name: "keys", Key: "jwks"}}; err != nil || !slices.Equal(refs, want) {
		t.Fatalf("it asks for %v, want %v: %v", refs, want, err)
	}
	r := newRig(t, newStore(), config, values{"keys/jwks": s.published()})
	if _, err := r.serve(t, "Authorization: Bearer "+s.token(t, "a", nil)); err != nil {
		t.Error(err)
	}
	// Beside public keys too, a symmetric one is one that whoever reads the ConfigMap can sign with.
	symmetric := `{"keys": [{"kty": "oct", "k": "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnRlcjI"}, ` + strings.TrimPrefix(string(s.published()), `{"keys":[`)
	err = Definition(nil, nil).Inspect(json.RawMessage(config), values{"keys/jwks": []byte(symmetric)}.get)
	if err == nil || !strings.Contains(err.Error(), "key jwks of ConfigMap /keys: it has a symmetric key") {
		t.Errorf("a symmetric key: %v", err)
	}
}

func TestItemsWithCommasAreNoneOfAList(t *testing.T) {
	s := newSigner(t, "a")
	r := fixedRig(t, s, `, "claimsToHeaders": [{"claim": "groups", "header": "X-Groups"}, {"claim": "name", "header": "X-Name"}]`)
	token := s.token(t, "a", map[string]any{"groups": []string{"staff", "guests,admins"}, "name": "Lovelace, Ada"})
	if _, err := r.serve(t, "Authorization: Bearer "+token); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.upstream.Got, "admins") || !strings.Contains(r.upstream.Got, "X-Name: Lovelace, Ada\n") {
		t.Errorf("backend:\n%s", r.upstream.Got)
	}
}

func TestOutcomesAreCounted(t *testing.T) {
	s, decisions := newSigner(t, "a"), observe.NewDecisions()
	raw := json.RawMessage(fixedConfig(`, "optional": true`))
	f, err := Definition(newStore(), decisions).Build(raw, filter.Env{Secret: values{"keys/jwks": s.published()}.get})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{}
	r.handler = f.Wrap(&r.upstream)
	_, anonymous := r.serve(t)
	_, allowed := r.serve(t, "Authorization: Bearer "+s.token(t, "a", nil))
	_, denied := r.serve(t, "Authorization: Bearer x")
	if anonymous != nil || allowed != nil || denied == nil {
		t.Errorf("anonymous %v, allowed %v, denied %v", anonymous, allowed, denied)
	}
	want := `# HELP gateway_filter_decisions_total Requests that a filter decided about, by filter and outcome.
# TYPE gateway_filter_decisions_total counter
gateway_filter_decisions_total{filter="jwt",outcome="allowed"} 1
gateway_filter_decisions_total{filter="jwt",outcome="anonymous"} 1
gateway_filter_decisions_total{filter="jwt",outcome="denied"} 1
gateway_filter_decisions_total{filter="jwt",outcome="error"} 0
`
	if err := testutil.CollectAndCompare(decisions, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	provider := `{"name": "a", "issuer": "a", "secret": {"name": "k", "key": "k", "format": "PEM"}}`
	for name, config := range map[string]string{
		"no provider":      `{}`,
		"an issuer twice":  `{"providers": [` + provider + `, ` + provider + `]}`,
		"no keys":          `{"providers": [{"name": "a", "issuer": "a"}]}`,
		"keys twice":       `{"providers": [{"name": "a", "issuer": "a", "secret": {"name": "k", "key": "k", "format": "PEM"}, "configMap": {"name": "k", "key": "k", "format": "PEM"}}]}`,
		"an open secret":   `{"providers": [{"name": "a", "issuer": "a", "configMap": {"name": "k", "key": "k", "format": "SharedSecret"}}]}`,
		"the token's own":  `{"providers": [` + provider + `], "claimsToHeaders": [{"claim": "sub", "header": "authorization"}]}`,
		"a framing header": `{"providers": [` + provider + `], "claimsToHeaders": [{"claim": "sub", "header": "Content-Length"}]}`,
		"no algorithm":     `{"providers": [{"name": "a", "issuer": "a", "algorithms": ["none"], "secret": {"name": "k", "key": "k", "format": "PEM"}}]}`,
		"no URL":           `{"providers": [{"name": "a", "issuer": "a", "remoteJWKS": {"url": "file:///etc/passwd"}}]}`,
		"no format":        `{"providers": [{"name": "a", "issuer": "a", "secret": {"name": "k", "key": "k", "format": "x"}}]}`,
		"a long skew":      `{"providers": [{"name": "a", "issuer": "a", "clockSkew": "1h", "secret": {"name": "k", "key": "k", "format": "PEM"}}]}`,
		"two places":       `{"providers": [` + provider + `], "from": [{"query": "a", "cookie": "b"}]}`,
	} {
		if _, err := Definition(nil, nil).Check(json.RawMessage(config)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// cycle returns a function that serves one request with a token that is remembered.
func cycle(tb testing.TB, with bool) func() {
	tb.Helper()
	s := newSigner(tb, "a")
	r := fixedRig(tb, s, `, "claimsToHeaders": [{"claim": "sub", "header": "X-User"}]`)
	last := exchange.HandlerFunc(func(*exchange.Exchange) error { return nil })
	r.handler = last
	if with {
		r.handler = mustBuild(tb, s, `, "claimsToHeaders": [{"claim": "sub", "header": "X-User"}]`).Wrap(last)
	}
	value := "Bearer " + s.token(tb, "a", map[string]any{"scope": "read", "name": strings.Repeat("n", 300)})
	x := &exchange.Exchange{}
	return func() {
		x.Reset()
		x.Start = proxytest.Start
		x.Request.Head.AddID(exchange.Authorization, value)
		x.Request.Head.AddID(exchange.UserAgent, "curl/8.5.0")
		if err := r.handler.Serve(x); err != nil {
			tb.Fatal(err)
		}
	}
}

func mustBuild(tb testing.TB, s *signer, members string) filter.Filter {
	tb.Helper()
	f, err := Definition(newStore(), nil).Build(json.RawMessage(fixedConfig(members)), filter.Env{Secret: values{"keys/jwks": s.published()}.get})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestARememberedTokenDoesNotAllocate(t *testing.T) {
	serve := cycle(t, true)
	if n := testing.AllocsPerRun(1000, serve); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// BenchmarkCached is what the filter adds to a request, the making of which takes most of the time.
func BenchmarkCached(b *testing.B) {
	for name, with := range map[string]bool{"without": false, "with": true} {
		b.Run(name, func(b *testing.B) {
			serve := cycle(b, with)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}
