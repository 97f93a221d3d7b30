package standalone

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"regexp"
	"strings"
	"testing"
)

// oauth2Proxy starts a real oauth2-proxy with the flags that docs/guides/access-control.md names, and what the provider needs. It returns
// where it listens.
func oauth2Proxy(t *testing.T, p *provider) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/guides/access-control.md")
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + freePorts(t, 1)[0]
	flags := regexp.MustCompile(`(?m)^--.*$`).FindAllString(string(text), -1)
	for i, f := range flags {
		flags[i] = strings.Replace(f, "0.0.0.0:4180", address, 1)
	}
	startOther(t, "OAUTH2_PROXY", []string{address}, append(flags,
		"--provider=oidc", "--oidc-issuer-url="+p.url, "--client-id=shop", "--client-secret=secret of the shop", "--code-challenge-method=S256",
		"--email-domain=*", "--cookie-secret=0123456789abcdef0123456789abcdef", "--cookie-secure=false",
	)...)
	return address
}

// The manifest of the guide, with a real oauth2-proxy and a provider.
func TestLoginThroughOAuth2Proxy(t *testing.T) {
	proxy := oauth2Proxy(t, newProvider(t))
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s is %s, %s", r.URL.RequestURI(), strings.Join(r.Header.Values("X-Auth-Request-User"), ","), r.Header.Get("X-Auth-Request-Email"))
	})
	var rules string
	for _, e := range examples(t, "docs/guides/access-control.md") {
		if strings.Contains(e, "name: login") {
			rules = e
		}
	}
	route := "apiVersion: gateway.penstock.io/v1alpha1\nkind: GatewayRoute\nmetadata: {name: login}\nspec:\n  " + strings.ReplaceAll(strings.TrimSpace(rules), "\n", "\n  ")
	g := start(t, map[string]string{
		"route.yaml": route, "app.yaml": service("app", app), "proxy.yaml": strings.Replace(service("oauth2-proxy", proxy), "port: 80,", "port: 4180,", 1),
	})
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
	if status, body := ask("/api/orders"); status != http.StatusUnauthorized || strings.Contains(body, "orders") {
		t.Errorf("an API without a session: %d %q", status, body)
	}
	// Through the provider and back.
	if status, body := ask("/cart?item=7"); status != http.StatusOK || body != "/cart?item=7 is ada, ada@example.com" {
		t.Errorf("a page without a session: %d %q", status, body)
	}
	if status, body := ask("/api/orders"); status != http.StatusOK || body != "/api/orders is ada, ada@example.com" {
		t.Errorf("an API with a session: %d %q", status, body)
	}
	if status, _ := ask("/oauth2/sign_out?rd=%2Fapi%2Forders"); status != http.StatusUnauthorized {
		t.Errorf("an API after the session: %d", status)
	}
	eventually(t, "the log of who it was", func() bool { return strings.Contains(g.accessLog.String(), `"ada"`) })
}
