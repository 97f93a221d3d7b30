package envtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/controllers/file"
)

// TestFilesAndTheAPIServerAgreeAboutIngresses has each manifest decided upon by both. Field is what both name in their refusal;
// empty if both accept.
func TestFilesAndTheAPIServerAgreeAboutIngresses(t *testing.T) {
	const backend = "backend: {service: {name: a, port: {number: 80}}}"
	path := func(path string) string { return "rules: [{host: a.example.com, http: {paths: [" + path + "]}}]" }
	for _, tt := range []struct{ name, spec, field string }{
		{"a path", path("{path: /a, pathType: Prefix, " + backend + "}"), ""},
		{"a trailing slash", path("{path: /a/, pathType: Exact, " + backend + "}"), ""},
		{"the root", path("{path: /, pathType: Exact, " + backend + "}"), ""},
		{"no path of an implementation", path("{pathType: ImplementationSpecific, " + backend + "}"), ""},
		{"an expression of an implementation", path("{path: '/a(/|$)(.*)', pathType: ImplementationSpecific, " + backend + "}"), ""},
		{"a default backend", "defaultBackend: {service: {name: a, port: {name: http}}}", ""},
		{"a resource", "defaultBackend: {resource: {apiGroup: example.com, kind: Bucket, name: a}}", ""},
		{"a wildcard", `rules: [{host: "*.example.com"}]`, ""},
		{"TLS", "tls: [{hosts: [a.example.com], secretName: a}]\nrules: [{host: a.example.com}]", ""},
		{"nothing", "{}", "spec"},
		{"no type", path("{path: /a, " + backend + "}"), "spec.rules[0].http.paths[0].pathType"},
		{"an unknown type", path("{path: /a, pathType: Glob, " + backend + "}"), "spec.rules[0].http.paths[0].pathType"},
		{"no path", path("{pathType: Prefix, " + backend + "}"), "spec.rules[0].http.paths[0].path"},
		{"a relative path", path("{path: a, pathType: Exact, " + backend + "}"), "spec.rules[0].http.paths[0].path"},
		{"a relative path of an implementation", path("{path: a, pathType: ImplementationSpecific, " + backend + "}"), "spec.rules[0].http.paths[0].path"},
		{"an empty segment", path("{path: /a//b, pathType: Exact, " + backend + "}"), "spec.rules[0].http.paths[0].path"},
		{"a dot segment", path("{path: /a/../b, pathType: Prefix, " + backend + "}"), "spec.rules[0].http.paths[0].path"},
		{"an encoded slash", path("{path: /a%2Fb, pathType: Prefix, " + backend + "}"), "spec.rules[0].http.paths[0].path"},
		{"no paths", "rules: [{http: {paths: []}}]", "spec.rules[0].http.paths"},
		{"an address", "rules: [{host: 203.0.113.7}]", "spec.rules[0].host"},
		{"capitals", "rules: [{host: A.example.com}]", "spec.rules[0].host"},
		{"an asterisk inside", `rules: [{host: "a.*.example.com"}]`, "spec.rules[0].host"},
		{"a bad host of TLS", "tls: [{hosts: [a_b]}]\nrules: [{host: a.example.com}]", "spec.tls[0].hosts[0]"},
		{"no backend", path("{path: /a, pathType: Exact, backend: {}}"), "spec.rules[0].http.paths[0].backend"},
		{"two backends", "defaultBackend: {service: {name: a, port: {number: 80}}, resource: {kind: Bucket, name: a}}", "spec.defaultBackend"},
		{"no port", "defaultBackend: {service: {name: a}}", "spec.defaultBackend"},
		{"two ports", "defaultBackend: {service: {name: a, port: {number: 80, name: http}}}", "spec.defaultBackend"},
		{"a port too high", "defaultBackend: {service: {name: a, port: {number: 70000}}}", "spec.defaultBackend.service.port.number"},
		{"a bad class", "ingressClassName: A_B\ndefaultBackend: {service: {name: a, port: {number: 80}}}", "spec.ingressClassName"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: default}\nspec:\n  " +
				strings.ReplaceAll(tt.spec, "\n", "\n  ") + "\n"
			agree(t, text, tt.field)
		})
	}
}

func agree(t *testing.T, text, field string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ingress.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems := file.Load(name)
	o := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	err := admin.Create(t.Context(), o, client.DryRunAll)
	if field == "" {
		if err != nil || len(problems) > 0 {
			t.Errorf("API server: %v; files: %v; want both to accept", err, problems)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), field) {
		t.Errorf("the API server says %v, want %s", err, field)
	}
	if said := fmt.Sprint(problems); len(problems) == 0 || !strings.Contains(said, field) {
		t.Errorf("files say %v, want %s", said, field)
	}
}
