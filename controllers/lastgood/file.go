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
	"slices"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// file is the state on disk and what was written to it. It is used by one goroutine at a time. Whatever fails, the file
// holds the old state or the new one.
type file struct {
	dir string
	// file is nil before the first state was written, and after a failure.
	file *os.File
	sum  hash.Hash
	// saved is the state that the file holds, first and size are the lengths of its first state and of all.
	saved       State
	first, size int64
}

// save makes s the state on disk. The folder must exist.
func (f *file) save(s State) error {
	save := f.rewrite
	if f.isCurrent() && f.canExtend(s.Snapshot) {
		save = f.extend
	}
	if err := save(s); err != nil {
		return fmt.Errorf("save state: %w", errors.Join(err, f.close()))
	}
	f.saved = s
	return nil
}

// isCurrent reports whether the file that was written last is still the one in the folder.
func (f *file) isCurrent() bool {
	if f.file == nil {
		return false
	}
	ours, err1 := f.file.Stat()
	there, err2 := os.Stat(filepath.Join(f.dir, fileName))
	return err1 == nil && err2 == nil && os.SameFile(ours, there)
}

// canExtend reports whether s may follow in the log. No Secret stays there that was withdrawn.
func (f *file) canExtend(s *snapshot.Snapshot) bool {
	for _, c := range f.saved.Snapshot.Secrets.Diff(s.Secrets) {
		if c.Old != nil {
			return false
		}
	}
	return f.size <= 2*f.first && slices.Equal(f.saved.Snapshot.Listeners, s.Listeners)
}

func (f *file) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file, f.saved = nil, State{}
	return err
}

// rewrite replaces the file. Whoever reads meanwhile finds the old one or the new one.
func (f *file) rewrite(s State) error {
	fresh, err := os.CreateTemp(f.dir, fileName+".*") // mode 0600
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := write(fresh, sum, State{}, s)
	err = errors.Join(err, fresh.Sync(), fresh.Chmod(private))
	if err == nil {
		err = os.Rename(fresh.Name(), filepath.Join(f.dir, fileName))
	}
	if err != nil {
		return errors.Join(err, fresh.Close(), os.Remove(fresh.Name()))
	}
	err = f.close()
	f.file, f.sum, f.first, f.size = fresh, sum, n, n
	return err
}

// extend appends what leads from the saved state to s.
func (f *file) extend(s State) error {
	n, err := write(f.file, f.sum, f.saved, s)
	f.size += n
	return errors.Join(err, f.file.Sync())
}

// write writes what leads from one state to the next, the first of which has no snapshot, and returns how much that was.
func write(f io.Writer, sum hash.Hash, old, next State) (int64, error) {
	buffered := bufio.NewWriter(f)
	w := &writer{sum: sum, to: buffered}
	w.json = json.NewEncoder(w)
	w.json.SetEscapeHTML(false) // configurations come back as they are
	if old.Snapshot == nil {
		old.Snapshot = new(snapshot.Snapshot)
		w.put(record{Format: format})
		for _, l := range next.Snapshot.Listeners {
			w.put(record{Listener: l})
		}
	}
	put(w, routes, old.Snapshot.Routes, next.Snapshot.Routes, func(r *snapshot.Route) record { return record{Route: r} })
	put(w, clusters, old.Snapshot.Clusters, next.Snapshot.Clusters, func(c *snapshot.Cluster) record { return record{Cluster: c} })
	put(w, policies, old.Snapshot.TLS, next.Snapshot.TLS, func(p *snapshot.TLSPolicy) record { return record{TLS: p} })
	put(w, secrets, old.Snapshot.Secrets, next.Snapshot.Secrets, func(s *snapshot.Secret) record {
		return record{Secret: &secret{Ref: s.Ref, Value: s.Value}}
	})
	put(w, endpoints, old.Endpoints, next.Endpoints, func(e *[]snapshot.Endpoint) record { return record{Endpoints: e} })
	w.put(record{End: &end{Sum: sumOf(sum), Version: next.Snapshot.Version}})
	return w.written, errors.Join(w.err, buffered.Flush())
}

// writer stops at the first error and remembers it.
type writer struct {
	sum     hash.Hash
	to      io.Writer
	json    *json.Encoder
	written int64
	err     error
}

// Write takes a line from the encoder.
func (w *writer) Write(line []byte) (int, error) {
	w.sum.Write(line)
	w.written += int64(len(line))
	return w.to.Write(line)
}

func (w *writer) put(r record) {
	if w.err == nil {
		w.err = w.json.Encode(r)
	}
}

// put writes the changes of a kind of parts.
func put[T any](w *writer, k kind, old, next *radix.Tree[T], recordOf func(*T) record) {
	for key, c := range old.Diff(next) {
		r := record{Gone: k}
		if c.New != nil {
			r = recordOf(c.New)
		}
		r.Key = key
		w.put(r)
	}
}

func sumOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
