package standalone

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestARouteInAFileServes(t *testing.T) {
	g := start(t, map[string]string{"users.yaml": route("users", "a.example.com", "/users", backend(t, echo("users")))})
	const id = "0af7651916cd43dd8448eb211c80319c"
	r := g.get(t, "a.example.com", "/users/42", "X-Trace-ID: "+id)
	if want := "users GET /users/42 " + id; r.StatusCode != 200 || r.body != want {
		t.Errorf("got %d %q, want 200 %q", r.StatusCode, r.body, want)
	}
	if got := r.Header.Get("X-Trace-ID"); got != id {
		t.Errorf("answered with trace id %q, want %q", got, id)
	}
	eventually(t, "the access log line", func() bool { return strings.Contains(g.accessLog.String(), id) })
	var line struct{ Path, Route, TraceID string }
	if err := json.Unmarshal([]byte(g.accessLog.String()), &line); err != nil {
		t.Fatal(err)
	}
	if line.Path != "/users/42" || line.Route != "default/users/0" || line.TraceID != id {
		t.Errorf("the access log says %+v", line)
	}
}

func TestWhatNoRouteMatchesIsAProblemDocument(t *testing.T) {
	g := start(t, map[string]string{"users.yaml": route("users", "a.example.com", "/users", "127.0.0.1:9")})
	r := g.get(t, "a.example.com", "/nowhere")
	var p struct {
		Status        int
		Code, TraceID string
	}
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("%q: %v", r.body, err)
	}
	if r.StatusCode != 404 || p.Status != 404 || p.Code != "route.not_found" || p.TraceID != r.Header.Get("X-Trace-ID") {
		t.Errorf("got %d %+v", r.StatusCode, p)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
}

func TestAnEditServesAndABrokenEditKeepsTheLastGoodState(t *testing.T) {
	one, two := backend(t, echo("one")), backend(t, echo("two"))
	g := start(t, map[string]string{"r.yaml": route("r", "a.example.com", "/", one), "other.yaml": route("other", "b.example.com", "/", one)})
	g.write(t, "r.yaml", route("r", "a.example.com", "/", two))
	eventually(t, "the edit to serve", func() bool { return strings.HasPrefix(g.get(t, "a.example.com", "/").body, "two") })

	g.write(t, "r.yaml", strings.Replace(route("r", "a.example.com", "/", one), "PathPrefix", "Nonsense", 1))
	eventually(t, "the broken edit to be reported", func() bool { return strings.Contains(g.stderr.String(), "Nonsense") })
	if r := g.get(t, "a.example.com", "/"); !strings.HasPrefix(r.body, "two") {
		t.Errorf("after the broken edit: %d %q", r.StatusCode, r.body)
	}
	if r := g.get(t, "b.example.com", "/"); r.StatusCode != 200 {
		t.Errorf("the other object answers %d", r.StatusCode)
	}
}

func TestTermEndsAfterWhatIsInFlight(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, "done")
	})
	g := start(t, map[string]string{"r.yaml": route("r", "a.example.com", "/", slow)})
	type result struct {
		*response
		err error
	}
	answer := make(chan result)
	go func() { r, err := g.try("a.example.com", "/"); answer <- result{r, err} }()
	<-arrived
	if err := g.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway to be unready", func() bool { return g.ready() == http.StatusServiceUnavailable })
	close(release)
	if r := <-answer; r.err != nil || r.body != "done" {
		t.Errorf("the request in flight got %v, %v", r.response, r.err)
	}
	if err := g.wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

// Before the delay is over, answers send clients elsewhere while nothing is closed: new connections are still served.
func TestTermSendsClientsElsewhereDuringTheDelay(t *testing.T) {
	b := backend(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") })
	g := start(t, map[string]string{"r.yaml": route("r", "a.example.com", "/", b)}, "--drain-delay=4s")
	c := g.dial(t)
	if err := g.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer that says that the connection closes", func() bool {
		c.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
		r := c.receive()
		if r.StatusCode != http.StatusOK {
			t.Fatalf("got %d", r.StatusCode)
		}
		return r.Close
	})
	c.ended()
	if r := g.get(t, "a.example.com", "/"); r.StatusCode != http.StatusOK {
		t.Errorf("a new connection got %d", r.StatusCode)
	}
	if err := g.wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

// Clients whom a load balancer still sends when the delay is over are served, until none has come for a fifth of the delay.
func TestTermRefusesNobodyWhoStillComes(t *testing.T) {
	const delay = 2 * time.Second
	b := backend(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") })
	// come asks on one connection after another, and returns why the last one failed and the longest time between two.
	come := func(g *gateway) (gap time.Duration, err error) {
		began := time.Now()
		for last, pace := began, time.Tick(10*time.Millisecond); last.Sub(began) < 2*delay; <-pace {
			if _, err := g.try("a.example.com", "/"); err != nil {
				return max(gap, time.Since(last)), err
			}
			now := time.Now()
			gap, last = max(gap, now.Sub(last)), now
		}
		return gap, nil
	}
	for {
		g := start(t, map[string]string{"r.yaml": route("r", "a.example.com", "/", b)}, "--drain-delay="+delay.String())
		if err := g.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		gap, failed := come(g)
		if err := g.wait(); err != nil {
			t.Errorf("exit: %v", err)
		}
		switch {
		case failed == nil:
			return
		case gap < delay/5:
			t.Fatalf("refused, though connections came every %v: %v", gap, failed)
		}
		t.Logf("this machine halted for %v: once more", gap)
	}
}

func TestAPortThatIsTakenEndsTheProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	out, err := exec.Command(binary, "standalone", "-f", t.TempDir(), "--bind-address=127.0.0.1", "--http-port="+port, "--https-port=0",
		"--admin-address=127.0.0.1:0", "--debug-address=").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "address already in use") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDebuggingIsForLoopbackOnly(t *testing.T) {
	out, err := exec.Command(binary, "standalone", "-f", t.TempDir(), "--http-port=0", "--https-port=0", "--bind-address=127.0.0.1",
		"--admin-address=127.0.0.1:0", "--debug-address=0.0.0.0:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--debug-address") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestValidateNamesFileObjectAndField(t *testing.T) {
	dir := t.TempDir()
	broken := strings.Replace(route("users", "a.example.com", "/users", "127.0.0.1:80"), "PathPrefix", "Nonsense", 1)
	if err := os.WriteFile(filepath.Join(dir, "users.yaml"), []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "validate", "-f", dir).CombinedOutput()
	if err == nil {
		t.Error("a broken manifest is valid")
	}
	for _, want := range []string{"users.yaml:1", "GatewayRoute default/users", "spec.rules[0].matches[0].path.type"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing from %s", want, out)
		}
	}
}

func TestTranslatePrintsSnapshotAndStatuses(t *testing.T) {
	out, err := exec.Command(binary, "translate", "-f", "../../config/samples/quickstart").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"id: default/users/", "type: Accepted", "default/user-service:80"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing from\n%s", want, out)
		}
	}
}
