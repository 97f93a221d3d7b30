package standalone

import (
	"net/http"
	"testing"
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
