// Package lastgood keeps the last good state on disk, so that a replica that restarts while there is no API server
// serves what it served before. A file is whole and of this format, or it is refused.
package lastgood

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

// State is what a replica needs in order to serve. It may hold secrets.
type State struct {
	Snapshot  *snapshot.Snapshot
	Endpoints []live.ClusterEndpoints
}

// Why a file is refused. A missing one is fs.ErrNotExist.
var (
	// ErrFormat says that the file was written by another version of the format.
	ErrFormat = errors.New("not of this format")
	// ErrCorrupt says that the file is not what was once written.
	ErrCorrupt = errors.New("corrupt")
)

const (
	fileName = "state.jsonl"
	// format changes with everything that makes old files unreadable or changes what they mean.
	format = "penstock-state/2"
	// private keeps secrets from other users of the machine.
	private = 0o600
)

// record is one line of the file. Exactly one member is set. A line for each part keeps the memory that it takes to
// write and read the file independent of its size. The first line names the format, the last one is the end.
type record struct {
	Format    string                 `json:"format,omitempty"`
	Listener  *snapshot.Listener     `json:"listener,omitempty"`
	Route     *snapshot.Route        `json:"route,omitempty"`
	Cluster   *snapshot.Cluster      `json:"cluster,omitempty"`
	TLS       *snapshot.TLSPolicy    `json:"tls,omitempty"`
	Secret    *secret                `json:"secret,omitempty"`
	Endpoints *live.ClusterEndpoints `json:"endpoints,omitempty"`
	End       *end                   `json:"end,omitempty"`
}

// secret shows what snapshot.PrivateBytes hides.
type secret struct {
	Ref   snapshot.Ref `json:"ref"`
	Value []byte       `json:"value"`
}

// end proves that the file is whole.
type end struct {
	// Sum is the SHA-256 of all lines before, in hex.
	Sum string `json:"sum"`
	// Version is that of the snapshot.
	Version string `json:"version"`
}

// Save replaces the state in the folder dir, which must exist. Whoever reads meanwhile, and whatever fails, finds the
// old state or the new one.
func Save(dir string, s State) error {
	f, err := os.CreateTemp(dir, fileName+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	err = errors.Join(write(f, s), f.Sync(), f.Chmod(private), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, fileName))
	}
	if err != nil {
		return fmt.Errorf("save state: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

func write(f io.Writer, s State) error {
	w := writer{file: bufio.NewWriter(f), sum: sha256.New()}
	w.json = json.NewEncoder(io.MultiWriter(w.file, w.sum))
	w.json.SetEscapeHTML(false) // configurations come back as they are
	w.put(record{Format: format})
	for _, l := range s.Snapshot.Listeners {
		w.put(record{Listener: l})
	}
	for _, r := range s.Snapshot.Routes {
		w.put(record{Route: r})
	}
	for _, c := range s.Snapshot.Clusters {
		w.put(record{Cluster: c})
	}
	for _, p := range s.Snapshot.TLS {
		w.put(record{TLS: p})
	}
	for _, v := range s.Snapshot.Secrets {
		w.put(record{Secret: &secret{Ref: v.Ref, Value: v.Value}})
	}
	for i := range s.Endpoints {
		w.put(record{Endpoints: &s.Endpoints[i]})
	}
	w.put(record{End: &end{Sum: sumOf(w.sum), Version: s.Snapshot.Version}})
	return errors.Join(w.err, w.file.Flush())
}

// writer stops at the first error and remembers it.
type writer struct {
	file *bufio.Writer
	sum  hash.Hash
	json *json.Encoder
	err  error
}

func (w *writer) put(r record) {
	if w.err == nil {
		w.err = w.json.Encode(r)
	}
}

func sumOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// Load reads the state in the folder dir. A file that Save did not write to its end, or that was changed since, is
// ErrCorrupt or, where its first line says so, ErrFormat.
func Load(dir string) (State, error) {
	f, err := os.Open(filepath.Join(dir, fileName))
	if err != nil {
		return State{}, fmt.Errorf("load state: %w", err)
	}
	defer f.Close()
	s, err := read(bufio.NewReader(f))
	if err != nil {
		return State{}, fmt.Errorf("load state: %s: %w", f.Name(), err)
	}
	return s, nil
}

func read(from *bufio.Reader) (State, error) {
	r := reader{lines: from, sum: sha256.New()}
	first, err := r.next()
	if err != nil {
		return State{}, err
	}
	if first.Format != format {
		return State{}, fmt.Errorf("%w: %q instead of %q", ErrFormat, first.Format, format)
	}
	for {
		rec, err := r.next()
		if err != nil {
			return State{}, err
		}
		if rec.End != nil {
			return r.finish(*rec.End)
		}
		if err := r.take(rec); err != nil {
			return State{}, err
		}
	}
}

// reader collects the parts of a state.
type reader struct {
	lines     *bufio.Reader
	sum       hash.Hash
	listeners []*snapshot.Listener
	routes    []*snapshot.Route
	clusters  []*snapshot.Cluster
	tls       []*snapshot.TLSPolicy
	secrets   []*snapshot.Secret
	endpoints []live.ClusterEndpoints
}

func (r *reader) next() (rec record, err error) {
	line, err := r.lines.ReadBytes('\n')
	if err != nil {
		return rec, fmt.Errorf("%w: %w before the end", ErrCorrupt, err)
	}
	if err := json.Unmarshal(line, &rec); err != nil {
		return rec, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if rec.End == nil {
		r.sum.Write(line)
	}
	return rec, nil
}

func (r *reader) take(rec record) error {
	switch {
	case rec.Listener != nil:
		r.listeners = append(r.listeners, rec.Listener)
	case rec.Route != nil:
		r.routes = append(r.routes, rec.Route.Seal())
	case rec.Cluster != nil:
		r.clusters = append(r.clusters, rec.Cluster.Seal())
	case rec.TLS != nil:
		r.tls = append(r.tls, rec.TLS.Seal())
	case rec.Secret != nil:
		v := &snapshot.Secret{Ref: rec.Secret.Ref, Value: rec.Secret.Value}
		r.secrets = append(r.secrets, v.Seal())
	case rec.Endpoints != nil:
		r.endpoints = append(r.endpoints, *rec.Endpoints)
	default:
		return fmt.Errorf("%w: a line without content", ErrCorrupt)
	}
	return nil
}

// finish proves the state: by the sum of the bytes, and by the version that its parts add up to in this program, so
// that a field that this program does not know is never dropped in silence.
func (r *reader) finish(e end) (State, error) {
	if sum := sumOf(r.sum); e.Sum != sum {
		return State{}, fmt.Errorf("%w: its sum is %s instead of %s", ErrCorrupt, sum, e.Sum)
	}
	s := snapshot.New(snapshot.Snapshot{
		Listeners: r.listeners, Routes: r.routes, Clusters: r.clusters, TLS: r.tls, Secrets: r.secrets,
	})
	if s.Version != e.Version {
		return State{}, fmt.Errorf("%w: it reads as snapshot %s instead of %s", ErrFormat, s.Version, e.Version)
	}
	return State{Snapshot: s, Endpoints: r.endpoints}, nil
}
