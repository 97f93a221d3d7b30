package file

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// keeper remembers the last good version of each object, so that a broken edit does not take away what served before it.
// Its zero value remembers nothing.
type keeper struct {
	last map[ref]kept
}

// kept is an object, the file that it was read from, and the digest of its text.
type kept struct {
	object metav1.Object
	file   string
	digest digest
}

// merge returns what holds after a reading: each object that is valid in it; of each that is broken, its last good
// version; and where a document says not even which object it is, or a file or directory cannot be read, all objects last
// read from there. The problems say what was kept. What was removed from the manifests is gone.
func (k *keeper) merge(documents []document) (Objects, []Problem) {
	now := map[ref]kept{}
	owners := map[ref]document{}
	for i := range documents {
		doc := &documents[i]
		if doc.ref == (ref{}) {
			continue
		}
		if owner, ok := owners[doc.ref]; ok {
			doc.object = nil
			doc.blame("", fmt.Sprintf("defined already at %s:%d; this one is not used", owner.file, owner.line))
			continue
		}
		owners[doc.ref] = *doc
		if doc.object != nil {
			now[doc.ref] = kept{k.version(doc), doc.file, doc.digest}
		} else if old, ok := k.last[doc.ref]; ok {
			now[doc.ref] = kept{old.object, doc.file, old.digest}
			doc.note("its last good version is kept")
		}
	}
	for i := range documents {
		if doc := &documents[i]; doc.ref == (ref{}) {
			k.keepAll(doc, owners, now)
		}
	}
	k.last = now
	return objects(now), problems(documents)
}

// version returns the object of a document: the same as before if its text is the same, else with the generation after
// that, as the API server counts changes.
func (k *keeper) version(doc *document) metav1.Object {
	old, ok := k.last[doc.ref]
	switch {
	case !ok:
		return doc.object
	case old.digest == doc.digest:
		return old.object
	}
	// A copy, since the reader may hand out this one again.
	next := doc.object.(runtime.Object).DeepCopyObject().(metav1.Object)
	next.SetGeneration(old.object.GetGeneration() + 1)
	return next
}

// keepAll keeps what was last read from the file or directory of a document and is not in the manifests elsewhere.
func (k *keeper) keepAll(doc *document, owners map[ref]document, now map[ref]kept) {
	count := 0
	for ref, old := range k.last {
		if _, ok := owners[ref]; ok || !within(old.file, doc.file) {
			continue
		}
		now[ref] = old
		count++
	}
	if count > 0 {
		doc.note(fmt.Sprintf("objects last read from here that cannot be found now are kept: %d", count))
	}
}

// within says whether a path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}

// note adds to what is said of each problem of the document.
func (d *document) note(text string) {
	for i := range d.problems {
		d.problems[i].Message += "; " + text
	}
}

func objects(held map[ref]kept) Objects {
	var all Objects
	for _, ref := range slices.SortedFunc(maps.Keys(held), compareRefs) {
		all.add(held[ref].object)
	}
	return all
}

func problems(documents []document) []Problem {
	var all []Problem
	for _, doc := range documents {
		all = append(all, doc.problems...)
	}
	return all
}
