package crd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/file"
)

// refusal is one reason why a manifest is refused.
type refusal struct{ Field, Message string }

// Each folder of testdata holds a manifest that is accepted and one that is refused for the field and the message at its
// head. Both go to the API server and through package file, which must agree in every field and every word.
func TestManifests(t *testing.T) {
	for _, dir := range folders(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if got := refusals(t, filepath.Join(dir, "valid.yaml")); len(got) > 0 {
				t.Errorf("valid.yaml is refused: %v", got)
			}
			compareDefaults(t, filepath.Join(dir, "valid.yaml"))
			path := filepath.Join(dir, "invalid.yaml")
			got, want := refusals(t, path), expected(t, path)
			if !slices.ContainsFunc(got, func(r refusal) bool {
				return r.Field == want.Field && strings.Contains(r.Message, want.Message)
			}) {
				t.Errorf("invalid.yaml: want a refusal of %s: %s\ngot %v", want.Field, want.Message, got)
			}
		})
	}
}

// refusals returns why a manifest is refused, once both ways agree.
func refusals(t *testing.T, path string) []refusal {
	t.Helper()
	fromServer, fromFile := apply(t, path), load(path)
	if diff := cmp.Diff(fromServer, fromFile); diff != "" {
		t.Errorf("%s: API server (-) and package file (+) disagree:\n%s", path, diff)
	}
	return fromFile
}

// compareDefaults holds what package file makes of a valid manifest equal to what the API server makes of it.
func compareDefaults(t *testing.T, path string) {
	t.Helper()
	object := parse(t, path)
	if err := server.Create(t.Context(), object, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	var route v1alpha1.GatewayRoute
	var policy v1alpha1.RateLimitPolicy
	objects, _ := file.Load(path)
	for _, got := range objects.Routes {
		convert(t, object, &route)
		if diff := cmp.Diff(route.Spec, got.Spec); diff != "" {
			t.Errorf("%s: API server (-) and package file (+) set other defaults:\n%s", path, diff)
		}
	}
	for _, got := range objects.Policies {
		convert(t, object, &policy)
		if diff := cmp.Diff(policy.Spec, got.Spec); diff != "" {
			t.Errorf("%s: API server (-) and package file (+) set other defaults:\n%s", path, diff)
		}
	}
}

func convert(t *testing.T, from *unstructured.Unstructured, to any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(from.Object, to); err != nil {
		t.Fatal(err)
	}
}

func load(path string) []refusal {
	var refused []refusal
	_, problems := file.Load(path)
	for _, p := range problems {
		refused = append(refused, refusal{p.Field, p.Message})
	}
	return sorted(refused)
}

func apply(t *testing.T, path string) []refusal {
	t.Helper()
	object := parse(t, path)
	err := server.Create(t.Context(), object, client.DryRunAll)
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Fatalf("%s: %v", path, err)
	}
	if apierrors.IsBadRequest(err) {
		return unknownFields(err)
	}
	var refused []refusal
	for _, cause := range status.Status().Details.Causes {
		refused = append(refused, refusal{strings.TrimPrefix(cause.Field, "<nil>"), cause.Message})
	}
	return sorted(refused)
}

var unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)

// unknownFields reads the refusal of strict decoding, which has its fields only in its message.
func unknownFields(err error) []refusal {
	var refused []refusal
	for _, match := range unknownField.FindAllStringSubmatch(err.Error(), -1) {
		refused = append(refused, refusal{match[1], "Forbidden: unknown field"})
	}
	return sorted(refused)
}

func sorted(refused []refusal) []refusal {
	slices.SortFunc(refused, func(a, b refusal) int { return strings.Compare(a.Field+a.Message, b.Field+b.Message) })
	return refused
}

func parse(t *testing.T, path string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(read(t, path), &object.Object); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	object.SetNamespace("default")
	return object
}

// expected returns what the comments at the head of a manifest say.
func expected(t *testing.T, path string) refusal {
	t.Helper()
	var want refusal
	lines := strings.SplitN(string(read(t, path)), "\n", 3)
	var isField, isMessage bool
	want.Field, isField = strings.CutPrefix(lines[0], "# field: ")
	want.Message, isMessage = strings.CutPrefix(lines[1], "# message: ")
	if !isField || !isMessage {
		t.Fatalf("%s: its first lines are not # field: and # message:", path)
	}
	return want
}

func folders(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no testdata: ", err)
	}
	return dirs
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A rule without a manifest that breaks it is a rule that may not work.
func TestEveryRuleIsBrokenByAManifest(t *testing.T) {
	var messages []string
	for _, dir := range folders(t) {
		messages = append(messages, expected(t, filepath.Join(dir, "invalid.yaml")).Message)
	}
	for _, n := range nodes(t) {
		for _, rule := range n.schema.XValidations {
			if !slices.ContainsFunc(messages, func(m string) bool { return strings.Contains(rule.Message, m) }) {
				t.Errorf("%s: no manifest breaks the rule %q (%s)", n.path, rule.Message, rule.Rule)
			}
		}
	}
}

// The largest object that the schema allows in number of matches: 16 rules of 64 matches with 16 predicates each.
func TestLargestRouteIsAccepted(t *testing.T) {
	var predicates, matches, rules []any
	for i := range 16 {
		predicates = append(predicates, map[string]any{"name": fmt.Sprintf("x-%d", i), "value": "v"})
	}
	for i := range 64 {
		matches = append(matches, map[string]any{
			"path":    map[string]any{"type": "RegularExpression", "value": fmt.Sprintf("/%d/.*", i)},
			"headers": predicates,
		})
	}
	for range 16 {
		rules = append(rules, map[string]any{"matches": matches, "backends": []any{map[string]any{"service": "users", "port": int64(80)}}})
	}
	create(t, "largest", rules)
}

// The most expensive text that fits in a request: paths and expressions near their bounds, as many as the store takes.
func TestLongestPatternsAreAccepted(t *testing.T) {
	var matches, rules []any
	long := strings.Repeat("a", 1000)
	for i := range 64 {
		path := map[string]any{"type": "Exact", "value": fmt.Sprintf("/%s/%d", long, i)}
		predicate := map[string]any{"name": "version", "type": "RegularExpression", "value": fmt.Sprintf("(%s|%d)", long[:500], i)}
		matches = append(matches, map[string]any{"path": path, "headers": []any{predicate}})
	}
	for range 14 {
		rules = append(rules, map[string]any{"matches": matches, "backends": []any{map[string]any{"service": "users", "port": int64(80)}}})
	}
	create(t, "longest", rules)
}

// create has a route of these rules accepted by the API server and by package file.
func create(t *testing.T, name string, rules []any) {
	t.Helper()
	route := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.penstock.io/v1alpha1",
		"kind":       "GatewayRoute",
		"metadata":   map[string]any{"name": name, "namespace": "default"},
		"spec":       map[string]any{"rules": rules},
	}}
	text, err := yaml.Marshal(route.Object)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "route.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if refused := load(path); len(refused) > 0 {
		t.Errorf("package file refuses it: %v", refused)
	}
	if err := server.Create(t.Context(), route); err != nil {
		t.Errorf("the API server refuses it: %v", err)
	}
}
