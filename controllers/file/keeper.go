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
type keeper struct {
	manifests map[*manifest]struct{} // of the last reading
	// claims are the documents of each object; those that say not even which object they are have the zero ref.
	claims map[ref][]*document
	held   map[ref]kept
	// orphans are held although no document is theirs.
	orphans map[ref]struct{}
	said    map[*document][]Problem // of the documents that have any
}

// kept is an object, the file that it was read from, and the digest of its text.
type kept struct {
	object metav1.Object
	file   string
	digest digest
}

func newKeeper() *keeper {
	return &keeper{claims: map[ref][]*document{}, held: map[ref]kept{}, orphans: map[ref]struct{}{}, said: map[*document][]Problem{}}
}

// merge returns what a reading changes. There holds then: each object that is valid in it; of each that is broken, its
// last good version; and where a document says not even which object it is, or a file or directory cannot be read, all
// objects last read from there. The problems say what was kept. What was removed from the manifests is gone.
//
// It looks only at the objects of manifests that are not those of the last reading, and at orphans.
func (k *keeper) merge(reading []*manifest) (Changes, []Problem) {
	touched := k.claim(reading)
	maps.Copy(touched, k.orphans)
	delete(touched, ref{})
	var changes Changes
	for ref := range touched {
		before := k.held[ref].object
		k.settle(ref)
		if now := k.held[ref].object; now != before {
			changes.put(ref, now)
		}
	}
	k.explainOrphans()
	return changes, k.problems()
}

// claim brings the claims up to date with a reading and returns whose have changed.
func (k *keeper) claim(reading []*manifest) map[ref]struct{} {
	touched := map[ref]struct{}{}
	now := make(map[*manifest]struct{}, len(reading))
	for _, m := range reading {
		now[m] = struct{}{}
		if _, known := k.manifests[m]; known {
			continue
		}
		for _, doc := range m.documents {
			k.claims[doc.ref] = append(k.claims[doc.ref], doc)
			touched[doc.ref] = struct{}{}
		}
	}
	for m := range k.manifests {
		if _, still := now[m]; still {
			continue
		}
		for _, doc := range m.documents {
			k.withdraw(doc)
			touched[doc.ref] = struct{}{}
		}
	}
	k.manifests = now
	return touched
}

func (k *keeper) withdraw(doc *document) {
	delete(k.said, doc)
	left := slices.DeleteFunc(k.claims[doc.ref], func(d *document) bool { return d == doc })
	if len(left) == 0 {
		delete(k.claims, doc.ref)
	} else {
		k.claims[doc.ref] = left
	}
}

// settle decides what holds of an object, and says what is wrong with its documents. Only the first of them counts.
func (k *keeper) settle(r ref) {
	delete(k.orphans, r)
	old, known := k.held[r]
	claims := k.claims[r]
	if len(claims) == 0 {
		k.settleOrphan(r)
		return
	}
	slices.SortFunc(claims, compareDocuments)
	owner := claims[0]
	said := owner.problems
	switch {
	case owner.object != nil:
		k.held[r] = kept{old.next(owner), owner.from.path, owner.digest}
	case known:
		k.held[r] = kept{old.object, owner.from.path, old.digest}
		said = noted(said, "its last good version is kept")
	}
	k.say(owner, said)
	for _, doc := range claims[1:] {
		again := doc.problem("", fmt.Sprintf("defined already at %s:%d; this one is not used", owner.from.path, owner.line))
		k.say(doc, append(slices.Clip(doc.problems), again))
	}
}

// settleOrphan keeps an object that no document claims if it may be in one that cannot be understood.
func (k *keeper) settleOrphan(r ref) {
	old, known := k.held[r]
	if known && slices.ContainsFunc(k.claims[ref{}], func(d *document) bool { return within(old.file, d.from.path) }) {
		k.orphans[r] = struct{}{}
	} else {
		delete(k.held, r)
	}
}

// next returns the object of a document: the same as before if its text is the same, else with the generation after
// that, as the API server counts changes.
func (old kept) next(doc *document) metav1.Object {
	switch {
	case old.object == nil:
		return doc.object
	case old.digest == doc.digest:
		return old.object
	}
	// A copy, since the reader may hand out this one again.
	next := doc.object.(runtime.Object).DeepCopyObject().(metav1.Object)
	next.SetGeneration(old.object.GetGeneration() + 1)
	return next
}

// explainOrphans says where they are kept.
func (k *keeper) explainOrphans() {
	for _, doc := range k.claims[ref{}] {
		count := 0
		for r := range k.orphans {
			if within(k.held[r].file, doc.from.path) {
				count++
			}
		}
		said := doc.problems
		if count > 0 {
			said = noted(said, fmt.Sprintf("objects last read from here that cannot be found now are kept: %d", count))
		}
		k.say(doc, said)
	}
}

// within says whether a path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}

// say makes the problems those of a document, in place of what was said of it before.
func (k *keeper) say(doc *document, problems []Problem) {
	if len(problems) > 0 {
		k.said[doc] = problems
	} else {
		delete(k.said, doc)
	}
}

// noted returns the problems with a text added to each.
func noted(problems []Problem, text string) []Problem {
	problems = slices.Clone(problems)
	for i := range problems {
		problems[i].Message += "; " + text
	}
	return problems
}

func (k *keeper) problems() []Problem {
	var all []Problem
	for _, doc := range slices.SortedFunc(maps.Keys(k.said), compareDocuments) {
		all = append(all, k.said[doc]...)
	}
	return all
}

// objects returns all that is held.
func (k *keeper) objects() Objects {
	var all Objects
	for _, ref := range slices.SortedFunc(maps.Keys(k.held), compareRefs) {
		all.add(k.held[ref].object)
	}
	return all
}
