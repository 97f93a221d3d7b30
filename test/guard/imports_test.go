// Package guard holds tests over the house itself: what may import what, and that documents tell the truth.
package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/penstock/penstock/"

// floors are the levels of docs/architecture.md, lowest first. A package may import only from floors below its own,
// and what peers allows on its own floor.
var floors = [][]string{
	{"proxy/swar"},
	{"api/v1alpha1", "proxy/radix", "proxy/snapshot", "proxy/exchange", "proxy/buffer", "proxy/http1", "proxy/live", "proxy/i18n", "proxy/yield", "proxy/limit", "config/crd"},
	{"proxy/filter", "proxy/filter/internal/*", "proxy/observe", "proxy/predicate", "proxy/limit/*"},
	{"proxy/filter/*", "proxy/upstream"},
	{"proxy/router", "proxy/listener", "proxy/engine", "proxy/filter/builtin"},
	{"controllers/translate", "controllers/status", "proxy"},
	{"controllers", "controllers/*"},
	{"cmd/penstock"},
}

// peers are the imports allowed within a floor, each for a reason.
var peers = map[string][]string{
	"proxy/http1":                      {"proxy/exchange"},                               // the codec fills exchanges
	"proxy/snapshot":                   {"proxy/radix"},                                  // its lists
	"proxy/live":                       {"proxy/snapshot"},                               // endpoints arrive as plain data
	"proxy/limit/sharing/mesh":         {"proxy/limit/sharing"},                          // it carries its messages
	"proxy/filter/jwt":                 {"proxy/filter/jwt/*"},                           // its parts
	"proxy/filter/jwt/jwks":            {"proxy/filter/jwt/jws"},                         // key sets are made of keys
	"proxy/filter/internal/credential": {"proxy/filter/internal/field", "proxy/observe"}, // the names of fields, and what is counted
	"proxy/filter/internal/expression": {"proxy/filter/internal/shared"},                 // what is compiled serves all who have it
	"proxy/filter/internal/filtertest": {"proxy/filter"},                                 // tests build filters
	"proxy/filter/internal/origin":     {"proxy/filter/internal/field"},                  // the names of fields
	"controllers/translate":            {"controllers/status"},                           // conditions are made in one place
	"controllers":                      {"controllers/*"},                                // the reconciler drives its parts
	"controllers/publish":              {"controllers/replicas"},                         // what is published depends on what replicas report
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// packages lists our packages, built with the flags given.
func packages(t *testing.T, flags ...string) map[string]listed {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd := exec.Command("go", slices.Concat([]string{"list", "-deps", "-json=ImportPath,Imports,Deps"}, flags, []string{"./..."})...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "../..", &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	all := map[string]listed{}
	for d := json.NewDecoder(&out); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(p.ImportPath, module); ok {
			all[name] = p
		}
	}
}

func TestImportsOnlyPointDown(t *testing.T) {
	for name, p := range packages(t) {
		if strings.HasPrefix(name, "hack/") || strings.HasPrefix(name, "test/") || name == "proxy/proxytest" {
			continue
		}
		own := floor(name)
		if own < 0 {
			t.Errorf("%s stands on no floor: add it to floors", name)
			continue
		}
		for _, imported := range p.Imports {
			dep, ours := strings.CutPrefix(imported, module)
			if !ours || floor(dep) < own || slices.ContainsFunc(peers[name], func(p string) bool { return covers(p, dep) }) {
				continue
			}
			t.Errorf("%s (floor %d) imports %s (floor %d)", name, own, dep, floor(dep))
		}
	}
}

func TestTheDataPlaneKnowsNoKubernetes(t *testing.T) {
	forbidden := []string{"k8s.io/", "sigs.k8s.io/", module + "api/", module + "controllers"}
	for name, p := range packages(t) {
		if name != "proxy" && !strings.HasPrefix(name, "proxy/") {
			continue
		}
		for _, dep := range p.Deps {
			if slices.ContainsFunc(forbidden, func(f string) bool { return strings.HasPrefix(dep, f) }) {
				t.Errorf("%s depends on %s", name, dep)
			}
		}
	}
}

// What `make run` builds from nothing takes half as long without the clients of Kubernetes and Redis.
func TestTheQuickstartHasNoClient(t *testing.T) {
	clients := []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "github.com/redis/go-redis/v9"}
	command := packages(t, "-tags=quickstart")["cmd/penstock"]
	if len(command.Deps) == 0 {
		t.Fatal("the command depends on nothing")
	}
	for _, dep := range command.Deps {
		if slices.ContainsFunc(clients, func(c string) bool { return dep == c || strings.HasPrefix(dep, c+"/") }) {
			t.Errorf("cmd/penstock, built with the tag quickstart, depends on %s", dep)
		}
	}
}

func TestOnlyTheCommandImportsTheListOfFilters(t *testing.T) {
	for name, p := range packages(t) {
		if name != "cmd/penstock" && !strings.HasPrefix(name, "test/") && slices.Contains(p.Imports, module+"proxy/filter/builtin") {
			t.Errorf("%s imports the list of filters; it must be handed a registry", name)
		}
	}
}

// floor finds the most exact entry for a package; -1 if there is none.
func floor(name string) int {
	found, length := -1, -1
	for level, entries := range floors {
		for _, e := range entries {
			if covers(e, name) && len(e) > length {
				found, length = level, len(e)
			}
		}
	}
	return found
}

func covers(entry, name string) bool {
	if dir, ok := strings.CutSuffix(entry, "*"); ok {
		return strings.HasPrefix(name, dir)
	}
	return entry == name
}
