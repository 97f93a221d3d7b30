package lastgood

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/penstock/penstock/proxy/live"
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
	policy := &snapshot.TLSPolicy{
		Host: "example.com", MinVersion: snapshot.TLS13,
		Certificate: snapshot.Ref{Namespace: "shop", Name: "key", Key: "tls.crt"}, Key: secret.Ref,
	}
	listener := &snapshot.Listener{Name: snapshot.ListenerHTTP, Port: 8080, Protocol: snapshot.HTTP}
	return State{
		Snapshot: snapshot.New(snapshot.Snapshot{
			Listeners: []*snapshot.Listener{listener}, Routes: []*snapshot.Route{route.Seal()},
			Clusters: []*snapshot.Cluster{cluster.Seal()}, TLS: []*snapshot.TLSPolicy{policy.Seal()},
			Secrets: []*snapshot.Secret{secret.Seal()},
		}),

		Endpoints: []live.ClusterEndpoints{{Cluster: "shop/users:80", Endpoints: []snapshot.Endpoint{
			{Address: "10.0.0.1", Port: 8080}, {Address: "fd00::1", Port: 8080, State: snapshot.Draining},
		}}},
	}
}

func TestWhatIsLoadedIsWhatWasSaved(t *testing.T) {
	dir := t.TempDir()
	want := example()
	if err := Save(dir, State{Snapshot: snapshot.New(snapshot.Snapshot{})}); err != nil {
		t.Fatal(err)
	}
	if err := Save(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	unsealed := cmpopts.IgnoreUnexported(snapshot.Route{}, snapshot.Cluster{}, snapshot.TLSPolicy{}, snapshot.Secret{})
	if diff := cmp.Diff(want, got, unsealed); diff != "" {
		t.Errorf("-saved +loaded:\n%s", diff)
	}
	if got.Snapshot.Routes[0].Digest() != want.Snapshot.Routes[0].Digest() {
		t.Error("the route's digest was not kept")
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
		{"another format", func(b []byte) []byte { return bytes.Replace(b, []byte(format), []byte("penstock-state/0"), 1) }, ErrFormat},
	}
	for _, c := range cases {
		t.Run(c.name+" is refused", func(t *testing.T) {
			dir := t.TempDir()
			if err := Save(dir, example()); err != nil {
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
	if err := Save(dir, newer); err != nil {
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
	if err := Save(dir, example()); err != nil {
		t.Fatal(err)
	}
	bad := example()
	bad.Snapshot.Routes[0].Filters[0].Config = snapshot.RawJSON("{") // can't be marshalled
	if err := Save(dir, bad); err == nil {
		t.Fatal("no error")
	}
	if _, err := Load(dir); err != nil {
		t.Errorf("the old state is gone: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("Save left %v", left)
	}
}
