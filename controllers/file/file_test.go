package file

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// routeNamed is a valid GatewayRoute.
func routeNamed(name string) string {
	return `apiVersion: gateway.penstock.io/v1alpha1
kind: GatewayRoute
metadata:
  name: ` + name + `
spec:
  rules:
  - backends: [{service: users, port: 80}]
`
}

// invalidNamed is a GatewayRoute that its schema refuses.
func invalidNamed(name string) string {
	return strings.Replace(routeNamed(name), "port: 80", "port: 0", 1)
}

// tree writes files, by their paths, to a new directory.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range files {
		write(t, filepath.Join(dir, path), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// names lists the objects: "GatewayRoute default/users".
func names(o Objects) []string {
	var all []string
	for _, x := range o.Routes {
		all = append(all, "GatewayRoute "+x.Namespace+"/"+x.Name)
	}
	for _, x := range o.Policies {
		all = append(all, "RateLimitPolicy "+x.Namespace+"/"+x.Name)
	}
	for _, x := range o.Services {
		all = append(all, "Service "+x.Namespace+"/"+x.Name)
	}
	for _, x := range o.Slices {
		all = append(all, "EndpointSlice "+x.Namespace+"/"+x.Name)
	}
	for _, x := range o.Grants {
		all = append(all, "ReferenceGrant "+x.Namespace+"/"+x.Name)
	}
	for _, x := range o.Secrets {
		all = append(all, "Secret "+x.Namespace+"/"+x.Name)
	}
	for _, x := range o.Namespaces {
		all = append(all, "Namespace "+x.Name)
	}
	return all
}

// said lists the problems with paths relative to dir.
func said(dir string, problems []Problem) []string {
	var all []string
	for _, p := range problems {
		all = append(all, strings.ReplaceAll(p.String(), dir+string(filepath.Separator), ""))
	}
	return all
}

func TestLoad(t *testing.T) {
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: users, namespace: shop}\nspec:\n  ports: [{port: 80}]\n"
	tests := []struct {
		name     string
		files    map[string]string
		want     []string
		problems []string
	}{
		{
			name: "documents of all files and folders are read, ordered by name",
			files: map[string]string{
				"b.yml":          "# a comment alone is no document\n---\n" + routeNamed("b") + "---\n" + routeNamed("a") + "---\n---\n",
				"sub/c.yaml":     service,
				"d.json":         "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Secret\",\n\t\"metadata\": {\"name\": \"s\"}, \"stringData\": {\"k\": \"v\"}\n}",
				"notes.txt":      "not a manifest",
				".hidden/x.yaml": "neither",
			},
			want: []string{"GatewayRoute default/a", "GatewayRoute default/b", "Service shop/users", "Secret default/s"},
		},
		{
			name:     "a bad object takes no other down and is named with file, line and field",
			files:    map[string]string{"r.yaml": routeNamed("a") + "---\n\n# the bad one\n" + invalidNamed("b") + "---\n" + routeNamed("c")},
			want:     []string{"GatewayRoute default/a", "GatewayRoute default/c"},
			problems: []string{`r.yaml:11: GatewayRoute default/b: spec.rules[0].backends[0].port: Invalid value: 0: port must be from 1 to 65535`},
		},
		{
			name:  "a text that cannot be parsed is reported with the line in the file",
			files: map[string]string{"r.yaml": routeNamed("a") + "---\nkind: GatewayRoute\nspec: [\n---\n" + routeNamed("c")},
			want:  []string{"GatewayRoute default/a", "GatewayRoute default/c"},
			problems: []string{
				`r.yaml:9: yaml: line 10: did not find expected node content`,
			},
		},
		{
			name:     "a key that comes twice is refused",
			files:    map[string]string{"r.yaml": routeNamed("a") + "spec: {}\n"},
			problems: []string{`r.yaml:1: yaml: unmarshal errors: line 8: key "spec" already set in map`},
		},
		{
			name:     "of two documents for an object the first is used",
			files:    map[string]string{"a.yaml": routeNamed("a"), "b.yaml": "\n" + routeNamed("a")},
			want:     []string{"GatewayRoute default/a"},
			problems: []string{`b.yaml:2: GatewayRoute default/a: defined already at a.yaml:1; this one is not used`},
		},
		{
			name:     "other kinds are not supported",
			files:    map[string]string{"d.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: users}\n"},
			problems: []string{`d.yaml:1: Deployment default/users: kind "Deployment" of apiVersion "apps/v1" is not supported`},
		},
		{
			name:  "an object without a name is refused",
			files: map[string]string{"r.yaml": strings.Replace(routeNamed("a"), "name: a", "generateName: a-", 1)},
			problems: []string{
				"r.yaml:1: metadata.name: Required value: name or generateName is required",
				"r.yaml:1: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
			},
		},
		{
			name:     "a document that is no object is refused",
			files:    map[string]string{"r.yaml": "- a\n---\njust text\n---\nmetadata: 7\n"},
			problems: []string{"r.yaml:1: the document is not an object", "r.yaml:3: the document is not an object", "r.yaml:5: metadata is not an object"},
		},
		{
			name:  "unknown fields of builtin kinds are refused, each by its path",
			files: map[string]string{"s.yaml": strings.Replace(service, "port: 80", "port: 80, targetport: 81", 1)},
			problems: []string{
				`s.yaml:1: Service shop/users: spec.ports[0].targetport: Forbidden: unknown field`,
			},
		},
		{
			name:     "a value of the wrong type in a builtin kind is refused",
			files:    map[string]string{"s.yaml": strings.Replace(service, "port: 80", "port: eighty", 1)},
			problems: []string{`s.yaml:1: Service shop/users: spec.ports.port: Invalid value: "string": must be of type int32`},
		},
		{
			name: "addresses of EndpointSlices are checked",
			files: map[string]string{"s.yaml": "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: users-1}\naddressType: IPv4\n" +
				"endpoints: [{addresses: [10.0.0.1]}, {addresses: [\"::1\"]}]\nports: [{port: 80}]\n"},
			problems: []string{`s.yaml:1: EndpointSlice default/users-1: endpoints[1].addresses[0]: Invalid value: "::1": must be an IPv4 address`},
		},
		{
			name: "ReferenceGrants of both versions are read",
			files: map[string]string{
				"a.yaml": grantOf("v1", "a"),
				"b.yaml": grantOf("v1beta1", "b"),
			},
			want: []string{"ReferenceGrant shop/a", "ReferenceGrant shop/b"},
		},
		{
			name:  "Namespaces are in no namespace",
			files: map[string]string{"n.yaml": namespaceWith("{name: shop}") + "---\n" + namespaceWith("{name: people, namespace: shop}")},
			want:  []string{"Namespace shop"},
			problems: []string{
				"n.yaml:5: Namespace shop/people: metadata.namespace: Forbidden: not allowed on this type",
			},
		},
		{
			name:     "the names of Namespaces are labels",
			files:    map[string]string{"n.yaml": namespaceWith("{name: shop.example}")},
			problems: []string{"n.yaml:1: Namespace shop.example: metadata.name: Invalid value: \"shop.example\": must not contain dots"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := writeTree(t, test.files)
			objects, problems := Load(dir)
			if diff := cmp.Diff(test.want, names(objects)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.problems, said(dir, problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func namespaceWith(metadata string) string {
	return "apiVersion: v1\nkind: Namespace\nmetadata: " + metadata + "\n"
}

func grantOf(version, name string) string {
	return fmt.Sprintf(`apiVersion: gateway.networking.k8s.io/%s
kind: ReferenceGrant
metadata: {name: %s, namespace: shop}
spec:
  from: [{group: gateway.penstock.io, kind: GatewayRoute, namespace: default}]
  to: [{group: "", kind: Service}]
`, version, name)
}

func TestLoadSetsDefaults(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"r.yaml": routeNamed("a") + "status: {conditions: []}\n",
		"s.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: users}\nspec:\n  ports: [{port: 80}]\n",
		"k.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: k}\ndata: {a: YQ==}\nstringData: {b: bee}\n",
	})
	objects, problems := Load(dir)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	route := objects.Routes[0]
	if route.Spec.ClassName != "penstock" || *route.Spec.Rules[0].Backends[0].Weight != 1 || route.Generation != 1 {
		t.Errorf("route without defaults: %+v", route)
	}
	if !route.CreationTimestamp.IsZero() {
		t.Errorf("route was created at %v", route.CreationTimestamp)
	}
	if port := objects.Services[0].Spec.Ports[0]; port.Protocol != corev1.ProtocolTCP || port.TargetPort.IntVal != 80 {
		t.Errorf("port without defaults: %+v", port)
	}
	want := map[string][]byte{"a": []byte("a"), "b": []byte("bee")}
	if diff := cmp.Diff(want, objects.Secrets[0].Data); diff != "" {
		t.Errorf("secret (-want +got):\n%s", diff)
	}
}

func TestLoadTakesASingleFile(t *testing.T) {
	dir := writeTree(t, map[string]string{"a.yaml": routeNamed("a"), "b.yaml": routeNamed("b")})
	objects, problems := Load(filepath.Join(dir, "b.yaml"))
	if got := names(objects); len(problems) > 0 || !slices.Equal(got, []string{"GatewayRoute default/b"}) {
		t.Errorf("got %v, %v", got, problems)
	}
}

func TestLoadSaysWhenThereIsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	_, problems := Load(dir)
	if len(problems) != 1 || problems[0].String() != dir+": cannot be read: no such file or directory" {
		t.Errorf("got %q", problems)
	}
}

func TestLoadFollowsLinksAndEndsInACircle(t *testing.T) {
	elsewhere := writeTree(t, map[string]string{"b.yaml": routeNamed("b")})
	dir := writeTree(t, map[string]string{"a.yaml": routeNamed("a")})
	link(t, elsewhere, filepath.Join(dir, "linked"))
	link(t, dir, filepath.Join(dir, "circle"))
	objects, problems := Load(dir)
	if got := names(objects); len(problems) > 0 || !slices.Equal(got, []string{"GatewayRoute default/a", "GatewayRoute default/b"}) {
		t.Errorf("got %v, %v", got, problems)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("a: 1\n---\nb: 2\n--- # c\n...\n---x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := strings.Count(string(text), "\n") + 1
		last := 0
		for _, p := range split(text) {
			if p.line <= last || p.line > lines || p.skip >= p.line {
				t.Fatalf("part at line %d after %d lines, of %d; the one before was at %d", p.line, p.skip, lines, last)
			}
			if !strings.Contains(string(text), string(p.text)) {
				t.Fatalf("part %q is not in the text", p.text)
			}
			last = p.line
		}
	})
}
