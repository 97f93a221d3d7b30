package file

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/api/v1alpha1"
)

// Each test goes from one state of a directory to another, and says what holds then.
func TestMergeKeepsTheLastGoodState(t *testing.T) {
	const torn = "kind: [\n"
	tests := []struct {
		name          string
		before, after map[string]string
		want          []string
		problems      []string
	}{
		{
			name:   "an object that became invalid keeps its last good version",
			before: map[string]string{"r.yaml": routeNamed("a") + "---\n" + routeNamed("b")},
			after:  map[string]string{"r.yaml": invalidNamed("a") + "---\n" + routeNamed("b")},
			want:   []string{"GatewayRoute default/a", "GatewayRoute default/b"},
			problems: []string{
				"r.yaml:1: GatewayRoute default/a: spec.rules[0].backends[0].port: Invalid value: 0: port must be from 1 to 65535; its last good version is kept",
			},
		},
		{
			name:     "also when it moved to another file meanwhile",
			before:   map[string]string{"r.yaml": routeNamed("a")},
			after:    map[string]string{"s.yaml": invalidNamed("a")},
			want:     []string{"GatewayRoute default/a"},
			problems: []string{"s.yaml:1: GatewayRoute default/a: spec.rules[0].backends[0].port: Invalid value: 0: port must be from 1 to 65535; its last good version is kept"},
		},
		{
			name:   "a file that cannot be parsed keeps all that was read from it",
			before: map[string]string{"r.yaml": routeNamed("a") + "---\n" + routeNamed("b"), "s.yaml": routeNamed("c")},
			after:  map[string]string{"r.yaml": torn, "s.yaml": routeNamed("c")},
			want:   []string{"GatewayRoute default/a", "GatewayRoute default/b", "GatewayRoute default/c"},
			problems: []string{
				"r.yaml:1: yaml: line 1: did not find expected node content; objects last read from here that cannot be found now are kept: 2",
			},
		},
		{
			name:   "but what is defined elsewhere now is not taken from there",
			before: map[string]string{"r.yaml": routeNamed("a")},
			after:  map[string]string{"r.yaml": torn, "s.yaml": "\n" + routeNamed("a")},
			want:   []string{"GatewayRoute default/a"},
			problems: []string{
				"r.yaml:1: yaml: line 1: did not find expected node content",
			},
		},
		{
			name:   "what was removed is gone, broken neighbours or not",
			before: map[string]string{"r.yaml": routeNamed("a"), "s.yaml": routeNamed("b")},
			after:  map[string]string{"s.yaml": invalidNamed("b")},
			want:   []string{"GatewayRoute default/b"},
			problems: []string{
				"s.yaml:1: GatewayRoute default/b: spec.rules[0].backends[0].port: Invalid value: 0: port must be from 1 to 65535; its last good version is kept",
			},
		},
		{
			name:     "what was never good is not there",
			before:   map[string]string{"r.yaml": invalidNamed("a")},
			after:    map[string]string{"r.yaml": invalidNamed("a")},
			problems: []string{"r.yaml:1: GatewayRoute default/a: spec.rules[0].backends[0].port: Invalid value: 0: port must be from 1 to 65535"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var r reader
			k := newKeeper()
			dir := writeTree(t, test.before)
			k.merge(r.read(dir, time.Now()))
			replaceTree(t, dir, test.after)
			_, problems := k.merge(r.read(dir, time.Now()))
			if diff := cmp.Diff(test.want, names(k.objects())); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.problems, said(dir, problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			// Another reading of the same keeps the same.
			k.merge(r.read(dir, time.Now()))
			if again := names(k.objects()); !slices.Equal(again, test.want) {
				t.Errorf("read once more: %v", again)
			}
		})
	}
}

func TestMergeKeepsWhatIsInADirectoryThatCannotBeRead(t *testing.T) {
	var r reader
	k := newKeeper()
	dir := writeTree(t, map[string]string{"sub/a.yaml": routeNamed("a"), "b.yaml": routeNamed("b")})
	k.merge(r.read(dir, time.Now()))
	if err := os.RemoveAll(filepath.Join(dir, "sub")); err != nil {
		t.Fatal(err)
	}
	link(t, "sub", filepath.Join(dir, "sub")) // a link to itself cannot be read, whoever runs this test
	_, problems := k.merge(r.read(dir, time.Now()))
	if got := names(k.objects()); len(problems) != 1 || !slices.Equal(got, []string{"GatewayRoute default/a", "GatewayRoute default/b"}) {
		t.Errorf("got %v, %v", got, problems)
	}
}

func replaceTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	old, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range old {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		write(t, filepath.Join(dir, path), files[path])
	}
}

// What works with generations, such as a translator that remembers, sees each edit by them.
func TestMergeCountsGenerations(t *testing.T) {
	var r reader
	k := newKeeper()
	other := strings.Replace(routeNamed("a"), "port: 80", "port: 81", 1)
	dir := t.TempDir()
	steps := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"the first reading", map[string]string{"r.yaml": routeNamed("a")}, 1},
		{"the same text again", map[string]string{"r.yaml": routeNamed("a")}, 1},
		{"the same text in another place", map[string]string{"s.yaml": "---\n" + routeNamed("b") + "---\n" + routeNamed("a")}, 1},
		{"an edit", map[string]string{"r.yaml": other}, 2},
		{"a broken edit", map[string]string{"r.yaml": invalidNamed("a")}, 2},
		{"the edit undone", map[string]string{"r.yaml": routeNamed("a")}, 3},
		{"a document that goes before it", map[string]string{"a.yaml": other, "r.yaml": routeNamed("a")}, 4},
		{"that document gone", map[string]string{"r.yaml": routeNamed("a")}, 5},
	}
	var before *v1alpha1.GatewayRoute
	for _, step := range steps {
		replaceTree(t, dir, step.files)
		changes, _ := k.merge(r.read(dir, time.Now()))
		route := k.objects().Routes[0]
		if changed, ok := changes.Routes[types.NamespacedName{Namespace: "default", Name: "a"}]; ok != (route != before) || ok && changed != route {
			t.Errorf("%s: changes are %v", step.name, changes.Routes)
		}
		if route.Generation != step.want {
			t.Errorf("%s: generation %d, want %d", step.name, route.Generation, step.want)
		}
		if before != nil && (before.Generation == route.Generation) != (before == route) {
			t.Errorf("%s: an object that did not change is another one, or the other way round", step.name)
		}
		before = route
	}
}
