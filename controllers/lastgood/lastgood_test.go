package lastgood

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

func example() State {
	route := &snapshot.Route{
		ID: "shop/users/0", Listeners: []string{snapshot.ListenerHTTP}, Hosts: []string{"example.com"},
		Matches: []snapshot.Match{{Path: snapshot.Path{Type: snapshot.Prefix, Value: "/<a>&"}}},
		Filters: []snapshot.Filter{{Name: "requestHeaders", Config: snapshot.RawJSON(`{"set":[{"name":"x","value":"<&>"}]}`)}},
		Backends: []snapshot.Backend{
			{Cluster: "shop/users:80", Weight: 3},
			{Weight: 1, Reject: 500},
		},
		Timeouts: snapshot.Timeouts{Request: snapshot.Duration(1500 * time.Millisecond)},
	}
	cluster := &snapshot.Cluster{
		Name: "shop/users:80", Protocol: snapshot.HTTP, Balancer: snapshot.LeastRequest,
		ConnectTimeout: snapshot.Duration(time.Second),
	}
	secret := &snapshot.Secret{
		Ref: snapshot.Ref{Namespace: "shop", Name: "key", Key: "tls.key"}, Value: snapshot.PrivateBytes("\x00secret\n"),
	}
	policy := &snapshot.TLSPolicy{Host: "example.com", Certificate: secret.Ref, Key: secret.Ref, MinVersion: snapshot.TLS12}
	listener := &snapshot.Listener{Name: snapshot.ListenerHTTP, Port: 8080, Protocol: snapshot.HTTP}
	return State{
		Snapshot: proxytest.Snapshot(proxytest.Parts{
			Listeners: []*snapshot.Listener{listener}, Routes: []*snapshot.Route{route.Seal()}, Clusters: []*snapshot.Cluster{cluster.Seal()},
			TLS: []*snapshot.TLSPolicy{policy.Seal()}, Secrets: []*snapshot.Secret{secret.Seal()},
		}),
		Endpoints: endpointsOf("shop/users:80",
			snapshot.Endpoint{Address: "10.0.0.1", Port: 8080}, snapshot.Endpoint{Address: "fd00::1", Port: 8080, State: snapshot.Draining}),
	}
}

func endpointsOf(cluster string, list ...snapshot.Endpoint) *radix.Tree[[]snapshot.Endpoint] {
	return radix.Collect(maps.All(map[string]*[]snapshot.Endpoint{cluster: &list}))
}

// saveNew writes a state as a process does that has just begun.
func saveNew(dir string, s State) error {
	f := file{dir: dir}
	return errors.Join(f.save(s), f.close())
}

func TestWhatIsLoadedIsWhatWasSaved(t *testing.T) {
	dir := t.TempDir()
	want := example()
	if err := saveNew(dir, State{Snapshot: proxytest.Snapshot(proxytest.Parts{})}); err != nil {
		t.Fatal(err)
	}
	if err := saveNew(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Snapshot.Version != want.Snapshot.Version {
		t.Errorf("saved version %s, loaded %s", want.Snapshot.Version, got.Snapshot.Version)
	}
	if diff := cmp.Diff(plain(t, want), plain(t, got)); diff != "" {
		t.Errorf("-saved +loaded:\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != private {
		t.Errorf("mode is %v, want %v", info.Mode().Perm(), os.FileMode(private))
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("Save left %v", left)
	}
}

// TestALogOfChangesLoadsAsTheLastState changes a state at random and saves it each time with the same file.
func TestALogOfChangesLoadsAsTheLastState(t *testing.T) {
	dir := t.TempDir()
	f := file{dir: dir}
	defer f.close()
	state := example()
	random := rand.New(rand.NewPCG(1, 2))
	extended := 0
	for step := range uint64(200) {
		next := *state.Snapshot
		key := fmt.Sprint(random.IntN(20))
		switch random.IntN(6) {
		case 0:
			next.Routes = next.Routes.Put(step+1, key, nil)
		case 1:
			next.Clusters = next.Clusters.Put(step+1, key, (&snapshot.Cluster{Name: key, Host: fmt.Sprint(step)}).Seal())
		case 2:
			value := (&snapshot.Secret{Ref: snapshot.Ref{Name: key}, Value: fmt.Append(nil, step)}).Seal()
			next.Secrets = next.Secrets.Put(step+1, key, value)
		case 3:
			state.Endpoints = endpointsOf(key, snapshot.Endpoint{Address: "10.0.0.1", Port: uint16(step)})
		default:
			next.Routes = next.Routes.Put(step+1, key, (&snapshot.Route{ID: fmt.Sprint(step)}).Seal())
		}
		state.Snapshot = snapshot.New(next)
		before := f.size
		if err := f.save(state); err != nil {
			t.Fatal(err)
		}
		if f.size > f.first && f.size > before {
			extended++
		}
		got, err := Load(dir)
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if diff := cmp.Diff(plain(t, state), plain(t, got)); diff != "" {
			t.Fatalf("step %d: -saved +loaded:\n%s", step, diff)
		}
		if f.size > 3*f.first+1000 {
			t.Fatalf("step %d: the log has grown from %d to %d bytes", step, f.first, f.size)
		}
	}
	if extended < 50 {
		t.Errorf("only %d of 200 states were appended", extended)
	}
}

func TestWhatACrashCutOffIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	f := file{dir: dir}
	first := example()
	if err := f.save(first); err != nil {
		t.Fatal(err)
	}
	whole := f.size
	second := *first.Snapshot
	second.Routes = second.Routes.Put(1, "x", (&snapshot.Route{ID: "x"}).Seal())
	if err := errors.Join(f.save(State{Snapshot: snapshot.New(second), Endpoints: first.Endpoints}), f.close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fileName)
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := whole; cut < int64(len(log)); cut++ {
		if err := os.WriteFile(path, log[:cut], private); err != nil {
			t.Fatal(err)
		}
		got, err := Load(dir)
		if err != nil || got.Snapshot.Version != first.Snapshot.Version {
			t.Fatalf("cut at %d of %d: %v", cut, len(log), err)
		}
	}
	changed := bytes.Replace(log, []byte(`"id":"x"`), []byte(`"id":"y"`), 1)
	if err := os.WriteFile(path, changed, private); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a changed byte in what was appended: %v", err)
	}
}

