package lastgood

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Load reads the state in the folder dir. A file that holds no whole state, or was changed since it was written, is
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
	first, line, err := r.next()
	if err != nil {
		return State{}, err
	}
	r.sum.Write(line)
	if first.Format != format {
		return State{}, fmt.Errorf("%w: %q instead of %q", ErrFormat, first.Format, format)
	}
	var last State
	for {
		rec, line, err := r.next()
		switch {
		case errors.Is(err, io.EOF) && last.Snapshot != nil:
			return last, nil
		case err != nil:
			return State{}, err
		case rec.End != nil:
			last, err = r.finish(*rec.End)
		default:
			err = r.take(rec)
		}
		if err != nil {
			return State{}, err
		}
		r.sum.Write(line)
	}
}

// reader collects the parts of a state.
type reader struct {
	lines     *bufio.Reader
	sum       hash.Hash
	listeners []*snapshot.Listener
	routes    radix.Builder[snapshot.Route]
	clusters  radix.Builder[snapshot.Cluster]
	policies  radix.Builder[snapshot.TLSPolicy]
	secrets   radix.Builder[snapshot.Secret]
	endpoints radix.Builder[[]snapshot.Endpoint]
}

// next returns the next line. What stands behind the last line end is not one: a crash cut it off.
func (r *reader) next() (rec record, line []byte, err error) {
	line, err = r.lines.ReadBytes('\n')
	if err != nil {
		return rec, nil, fmt.Errorf("%w: %w before the end", ErrCorrupt, err)
	}
	if err := json.Unmarshal(line, &rec); err != nil {
		return rec, nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return rec, line, nil
}

func (r *reader) take(rec record) error {
	switch {
	case rec.Listener != nil:
		r.listeners = append(r.listeners, rec.Listener)
	case rec.Route != nil:
		r.routes.Put(rec.Key, rec.Route.Seal())
	case rec.Cluster != nil:
		r.clusters.Put(rec.Key, rec.Cluster.Seal())
	case rec.TLS != nil:
		r.policies.Put(rec.Key, rec.TLS.Seal())
	case rec.Secret != nil:
		v := &snapshot.Secret{Ref: rec.Secret.Ref, Value: rec.Secret.Value}
		r.secrets.Put(rec.Key, v.Seal())
	case rec.Endpoints != nil:
		r.endpoints.Put(rec.Key, rec.Endpoints)
	default:
		return r.drop(rec.Gone, rec.Key)
	}
	return nil
}

// drop takes out a part that is no more.
func (r *reader) drop(k kind, key string) error {
	switch k {
	case routes:
		r.routes.Put(key, nil)
	case clusters:
		r.clusters.Put(key, nil)
	case policies:
		r.policies.Put(key, nil)
	case secrets:
		r.secrets.Put(key, nil)
	case endpoints:
		r.endpoints.Put(key, nil)
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
		Listeners: r.listeners, Routes: r.routes.Tree(), Clusters: r.clusters.Tree(), TLS: r.policies.Tree(), Secrets: r.secrets.Tree(),
	})
	if s.Version != e.Version {
		return State{}, fmt.Errorf("%w: it reads as snapshot %s instead of %s", ErrFormat, s.Version, e.Version)
	}
	return State{Snapshot: s, Endpoints: r.endpoints.Tree()}, nil
}
