package standalone

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	quickstart = "../../config/samples/quickstart"
	runScript  = "../../hack/run.sh"
	readme     = "../../README.md"
)

// demoAnswer is what the demo backends say about a request.
type demoAnswer struct {
	Service, Path string
	Headers       map[string][]string
}

// promises are the requests that README and `make run` tell to try, and what comes of them.
var promises = map[string]func(*testing.T, func() *response){
	"localhost:8080/users/42": func(t *testing.T, ask func() *response) {
		t.Helper()
		r := ask()
		if got := demo(t, r); got.Service != "user-service" || got.Path != "/users/42" || got.Headers["X-Demo"] != nil {
			t.Errorf("reached %+v", got)
		}
		if r.Header.Get("X-Gateway") != "penstock" || r.Header.Get("Server") != "" {
			t.Errorf("answered with %v", r.Header)
		}
	},
	"localhost:8080/users/42 -H 'X-Version: 2'": func(t *testing.T, ask func() *response) {
		t.Helper()
		got := demo(t, ask())
		if got.Service != "user-service" || got.Path != "/v2/users/42" || strings.Join(got.Headers["X-Demo"], ",") != "v2" {
			t.Errorf("reached %+v", got)
		}
	},
	"localhost:8080/orders/7": func(t *testing.T, ask func() *response) {
		t.Helper()
		if got := demo(t, ask()); got.Service != "order-service" || got.Path != "/orders/7" {
			t.Errorf("reached %+v", got)
		}
	},
	"localhost:8080/purchases/7": func(t *testing.T, ask func() *response) {
		t.Helper()
		r := ask()
		if got := r.Header.Get("Location"); r.StatusCode != 301 || got != "http://localhost:8080/orders/7" {
			t.Errorf("got %d to %q", r.StatusCode, got)
		}
	},
	"localhost:8080/products": func(t *testing.T, ask func() *response) {
		t.Helper()
		reached := map[string]bool{}
		eventually(t, "both variants", func() bool {
			got := demo(t, ask())
			if got.Service != "product-service" || got.Path != "/products" {
				t.Fatalf("reached %+v", got)
			}
			reached[strings.Join(got.Headers["X-Demo"], ",")] = true
			return reached[""] && reached["canary"]
		})
	},
	"localhost:8080/products/status": func(t *testing.T, ask func() *response) {
		t.Helper()
		r := ask()
		if r.StatusCode != 200 || r.body != `{"status":"open"}` || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %d %q as %q", r.StatusCode, r.body, r.Header.Get("Content-Type"))
		}
	},
	"localhost:8080/nothing-here": func(t *testing.T, ask func() *response) {
		t.Helper()
		if r := ask(); r.StatusCode != 404 || r.problem(t).Code != "route.not_found" {
			t.Errorf("got %d %q", r.StatusCode, r.body)
		}
	},
	"localhost:8081/metrics": func(t *testing.T, ask func() *response) {
		t.Helper()
		if r := ask(); r.StatusCode != 200 || !strings.Contains(r.body, "\ngateway_") {
			t.Errorf("got %d %q", r.StatusCode, r.body)
		}
	},
}

func demo(t *testing.T, r *response) demoAnswer {
	t.Helper()
	var a demoAnswer
	if err := json.Unmarshal([]byte(r.body), &a); err != nil || r.StatusCode != 200 {
		t.Fatalf("status %d, %q: %v", r.StatusCode, r.body, err)
	}
	return a
}

func TestTheCommandsThatAreToldToTryDoWhatTheyPromise(t *testing.T) {
	g := start(t, startDemos(t, manifestsIn(t, quickstart)))
	tried := map[string]bool{}
	for _, command := range commands(t) {
		tried[command] = true
		t.Run(command, func(t *testing.T) {
			check, ok := promises[command]
			if !ok {
				t.Fatal("nobody says what this promises")
			}
			check(t, func() *response { return curl(t, g, command) })
		})
	}
	for command := range promises {
		if !tried[command] {
			t.Errorf("nobody is told to try %q any more", command)
		}
	}
}

// curl sends what `curl command` would, to the gateway's own ports.
func curl(t *testing.T, g *gateway, command string) *response {
	t.Helper()
	url, rest, _ := strings.Cut(command, " -H ")
	host, path, _ := strings.Cut(url, "/")
	if host == "localhost:8081" {
		return g.getAdmin(t, "/"+path)
	}
	if rest == "" {
		return g.get(t, host, "/"+path)
	}
	return g.get(t, host, "/"+path, strings.Trim(rest, "'"))
}

var (
	curlLine = regexp.MustCompile(`(?m)^(?:# |  )?curl (?:-[is] )*(?:http://)?([^|\n]+)`)
	demoLine = regexp.MustCompile(`(?m)^start bin/quickstart/demo -name (\S+) -addr (\S+)$`)
)

// commands are the arguments of every curl that README, the manifests and the script tell to try.
func commands(t *testing.T) (all []string) {
	t.Helper()
	texts := []string{read(t, readme), read(t, runScript)}
	for _, text := range manifestsIn(t, quickstart) {
		texts = append(texts, text)
	}
	ports := strings.NewReplacer("$traffic", "8080", "$admin", "8081")
	for _, text := range texts {
		for _, line := range curlLine.FindAllStringSubmatch(ports.Replace(text), -1) {
			all = append(all, strings.TrimSpace(line[1]))
		}
	}
	return all
}

// startDemos starts the backends of hack/run.sh, each on a free port, and returns the manifests with these ports.
func startDemos(t *testing.T, manifests map[string]string) map[string]string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.Command("go", "build", "-o", program, "../../hack/demo").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	demos := demoLine.FindAllStringSubmatch(read(t, runScript), -1)
	if len(demos) != 3 {
		t.Fatalf("%s starts %d demo backends, want 3", runScript, len(demos))
	}
	for i, port := range freePorts(t, len(demos)) {
		startDemo(t, program, demos[i][1], "127.0.0.1:"+port)
		_, told, _ := net.SplitHostPort(demos[i][2])
		if !strings.Contains(manifests["backends.yaml"], "port: "+told) {
			t.Errorf("no manifest names %s of %s", demos[i][2], demos[i][1])
		}
		manifests["backends.yaml"] = strings.ReplaceAll(manifests["backends.yaml"], "ort: "+told, "ort: "+port)
	}
	return manifests
}

func startDemo(t *testing.T, program, name, address string) {
	t.Helper()
	c := exec.Command(program, "-name", name, "-addr", address)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	eventually(t, name+" to listen", func() bool {
		r, err := http.Get("http://" + address + "/healthz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusNoContent
	})
}

func manifestsIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests in %s: %v", dir, err)
	}
	all := map[string]string{}
	for _, path := range paths {
		all[filepath.Base(path)] = read(t, path)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