func TestNoSecretStaysThatWasWithdrawn(t *testing.T) {
	dir := t.TempDir()
	f := file{dir: dir}
	defer f.close()
	state := example()
	if err := f.save(state); err != nil {
		t.Fatal(err)
	}
	next := *state.Snapshot
	for key, v := range next.Secrets.All() {
		next.Secrets = next.Secrets.Put(1, key, (&snapshot.Secret{Ref: v.Ref, Value: []byte("new")}).Seal())
	}
	if err := f.save(State{Snapshot: snapshot.New(next)}); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if old := base64.StdEncoding.EncodeToString([]byte("\x00secret\n")); bytes.Contains(log, []byte(old)) {
		t.Error("the old value is on disk")
	}
}

func TestAFileThatWasTakenAwayIsWrittenAnew(t *testing.T) {
	dir := t.TempDir()
	f := file{dir: dir}
	defer f.close()
	for range 2 {
		if err := f.save(example()); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, fileName)); err != nil {
			t.Fatal(err)
		}
	}
}

// plain is a state as text, with what snapshots hide.
func plain(t *testing.T, s State) string {
	t.Helper()
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for v := range s.Snapshot.Secrets.Values() {
		b = fmt.Appendf(b, "\n%s %x", v.Ref, []byte(v.Value))
	}
	return string(b)
}

func TestRefused(t *testing.T) {
	cases := []struct {
		name   string
		damage func(file []byte) []byte
		want   error
	}{
		{"an empty file", func([]byte) []byte { return nil }, ErrCorrupt},
		{"a file cut short", func(b []byte) []byte { return b[:len(b)/2] }, ErrCorrupt},
		{"a file without its last line", func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] }, ErrCorrupt},
		{"a changed byte", func(b []byte) []byte { return bytes.Replace(b, []byte("10.0.0.1"), []byte("10.0.0.9"), 1) }, ErrCorrupt},
		{"something else", func([]byte) []byte { return []byte("\x7fELF\n") }, ErrCorrupt},
		{"an empty line", func(b []byte) []byte { return bytes.Replace(b, []byte("\n"), []byte("\n{}\n"), 1) }, ErrCorrupt},
		{"another format", func(b []byte) []byte { return bytes.Replace(b, []byte("state/3"), []byte("state/2"), 1) }, ErrFormat},
	}
	for _, c := range cases {
		t.Run(c.name+" is refused", func(t *testing.T) {
			dir := t.TempDir()
			if err := saveNew(dir, example()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, fileName)
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(file), private); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(dir); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestASnapshotWithFieldsUnknownToThisProgramIsRefused(t *testing.T) {
	dir := t.TempDir()
	newer := example()
	// A version that this program's types do not add up to is what a field that it does not know looks like.
	newer.Snapshot.Version = "0123"
	if err := saveNew(dir, newer); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, ErrFormat) {
		t.Errorf("got %v, want %v", err, ErrFormat)
	}
}

func TestNoFileIsNotAnAccident(t *testing.T) {
	if _, err := Load(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestAFailedSaveKeepsTheOldState(t *testing.T) {
	dir := t.TempDir()
	if err := saveNew(dir, example()); err != nil {
		t.Fatal(err)
	}
	bad := example()
	for r := range bad.Snapshot.Routes.Values() {
		r.Filters[0].Config = snapshot.RawJSON("{") // can't be marshalled
	}
	if err := saveNew(dir, bad); err == nil {
		t.Fatal("no error")
	}
	if _, err := Load(dir); err != nil {
		t.Errorf("the old state is gone: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("Save left %v", left)
	}
}
