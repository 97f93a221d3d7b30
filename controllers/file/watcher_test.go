package file

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/yield"
)

// reading is one call of Apply.
type reading struct {
	names    []string
	problems []Problem
}

// follow runs a Watcher on dir until the test ends and returns what it applies.
func follow(t *testing.T, dir string) <-chan reading {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	readings, ended := make(chan reading), make(chan error)
	routes := map[types.NamespacedName]*v1alpha1.GatewayRoute{}
	watcher := Watcher{Dir: dir, Apply: func(changes Changes, problems []Problem) {
		maps.Copy(routes, changes.Routes)
		maps.DeleteFunc(routes, func(_ types.NamespacedName, r *v1alpha1.GatewayRoute) bool { return r == nil })
		select {
		case readings <- reading{names(Objects{Routes: sorted(routes)}), problems}:
		case <-ctx.Done():
		}
	}}
	go func() { ended <- watcher.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return readings
}

// sorted returns the routes in the order of their names.
func sorted(routes map[types.NamespacedName]*v1alpha1.GatewayRoute) []*v1alpha1.GatewayRoute {
	return slices.SortedFunc(maps.Values(routes), func(a, b *v1alpha1.GatewayRoute) int { return strings.Compare(a.Name, b.Name) })
}

// await takes readings until one has these routes.
func await(t *testing.T, readings <-chan reading, routes ...string) reading {
	t.Helper()
	var want []string
	for _, route := range routes {
		want = append(want, "GatewayRoute default/"+route)
	}
	hopeless := time.After(time.Minute)
	for {
		select {
		case r := <-readings:
			if slices.Equal(r.names, want) {
				return r
			}
			t.Logf("not yet: %v %v", r.names, r.problems)
		case <-hopeless:
			t.Fatalf("%v never came", routes)
		}
	}
}

func TestWatcherFollows(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, dir string)
		want   []string
	}{
		{
			name: "a new file",
			change: func(t *testing.T, dir string) {
				t.Helper()
				write(t, filepath.Join(dir, "b.yaml"), routeNamed("b"))
			},
			want: []string{"a", "b"},
		},
		{
			name: "an editor's rename over a file",
			change: func(t *testing.T, dir string) {
				t.Helper()
				write(t, filepath.Join(dir, ".a.yaml.tmp"), routeNamed("b"))
				rename(t, filepath.Join(dir, ".a.yaml.tmp"), filepath.Join(dir, "a.yaml"))
			},
			want: []string{"b"},
		},
		{
			name: "a removed file",
			change: func(t *testing.T, dir string) {
				t.Helper()
				if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "a file in a new directory of a new directory",
			change: func(t *testing.T, dir string) {
				t.Helper()
				write(t, filepath.Join(dir, "x", "y", "b.yaml"), routeNamed("b"))
			},
			want: []string{"a", "b"},
		},
		{
			name: "another directory in its place",
			change: func(t *testing.T, dir string) {
				t.Helper()
				rename(t, dir, dir+".old")
				write(t, filepath.Join(dir+".new", "b.yaml"), routeNamed("b"))
				rename(t, dir+".new", dir)
			},
			want: []string{"b"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "manifests")
			write(t, filepath.Join(dir, "a.yaml"), routeNamed("a"))
			readings := follow(t, dir)
			await(t, readings, "a")
			test.change(t, dir)
			await(t, readings, test.want...)
			// The place is still watched.
			write(t, filepath.Join(dir, "last.yaml"), routeNamed("last"))
			await(t, readings, append(test.want, "last")...)
		})
	}
}

func TestWatcherFollowsAConfigMapVolume(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, name string) {
		write(t, filepath.Join(dir, ".."+version, "r.yaml"), routeNamed(name))
		write(t, filepath.Join(dir, ".."+version, "sub", "s.yaml"), routeNamed("sub-"+name))
		link(t, ".."+version, filepath.Join(dir, "..data_tmp"))
		rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
	}
	publish("1", "a")
	link(t, filepath.Join("..data", "r.yaml"), filepath.Join(dir, "r.yaml"))
	link(t, filepath.Join("..data", "sub"), filepath.Join(dir, "sub"))
	readings := follow(t, dir)
	await(t, readings, "a", "sub-a")
	publish("2", "b")
	await(t, readings, "b", "sub-b")
	publish("3", "c")
	await(t, readings, "c", "sub-c")
}

// A file system may give a new directory the number of one that was removed.
func TestWatcherFollowsADirectoryMadeAnew(t *testing.T) {
	dir := writeTree(t, map[string]string{"a.yaml": routeNamed("a"), "x/b.yaml": routeNamed("b")})
	readings := follow(t, dir)
	await(t, readings, "a", "b")
	if err := os.RemoveAll(filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "x", "c.yaml"), routeNamed("c"))
	await(t, readings, "a", "c")
	write(t, filepath.Join(dir, "x", "d.yaml"), routeNamed("d"))
	await(t, readings, "a", "c", "d")
}

func TestOnlyDirectoriesAreWatchedAnew(t *testing.T) {
	dir := writeTree(t, map[string]string{"a.yaml": routeNamed("a"), "x/b.yaml": routeNamed("b")})
	w, err := watch(dir, walk(dir, new(yield.Turns)))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	write(t, filepath.Join(dir, "a.yaml"), routeNamed("c"))
	write(t, filepath.Join(dir, "x", "d.yaml"), routeNamed("d"))
	if !w.covers(walk(dir, new(yield.Turns))) {
		t.Error("after changes of files the watch does not do any more")
	}
	rename(t, filepath.Join(dir, "x"), filepath.Join(dir, "y"))
	if w.covers(walk(dir, new(yield.Turns))) {
		t.Error("the watch is said to do for a directory under another name")
	}
	write(t, filepath.Join(dir, "x", "b.yaml"), routeNamed("b"))
	if err := os.RemoveAll(filepath.Join(dir, "y")); err != nil {
		t.Fatal(err)
	}
	if w.covers(walk(dir, new(yield.Turns))) {
		t.Error("the watch is said to do for another directory of the same name")
	}
}

func TestWatcherFollowsASingleFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.yaml")
	write(t, path, routeNamed("a"))
	readings := follow(t, path)
	await(t, readings, "a")
	write(t, path, routeNamed("b"))
	await(t, readings, "b")
}

func TestWatcherKeepsTheLastGoodVersionOverABrokenEdit(t *testing.T) {
	dir := writeTree(t, map[string]string{"a.yaml": routeNamed("a")})
	readings := follow(t, dir)
	await(t, readings, "a")
	write(t, filepath.Join(dir, "a.yaml"), invalidNamed("a"))
	write(t, filepath.Join(dir, "b.yaml"), routeNamed("b"))
	broken := await(t, readings, "a", "b")
	if len(broken.problems) != 1 || !strings.HasSuffix(broken.problems[0].Message, "its last good version is kept") {
		t.Errorf("problems are %v", broken.problems)
	}
	write(t, filepath.Join(dir, "a.yaml"), routeNamed("c"))
	if mended := await(t, readings, "b", "c"); len(mended.problems) > 0 {
		t.Errorf("problems are %v", mended.problems)
	}
}

func TestWatcherFailsWhereNothingCanBeWatched(t *testing.T) {
	watcher := Watcher{Dir: filepath.Join(t.TempDir(), "missing", "too"), Apply: func(Changes, []Problem) {}}
	if err := watcher.Run(t.Context()); err == nil {
		t.Error("Run returned nil")
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
