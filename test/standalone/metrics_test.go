package standalone

import (
	"fmt"
	"strings"
	"testing"
)

func TestMetricsAreLabelledByPatternAndKnownMethod(t *testing.T) {
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/users", backend(t, echo("r")))})
	for i := range 3 {
		g.get(t, "a", fmt.Sprintf("/users/secret-%d", i))
		g.get(t, "a", fmt.Sprintf("/secret-%d", i))
	}
	for _, method := range []string{"BREW", "brew", "get"} {
		c := g.dial(t)
		c.send("%s /users HTTP/1.1\r\nHost: a\r\n\r\n", method)
		c.receive()
	}
	metrics := ""
	for _, want := range []string{
		`gateway_requests_total{method="GET",path="/users",route="default/r/0",status="200"} 3`,
		`gateway_requests_total{method="OTHER",path="/users",route="default/r/0",status="200"} 3`,
		`gateway_requests_total{method="GET",path="none",route="none",status="404"} 3`,
	} {
		eventually(t, want, func() bool {
			metrics = g.getAdmin(t, "/metrics").body
			return strings.Contains(metrics, want+"\n")
		})
	}
	for _, raw := range []string{"secret", "BREW", "brew", `"get"`} {
		if strings.Contains(metrics, raw) {
			t.Errorf("the metrics contain %s, which a client chose", raw)
		}
	}
}
