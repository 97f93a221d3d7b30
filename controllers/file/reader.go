package file

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/penstock/penstock/proxy/yield"
)

// manifest is what was read of a file, or why a file or directory cannot be read. But for its place, it is not written
// once it was read.
type manifest struct {
	path      string
	place     int // in the order of the last reading that had it
	documents []*document
	// identity is that of the file before it was read; zero if another text could have the same one.
	identity identity
}

// identity tells whether a file was written or replaced. Nobody can set the time of its last change (ctime), unlike that
// of the last write, which files from one archive may share.
type identity struct {
	device, inode uint64
	size          int64
	changed       int64 // time of the last change, in nanoseconds since 1970
}

// reader reads manifests. A file that is the one that was read the last time is not read again, and of one that is not
// only the documents that are new to it are decoded. Its zero value remembers nothing.
type reader struct {
	known map[string]*manifest // of the last reading, by path
	turns yield.Turns
}

// read returns every manifest below root in order: the same pointer as the last time for one that has not changed.
func (r *reader) read(root string, at time.Time) []*manifest {
	return r.readTree(walk(root, &r.turns), at)
}

// readTree is read of a tree that was walked since then.
func (r *reader) readTree(tree *tree, at time.Time) []*manifest {
	manifests := tree.failed
	known := make(map[string]*manifest, len(tree.files))
	for _, file := range tree.files {
		r.turns.Next()
		m := r.manifest(file, at)
		known[m.path] = m
		manifests = append(manifests, m)
	}
	for i, m := range manifests {
		m.place = i
	}
	r.known = known
	return manifests
}

func (r *reader) manifest(file found, at time.Time) *manifest {
	last, now := r.known[file.path], identify(file.info, at)
	if last != nil && now != (identity{}) && now == last.identity {
		return last
	}
	text, err := os.ReadFile(file.path)
	if err != nil {
		return unreadable(file.path, err)
	}
	m := &manifest{path: file.path, identity: now}
	m.decode(text, last.byDigest(), &r.turns)
	return m
}

// byDigest returns the valid documents of a manifest, which may be nil.
func (m *manifest) byDigest() map[digest]*document {
	known := map[digest]*document{}
	if m == nil {
		return known
	}
	for _, doc := range m.documents {
		if doc.object != nil {
			known[doc.digest] = doc
		}
	}
	return known
}

func (m *manifest) decode(text []byte, known map[digest]*document, turns *yield.Turns) {
	for _, part := range split(text) {
		doc := &document{from: m, line: part.line, digest: sha256.Sum256(bytes.TrimLeft(part.text, "\r\n"))}
		if same, ok := known[doc.digest]; ok {
			doc.ref, doc.object = same.ref, same.object
		} else {
			doc.decode(part, turns)
		}
		m.documents = append(m.documents, doc)
	}
}

// unreadable is what is left of a file or directory that cannot be read.
func unreadable(path string, err error) *manifest {
	var at *fs.PathError // names the path once more
	if errors.As(err, &at) {
		err = at.Err
	}
	m := &manifest{path: path}
	doc := &document{from: m}
	doc.blame("", fmt.Sprintf("cannot be read: %v", err))
	m.documents = []*document{doc}
	return m
}
