package standalone

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock/penstock/test/testcert"
)

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

// What a service is trusted by may change at any time.
func TestAServiceOfExtAuthIsVerified(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-User", "ada")
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	own := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	roots := func(ca string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: roots}\ndata:\n  ca.crt: |\n    " + strings.ReplaceAll(strings.TrimSpace(ca), "\n", "\n    ")
	}
	app := backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Header.Get("X-User"))) })
	g := start(t, map[string]string{"roots.yaml": roots(own), "route.yaml": manifest("r", `
  - filters:
      extAuth:
        backend: `+endpoint(s.Listener.Addr().String())+`
        headers: {toBackend: [X-User]}
        tls: {caConfigMapName: roots, serverName: example.com}
    backends: [`+endpoint(app)+`]
`)})
	if r := g.get(t, "a", "/", "X-User: root"); r.StatusCode != http.StatusOK || r.body != "ada" {
		t.Errorf("with the service's roots: %d %q", r.StatusCode, r.body)
	}
	for _, step := range []struct {
		name, ca string
		want     int
	}{
		{"other roots", string(testcert.Data("other", "example.com")["tls.crt"]), http.StatusServiceUnavailable},
		{"no roots", "hunter2", http.StatusInternalServerError},
		{"the roots again", own, http.StatusOK},
	} {
		g.write(t, "roots.yaml", roots(step.ca))
		eventually(t, step.name, func() bool { return g.get(t, "a", "/").StatusCode == step.want })
	}
}
