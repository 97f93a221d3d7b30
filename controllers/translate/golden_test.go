package translate

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/test/testcert"
)

var update = flag.Bool("update", false, "write out.yaml of the golden cases anew")

// golden is one case: what is in its in.yaml.
type golden struct {
	Input
	Slices  []*discoveryv1.EndpointSlice
	Filters filter.Registry
}

// document is a document of kind Options: the test's own. What it leaves out is as DefaultOptions has it.
type document struct {
	Options Options `json:"options"`
	// Filters replaces the built-in filters: None has none, Secretive one that asks for a Secret.
	Filters string `json:"filters"`
	// Unreadable, UnreadableConfigMaps and Failing are those of the Input.
	Unreadable           []types.NamespacedName `json:"unreadable"`
	UnreadableConfigMaps []types.NamespacedName `json:"unreadableConfigMaps"`
	Failing              map[string]string      `json:"failing"`
}

// TestGolden translates testdata/<case>/in.yaml and compares the outcome with out.yaml, also with the input shuffled. The
// manifests have the defaults of the CRDs written out.
func TestGolden(t *testing.T) {
	for _, dir := range goldenDirs(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			g := readGolden(t, filepath.Join(dir, "in.yaml"))
			got := g.outcome(t)
			compareGolden(t, filepath.Join(dir, "out.yaml"), got)
			for seed := range uint64(8) {
				g.shuffle(rand.New(rand.NewPCG(seed, 0)))
				if diff := cmp.Diff(got, g.outcome(t)); diff != "" {
					t.Fatalf("shuffled with seed %d (-want +got):\n%s", seed, diff)
				}
			}
		})
	}
}

func goldenDirs(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) < 40 {
		t.Fatalf("%d golden cases, want at least 40", len(dirs))
	}
	return dirs
}

func readGolden(t *testing.T, path string) *golden {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := &golden{Input: Input{Options: DefaultOptions()}, Filters: builtin.Registry(builtin.Deps{})}
	d := utilyaml.NewYAMLReader(bufio.NewReader(f))
	for {
		doc, err := d.Read()
		if errors.Is(err, io.EOF) {
			return g
		}
		if err != nil {
			t.Fatal(err)
		}
		g.add(t, doc)
	}
}

func (g *golden) add(t *testing.T, doc []byte) {
	t.Helper()
	var head metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &head); err != nil {
		t.Fatal(err)
	}
	switch head.Kind {
	case "":
		// Only comments.
	case "GatewayRoute":
		g.Routes = append(g.Routes, decode[v1alpha1.GatewayRoute](t, doc))
	case "Ingress":
		g.Ingresses = append(g.Ingresses, decode[networkingv1.Ingress](t, doc))
	case "IngressClass":
		g.IngressClasses = append(g.IngressClasses, decode[networkingv1.IngressClass](t, doc))
	case "RateLimitPolicy":
		g.Policies = append(g.Policies, decode[v1alpha1.RateLimitPolicy](t, doc))
	case "Service":
		g.Services = append(g.Services, decode[corev1.Service](t, doc))
	case "ReferenceGrant":
		g.Grants = append(g.Grants, decode[gatewayv1beta1.ReferenceGrant](t, doc))
	case "Secret":
		g.Secrets = append(g.Secrets, decode[corev1.Secret](t, doc))
	case "ConfigMap":
		g.ConfigMaps = append(g.ConfigMaps, decode[corev1.ConfigMap](t, doc))
	case "Namespace":
		g.Namespaces = append(g.Namespaces, decode[corev1.Namespace](t, doc))
	case "Certificate":
		g.Secrets = append(g.Secrets, decode[certificate](t, doc).secret())
	case "EndpointSlice":
		g.Slices = append(g.Slices, decode[discoveryv1.EndpointSlice](t, doc))
	case "Options":
		g.configure(t, doc)
	default:
		t.Fatalf("unknown kind %q", head.Kind)
	}
}

func (g *golden) configure(t *testing.T, doc []byte) {
	t.Helper()
	var settings struct {
		metav1.TypeMeta `json:",inline"`
		document        `json:",inline"`
	}
	settings.Options = g.Options
	if err := yaml.UnmarshalStrict(doc, &settings); err != nil {
		t.Fatal(err)
	}
	g.Options, g.Unreadable = settings.Options, settings.Unreadable
	g.UnreadableConfigMaps, g.Failing = settings.UnreadableConfigMaps, settings.Failing
	switch settings.Filters {
	case "None":
		g.Filters = nil
	case "Secretive":
		g.Filters = filter.Registry{secretive}
	}
}

