package standalone

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// oauth2Proxy stands in for oauth2-proxy with --reverse-proxy, --upstream=static://202, --set-xauthrequest and
// --skip-provider-button, and for a provider that knows everybody: it speaks what is asked of it in docs/guides/access-control.md.
func oauth2Proxy(w http.ResponseWriter, r *http.Request) {
	session, err := r.Cookie("_oauth2_proxy")
	known := err == nil && session.Value == "ada"
	switch {
	case r.URL.Path == "/oauth2/callback":
		http.SetCookie(w, &http.Cookie{Name: "_oauth2_proxy", Value: "ada", Path: "/", HttpOnly: true})
		http.Redirect(w, r, r.URL.Query().Get("state"), http.StatusFound)
	case known:
		w.Header().Set("X-Auth-Request-User", session.Value)
		w.Header().Set("X-Auth-Request-Email", session.Value+"@example.com")
		w.WriteHeader(http.StatusAccepted)
	case r.URL.Path == "/oauth2/auth":
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	default: // the provider would lead back to the callback
		back := url.URL{Path: "/oauth2/callback", RawQuery: url.Values{"state": {r.Header.Get("X-Forwarded-Uri")}}.Encode()}
		http.Redirect(w, r, back.String(), http.StatusFound)
	}
}

func TestLoginThroughExtAuth(t *testing.T) {
	auth := endpoint(backend(t, oauth2Proxy))
	app := endpoint(backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s is %s", r.URL.RequestURI(), strings.Join(r.Header.Values("X-Auth-Request-User"), ","))
	}))
	settings := "backend: " + auth + `
        headers:
          send: [Cookie, Accept]
          toBackend: [X-Auth-Request-User, X-Auth-Request-Email]
          toClient: [Set-Cookie]
          subject: X-Auth-Request-User
`
	g := start(t, map[string]string{"login.yaml": manifest("login", `
  - name: login
    matches: [{path: {type: PathPrefix, value: /oauth2}}]
    backends: [`+auth+`]
  - name: api
    matches: [{path: {type: PathPrefix, value: /api}}]
    filters:
      extAuth:
        http: {path: /oauth2/auth}
        `+settings+`    backends: [`+app+`]
  - name: app
    filters:
      extAuth:
        `+settings+`    backends: [`+app+`]
`)})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	ask := func(path string) (status int, body string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.traffic+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Auth-Request-User", "root")
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		b, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(b)
	}
	if status, body := ask("/api/orders"); status != http.StatusUnauthorized || body != "Unauthorized\n" {
		t.Errorf("an API without a session: %d %q", status, body)
	}
	// Through the login page and back.
	if status, body := ask("/cart?item=7"); status != http.StatusOK || body != "/cart?item=7 is ada" {
		t.Errorf("a page without a session: %d %q", status, body)
	}
	if status, body := ask("/api/orders"); status != http.StatusOK || body != "/api/orders is ada" {
		t.Errorf("an API with a session: %d %q", status, body)
	}
}

func TestPreflightsNeedNoIdentity(t *testing.T) {
	g := start(t, map[string]string{"cors.yaml": manifest("cors", `
  - filters:
      cors: {allowOrigins: ["https://app.example.com"]}
      securityHeaders: {}
      authorization: {rules: [{scopes: [read]}]}
    backends: [`+endpoint(backend(t, echo("app")))+`]
`)})
	for method, want := range map[string]int{http.MethodOptions: http.StatusNoContent, http.MethodGet: http.StatusForbidden} {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.traffic+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", "https://app.example.com")
		request.Header.Set("Access-Control-Request-Method", http.MethodGet)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		h := response.Header
		if response.StatusCode != want || h.Get("Access-Control-Allow-Origin") != "https://app.example.com" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d with %v, want %d that the page can read", method, response.StatusCode, h, want)
		}
	}
}
