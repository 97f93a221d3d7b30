package standalone

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	golangjwt "github.com/golang-jwt/jwt/v5"
)

// provider is an OpenID provider: it publishes its keys, and whoever comes to it to log in is ada. The client is shop, with the secret
// "secret of the shop".
type provider struct {
	url string
	key *rsa.PrivateKey

	mu sync.Mutex
	// codes are the requests to log in by the code that stands for each.
	codes map[string]url.Values
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /.well-known/jwks.json", p.keys)
	mux.HandleFunc("GET /login", p.login)
	mux.HandleFunc("POST /token", p.exchange)
	s := httptest.NewUnstartedServer(mux)
	p.url = "http://" + s.Listener.Addr().String()
	s.Start()
	t.Cleanup(s.Close)
	return p
}

// discovery is what OpenID Connect Discovery 1.0 §3 wants.
func (p *provider) discovery(w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]any{
		"issuer": p.url, "authorization_endpoint": p.url + "/login", "token_endpoint": p.url + "/token", "jwks_uri": p.url + "/.well-known/jwks.json",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
	})
}

func (p *provider) keys(w http.ResponseWriter, _ *http.Request) {
	text := base64.RawURLEncoding.EncodeToString
	reply(w, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1",
		"n": text(p.key.N.Bytes()), "e": text(big.NewInt(int64(p.key.E)).Bytes()),
	}}})
}

// login asks nothing and leads back (RFC 6749 §4.1.2).
func (p *provider) login(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != "shop" || q.Get("response_type") != "code" {
		http.Error(w, "who asks?", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// exchange gives a token for a code, once (RFC 6749 §4.1.4).
func (p *provider) exchange(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	} else if decoded, err := url.QueryUnescape(secret); err == nil {
		secret = decoded
	}
	p.mu.Lock()
	asked, ok := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code"))
	p.mu.Unlock()
	if !ok || id != "shop" || secret != "secret of the shop" || r.FormValue("redirect_uri") != asked.Get("redirect_uri") {
		http.Error(w, `{"error": "invalid_grant"}`, http.StatusBadRequest)
		return
	}
	token, err := p.sign(map[string]any{"nonce": asked.Get("nonce"), "email": "ada@example.com", "email_verified": true})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 3600, "id_token": token})
}

// sign makes a token for ada, with claims besides.
func (p *provider) sign(claims map[string]any) (string, error) {
	all := golangjwt.MapClaims{"iss": p.url, "sub": "ada", "aud": "shop", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token := golangjwt.NewWithClaims(golangjwt.SigningMethodRS256, all)
	token.Header["kid"] = "1"
	return token.SignedString(p.key)
}

// token is what sign makes.
func (p *provider) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	token, err := p.sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}