// secretive is a filter that needs Secrets: for every field that it adds one, which the value names as name/key or
// namespace/name/key.
var secretive = filter.Define("requestHeaders",
	func(v1alpha1.HeaderFilter, filter.Env) (filter.Filter, error) { return nil, nil },
	func(c v1alpha1.HeaderFilter) (refs []snapshot.Ref) {
		for _, h := range c.Add {
			parts := append([]string{""}, strings.Split(h.Value, "/")...)
			parts = parts[len(parts)-3:]
			refs = append(refs, snapshot.Ref{Namespace: parts[0], Name: parts[1], Key: parts[2]})
		}
		return refs
	},
)

// certificate is a document of kind Certificate: the test's own, a Secret that holds one.
type certificate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Hosts             []string `json:"hosts"`
	// KeyOf names the Secret that has the key in truth; empty: this one.
	KeyOf string `json:"keyOf"`
	// Chain follows the certificate in tls.crt.
	Chain string `json:"chain"`
}

func (c *certificate) secret() *corev1.Secret {
	data := testcert.Data(c.Name, c.Hosts...)
	data[corev1.TLSCertKey] = append(data[corev1.TLSCertKey], c.Chain...)
	if c.KeyOf != "" {
		data[corev1.TLSPrivateKeyKey] = testcert.Data(c.KeyOf)[corev1.TLSPrivateKeyKey]
	}
	return &corev1.Secret{ObjectMeta: c.ObjectMeta, Type: corev1.SecretTypeTLS, Data: data}
}

func decode[T any](t *testing.T, doc []byte) *T {
	t.Helper()
	out := new(T)
	if err := yaml.UnmarshalStrict(doc, out); err != nil {
		t.Fatalf("%v in:\n%s", err, doc)
	}
	return out
}

func (g *golden) shuffle(r *rand.Rand) {
	shuffle(r, g.Routes)
	shuffle(r, g.Ingresses)
	shuffle(r, g.IngressClasses)
	shuffle(r, g.Policies)
	shuffle(r, g.Services)
	shuffle(r, g.Grants)
	shuffle(r, g.Secrets)
	shuffle(r, g.ConfigMaps)
	shuffle(r, g.Namespaces)
	shuffle(r, g.Options.HostPermissions)
	shuffle(r, g.Unreadable)
	shuffle(r, g.UnreadableConfigMaps)
	shuffle(r, g.Slices)
}

func shuffle[E any](r *rand.Rand, s []E) {
	r.Shuffle(len(s), func(i, k int) { s[i], s[k] = s[k], s[i] })
}

// outcome is what out.yaml shows: conditions in one line each, and endpoints where the case has slices.
func (g *golden) outcome(t *testing.T) string {
	t.Helper()
	s, statuses := Translate(g.Input, g.Filters)
	var out struct {
		Statuses  []statusView                   `json:"statuses,omitempty"`
		Endpoints map[string][]snapshot.Endpoint `json:"endpoints,omitempty"`
		Snapshot  *snapshot.Snapshot             `json:"snapshot"`
	}
	out.Snapshot = s
	for st := range statuses.Values() {
		out.Statuses = append(out.Statuses, viewOf(st))
	}
	if len(g.Slices) > 0 {
		out.Endpoints = g.endpoints(s)
	}
	b, err := yaml.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (g *golden) endpoints(s *snapshot.Snapshot) map[string][]snapshot.Endpoint {
	out := map[string][]snapshot.Endpoint{}
	for _, service := range g.Services {
		var list []*discoveryv1.EndpointSlice
		for _, s := range g.Slices {
			if s.Namespace == service.Namespace && s.Labels[discoveryv1.LabelServiceName] == service.Name {
				list = append(list, s)
			}
		}
		for _, c := range ClustersOf(s, service.Namespace, service.Name) {
			out[c.Name] = Endpoints(c, service, list)
		}
	}
	return out
}

type statusView struct {
	Object     string       `json:"object"`
	Generation int64        `json:"generation"`
	Conditions []string     `json:"conditions"`
	Targets    []targetView `json:"targets,omitempty"`
	Policies   []string     `json:"policies,omitempty"`
}

type targetView struct {
	Target     string   `json:"target"`
	Conditions []string `json:"conditions"`
}

func viewOf(s *Status) statusView {
	out := statusView{
		Object: s.Kind + " " + s.Namespace + "/" + s.Name, Generation: s.Generation, Conditions: viewConditions(s.Conditions),
	}
	for _, t := range s.Targets {
		out.Targets = append(out.Targets, targetView{
			Target:     strings.TrimSuffix(t.TargetRef.Kind+" "+t.TargetRef.Name+"/"+string(t.TargetRef.SectionName), "/"),
			Conditions: viewConditions(t.Conditions),
		})
	}
	for _, p := range s.Policies {
		out.Policies = append(out.Policies, strings.TrimSuffix(p.Kind+" "+p.Name+" on "+string(p.SectionName), " on "))
	}
	return out
}

func viewConditions(list []metav1.Condition) []string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s %s (%s, generation %d). %s", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message))
	}
	return out
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update writes it anew:\n%s", path, diff)
	}
}
