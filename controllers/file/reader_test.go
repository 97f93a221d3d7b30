package file

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// later is a time at which no file is in doubt.
func later() time.Time { return time.Now().Add(time.Hour) }

// awaitTick returns once a file that is written now has another time than one that was written before.
func awaitTick(tb testing.TB) {
	tb.Helper()
	probe := filepath.Join(tb.TempDir(), "probe")
	touch := func() time.Time {
		if err := os.WriteFile(probe, nil, 0o600); err != nil {
			tb.Fatal(err)
		}
		info, err := os.Stat(probe)
		if err != nil {
			tb.Fatal(err)
		}
		return info.ModTime()
	}
	for before := touch(); touch().Equal(before); {
	}
}

// outcome is all that a reading says, without pointers that differ from one reader to another.
func outcome(t *testing.T, reading []*manifest) []string {
	t.Helper()
	var all []string
	for _, m := range reading {
		all = append(all, fmt.Sprint(m.place, " ", m.path))
		for _, d := range m.documents {
			object, err := json.Marshal(d.object)
			must(t, err)
			all = append(all, fmt.Sprintf("%d %x %v %s %v", d.line, d.digest, d.ref, object, d.problems))
		}
	}
	return all
}

// editor makes random edits in a directory.
type editor struct {
	*rand.Rand
	dir string
}

func (e editor) path() string {
	return filepath.Join(e.dir, []string{"a.yaml", "b.yaml", "c.yaml", "sub/a.yaml", "sub/b.yaml"}[e.IntN(5)])
}

// text is that of up to three documents. Many of them have the same size, and some are broken.
func (e editor) text() string {
	var all []string
	for range e.IntN(4) {
		name := string(rune('a' + e.IntN(4)))
		all = append(all, []string{
			routeNamed(name), strings.Replace(routeNamed(name), "port: 80", "port: 81", 1), invalidNamed(name), "kind: [\n",
		}[min(e.IntN(6), 3)])
	}
	return strings.Join(all, "---\n")
}

func (e editor) edit(t *testing.T) {
	t.Helper()
	path, kind := e.path(), e.IntN(8)
	switch kind {
	case 0:
		must(t, os.RemoveAll(path))
	case 1: // that may be missing, or the same
		must(t, os.RemoveAll(filepath.Join(e.dir, "b.yaml")))
		if _, err := os.Lstat(path); err == nil {
			rename(t, path, filepath.Join(e.dir, "b.yaml"))
		}
	case 2: // not to be read by anyone
		must(t, os.RemoveAll(path))
		link(t, filepath.Base(path), path)
	case 3:
		must(t, os.RemoveAll(filepath.Join(e.dir, "sub")))
	default:
		if info, err := os.Lstat(path); err == nil && (!info.Mode().IsRegular() || kind == 4) {
			must(t, os.Remove(path)) // a new file, perhaps with the number of the old one
		}
		write(t, path, e.text())
		if kind == 5 { // as copies from an archive have it
			must(t, os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)))
		}
	}
	must(t, os.MkdirAll(filepath.Join(e.dir, "sub"), 0o700))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What is remembered of files and objects makes no difference to what is read, kept and said.
func TestWhatIsRememberedIsWhatIsRead(t *testing.T) {
	var remembering reader
	kept, renewed := newKeeper(), newKeeper()
	followed := map[ref]any{}
	e := editor{rand.New(rand.NewPCG(1, 2)), t.TempDir()}
	must(t, os.Mkdir(filepath.Join(e.dir, "sub"), 0o700))
	reused := 0
	for step := range 400 {
		for range 1 + e.IntN(3) {
			e.edit(t)
		}
		at := time.Now() // with all that was just written in doubt
		if e.IntN(4) > 0 {
			at = later()
		}
		reading := remembering.read(e.dir, at)
		fresh := (&reader{}).read(e.dir, at)
		if diff := cmp.Diff(outcome(t, fresh), outcome(t, reading)); diff != "" {
			t.Fatalf("step %d: reading (-fresh +remembering):\n%s", step, diff)
		}
		for _, m := range reading {
			if _, ok := kept.manifests[m]; ok {
				reused++
			}
		}
		changes, problems := kept.merge(reading)
		_, want := renewed.merge(fresh)
		if diff := cmp.Diff(want, problems); diff != "" {
			t.Fatalf("step %d: problems (-renewed +kept):\n%s", step, diff)
		}
		if diff := cmp.Diff(renewed.objects(), kept.objects()); diff != "" {
			t.Fatalf("step %d: objects (-renewed +kept):\n%s", step, diff)
		}
		for name, route := range changes.Routes {
			followed[ref{"GatewayRoute", name.Namespace, name.Name}] = route
			if route == nil {
				delete(followed, ref{"GatewayRoute", name.Namespace, name.Name})
			}
		}
		now := map[ref]any{}
		for r, k := range kept.held {
			now[r] = k.object
		}
		if !maps.Equal(followed, now) {
			t.Fatalf("step %d: following changes gives %v, want %v", step, followed, now)
		}
		awaitTick(t)
	}
	if reused == 0 {
		t.Error("nothing was ever remembered")
	}
}

func TestReaderReadsAgainOnlyWhatMayHaveChanged(t *testing.T) {
	dir := writeTree(t, map[string]string{"a.yaml": routeNamed("a"), "b.yaml": routeNamed("b")})
	awaitTick(t)
	var r reader
	doubtful := r.read(dir, time.Now())
	first := r.read(dir, later())
	if slices.Contains(doubtful, first[0]) || slices.Contains(doubtful, first[1]) {
		t.Error("files that were just written were not read again")
	}
	write(t, filepath.Join(dir, "b.yaml"), routeNamed("c"))
	second := r.read(dir, later())
	if second[0] != first[0] {
		t.Error("a file that is the same was read again")
	}
	if second[1] == first[1] {
		t.Error("a file with another text was not read again")
	}
}

// BenchmarkOneFileChanged measures a change of one route among 2,500 of four rules each, in 34 files and one of its own,
// from the file system to what has changed.
func BenchmarkOneFileChanged(b *testing.B) {
	dir := b.TempDir()
	for file := range 34 {
		writeRoutes(b, dir, file, 74, 80)
	}
	var r reader
	k := newKeeper()
	k.merge(r.read(dir, later()))
	b.ReportAllocs()
	for port := 100; b.Loop(); port++ {
		writeRoutes(b, dir, 34, 1, port)
		k.merge(r.read(dir, later()))
	}
}

// writeRoutes writes a file with routes of four rules each.
func writeRoutes(b *testing.B, dir string, file, routes, port int) {
	b.Helper()
	var text strings.Builder
	for i := range routes {
		fmt.Fprintf(&text, "---\napiVersion: gateway.penstock.io/v1alpha1\nkind: GatewayRoute\nmetadata: {name: app-%d-%d}\n", file, i)
		fmt.Fprintf(&text, "spec:\n  hostnames: [app-%d-%d.example.com]\n  rules:\n", file, i)
		for _, prefix := range []string{"/api/v1/", "/static/", "/version/", "/"} {
			fmt.Fprintf(&text, "  - matches: [{path: {type: PathPrefix, value: %s}}]\n    backends: [{service: backend, port: %d}]\n", prefix, port)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("routes-%d.yaml", file)), []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
}
