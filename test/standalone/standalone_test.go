// Package standalone tests the shipped binary in standalone mode: real process, real files, real sockets.
package standalone

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = 10 * time.Second

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "penstock-standalone-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "penstock")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/penstock").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build: %v\n%s", err, out))
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// gateway is a running process and the directory that it serves.
type gateway struct {
	*exec.Cmd
	dir                string
	traffic, admin     string
	stderr, accessLog  *lines
	wait               func() error
	debug, trafficPort string
}

// start runs the binary on a directory with these manifests.
func start(t *testing.T, manifests map[string]string, flags ...string) *gateway {
	t.Helper()
	g := &gateway{dir: t.TempDir(), stderr: &lines{}, accessLog: &lines{}}
	for name, text := range manifests {
		g.write(t, name, text)
	}
	ports := freePorts(t, 3)
	g.trafficPort = ports[0]
	g.traffic, g.admin, g.debug = "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1], "127.0.0.1:"+ports[2]
	args := append([]string{
		"standalone", "-f", g.dir, "--bind-address=127.0.0.1", "--http-port=" + ports[0],
		"--admin-address=" + g.admin, "--debug-address=" + g.debug, "--drain-delay=0s",
	}, flags...)
	g.Cmd = exec.Command(binary, args...)
	g.Stdout, g.Stderr = g.accessLog, g.stderr
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	g.wait = sync.OnceValue(g.Wait)
	t.Cleanup(func() {
		_ = g.Process.Kill()
		_ = g.wait()
		if t.Failed() {
			t.Logf("stderr:\n%s", g.stderr)
		}
	})
	eventually(t, "the gateway to be ready", func() bool { return g.ready() == http.StatusOK })
	return g
}

func (g *gateway) write(t *testing.T, name, text string) {
	t.Helper()
	// As editors do it: a rename, so that no half of a file is ever read.
	tmp := filepath.Join(t.TempDir(), name)
	if err := errors.Join(os.WriteFile(tmp, []byte(text), 0o600), os.Rename(tmp, filepath.Join(g.dir, name))); err != nil {
		t.Fatal(err)
	}
}

func (g *gateway) ready() int {
	r, err := http.Get("http://" + g.admin + "/readyz")
	if err != nil {
		return 0
	}
	defer r.Body.Close()
	return r.StatusCode
}

// get asks the gateway for a path of a host, on a connection of its own.
func (g *gateway) get(t *testing.T, host, path string, headers ...string) *response {
	t.Helper()
	r, err := g.try(host, path, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type response struct {
	*http.Response
	body string
}

func (g *gateway) try(host, path string, headers ...string) (*response, error) {
	c, err := net.Dial("tcp", g.traffic)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	fields := strings.Join(append(headers, "Connection: close", "", ""), "\r\n")
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n%s", path, host, fields); err != nil {
		return nil, err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return &response{r, string(body)}, err
}

// lines collects what a process writes.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s for %s", patience, what)
		case <-tick.C:
		}
	}
}

func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	return ports
}

// backend answers with what it was asked.
func backend(t *testing.T, h http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func echo(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s", name, r.Method, r.URL.Path, r.Header.Get("X-Trace-Id"))
	}
}

func route(name, host, path, backend string) string {
	addr, port, _ := strings.Cut(backend, ":")
	return fmt.Sprintf(`apiVersion: gateway.penstock.io/v1alpha1
kind: GatewayRoute
metadata:
  name: %s
spec:
  hostnames: [%s]
  rules:
  - matches:
    - path: {type: PathPrefix, value: %s}
    backends:
    - {host: %s, port: %s}
`, name, host, path, addr, port)
}

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

func TestAPortThatIsTakenEndsTheProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	out, err := exec.Command(binary, "standalone", "-f", t.TempDir(), "--bind-address=127.0.0.1", "--http-port="+port,
		"--admin-address=127.0.0.1:0", "--debug-address=").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "address already in use") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDebuggingIsForLoopbackOnly(t *testing.T) {
	out, err := exec.Command(binary, "standalone", "-f", t.TempDir(), "--http-port=0", "--bind-address=127.0.0.1",
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
