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
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	if out, err := build().CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build: %v\n%s", err, out))
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// build makes the binary as make build does, which has compiled the parts already if make test runs this: with the profile, since what
// is inlined changes how much memory a connection takes.
func build() *exec.Cmd {
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-pgo=cmd/penstock/serving.pgo",
		"-tags", "grpcnotrace", "-o", binary, "./cmd/penstock")
	c.Dir = "../.."
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	return c
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
		"standalone", "-f", g.dir, "--bind-address=127.0.0.1", "--http-port=" + ports[0], "--https-port=0",
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

// getAdmin asks the admin port.
func (g *gateway) getAdmin(t *testing.T, path string) *response {
	t.Helper()
	r, err := http.Get("http://" + g.admin + path)
	return whole(t, r, err)
}

// whole is a response with its body, of a request that must not fail.
func whole(t *testing.T, r *http.Response, err error) *response {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &response{r, string(body)}
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

// problem is the body of a local reply.
type problem struct {
	Status        int
	Code, TraceID string
}

func (r *response) problem(t *testing.T) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("status %d with no problem document: %q", r.StatusCode, r.body)
	}
	return p
}

// logged is a line of the access log.
type logged struct {
	TraceID, Method, Host, Path, Route, Pattern, Client, UserAgent, Code, Why string
	Status, Attempts                                                          int
}

// log waits for the line about a trace id.
func (g *gateway) log(t *testing.T, id string) logged {
	t.Helper()
	var found logged
	eventually(t, "the access log line of "+id, func() bool {
		for line := range strings.Lines(g.accessLog.String()) {
			var l logged
			if json.Unmarshal([]byte(line), &l) == nil && l.TraceID == id {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

// traceID returns one that no other test has.
func traceID() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()|1) }

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
	within(t, patience, what, done)
}

// within is eventually for what takes longer.
func within(t *testing.T, patience time.Duration, what string, done func() bool) {
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

// lastPort is the one that was given out last. All are below those that the kernel gives to whoever asks for any, so that none is taken
// between the look here and the gateway's start.
var lastPort atomic.Int32

func init() { lastPort.Store(20000 + int32(os.Getpid()%6000)) }

func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for len(ports) < n {
		port := strconv.Itoa(int(lastPort.Add(1)))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
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

// manifest is a GatewayRoute with these rules, for any host.
func manifest(name, rules string) string {
	return "apiVersion: gateway.penstock.io/v1alpha1\nkind: GatewayRoute\nmetadata:\n  name: " + name + "\nspec:\n  rules:\n" + rules
}

// endpoint is the address of a backend in a manifest.
func endpoint(address string) string {
	host, port, _ := strings.Cut(address, ":")
	return fmt.Sprintf("{host: %s, port: %s}", host, port)
}

func route(name, host, path, backend string) string {
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
    - %s
`, name, host, path, endpoint(backend))
}
