package radix

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestTreeIsAMap holds the tree equal to a map over random edits, and all of its versions unchanged by later ones.
func TestTreeIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type version struct {
		tree *Tree[int]
		want map[string]*int
	}
	var versions []version
	var tree *Tree[int]
	want := make(map[string]*int)
	for generation := range uint64(200) {
		for range random.IntN(10) {
			key := randomKey(random)
			value := new(int)
			if random.IntN(3) == 0 {
				value = nil
			}
			tree = tree.Put(generation, key, value)
			if value == nil {
				delete(want, key)
			} else {
				want[key] = value
			}
		}
		versions = append(versions, version{tree, maps.Clone(want)})
	}
	for i, v := range versions {
		if got := maps.Collect(v.tree.All()); !maps.Equal(got, v.want) {
			t.Fatalf("generation %d: got %v, want %v", i, got, v.want)
		}
		if got, want := form(v.tree), form(build(v.want)); got != want {
			t.Fatalf("generation %d: form %s, built from scratch %s", i, got, want)
		}
		if v.tree.Len() != len(v.want) {
			t.Fatalf("generation %d: length %d, want %d", i, v.tree.Len(), len(v.want))
		}
		checkLookups(t, v.tree, v.want, randomKey(random))
		other := versions[random.IntN(len(versions))]
		checkDiff(t, other.tree, v.tree, other.want, v.want)
	}
}

// checkDiff holds the difference of two trees equal to that of two maps, and their sums equal just if the maps are.
func checkDiff(t *testing.T, old, next *Tree[int], oldMap, nextMap map[string]*int) {
	t.Helper()
	want := make(map[string]Change[int])
	for k, v := range oldMap {
		if nextMap[k] != v {
			want[k] = Change[int]{v, nextMap[k]}
		}
	}
	for k, v := range nextMap {
		if oldMap[k] == nil {
			want[k] = Change[int]{nil, v}
		}
	}
	if got := maps.Collect(old.Diff(next)); !maps.Equal(got, want) {
		t.Fatalf("difference %v, want %v", got, want)
	}
	var keys []string
	for k := range old.Diff(next) {
		keys = append(keys, k)
	}
	if !slices.IsSorted(keys) {
		t.Fatalf("difference in the order %q", keys)
	}
	if (old.Sum(sumOf) == next.Sum(sumOf)) != maps.Equal(oldMap, nextMap) {
		t.Fatalf("sums %x and %x of %v and %v", old.Sum(sumOf), next.Sum(sumOf), oldMap, nextMap)
	}
	if scratch := build(nextMap); scratch.Sum(sumOf) != next.Sum(sumOf) {
		t.Fatal("built from scratch it has another sum")
	}
}

func sumOf(v *int) Sum { return sha256.Sum256(fmt.Appendf(nil, "%p", v)) }

func TestADifferenceIsFoundWithoutAWalk(t *testing.T) {
	var tree *Tree[int]
	for i := range 10_000 {
		tree = tree.Put(0, fmt.Sprintf("%05d", i), new(int))
	}
	next := tree.Put(1, "05000", new(int))
	// A walk over all would take an allocation a key.
	if n := testing.AllocsPerRun(10, func() {
		for range tree.Diff(next) {
		}
	}); n > 10 {
		t.Errorf("%v allocations for one change", n)
	}
}

func TestJSONIsTheValuesInOrder(t *testing.T) {
	one, two := 1, 2
	got, err := json.Marshal(Collect(maps.All(map[string]*int{"b": &two, "a": &one})))
	if err != nil || string(got) != "[1,2]" {
		t.Errorf("got %s, %v", got, err)
	}
}

func checkLookups(t *testing.T, tree *Tree[int], all map[string]*int, key string) {
	t.Helper()
	if tree.Get(key) != all[key] {
		t.Errorf("get %q: got %v, want %v", key, tree.Get(key), all[key])
	}
	var got []string
	for at, v := range tree.Along(key) {
		if all[key[:at]] != v {
			t.Errorf("along %q: wrong value at %d", key, at)
		}
		got = append(got, key[:at])
	}
	var want []string
	for i := range len(key) + 1 {
		if all[key[:i]] != nil {
			want = append(want, key[:i])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("along %q: got %q, want %q", key, got, want)
	}
	got, want = nil, nil
	for k := range tree.Under(key) {
		got = append(got, k)
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(k, key) {
			want = append(want, k)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("under %q: got %q, want %q", key, got, want)
	}
}

func randomKey(random *rand.Rand) string {
	b := make([]byte, random.IntN(5))
	for i := range b {
		b[i] = "ab\xff"[random.IntN(3)]
	}
	return string(b)
}

func build(content map[string]*int) *Tree[int] { return Collect(maps.All(content)) }

// form writes the nodes of a tree.
func form(n *Tree[int]) string {
	if n == nil {
		return "-"
	}
	s := fmt.Sprintf("(%q %p", n.prefix, n.value)
	for _, e := range n.edges {
		s += fmt.Sprintf(" %q", e.first) + form(e.child)
	}
	return s + ")"
}

func TestTreeUnderStopsWhenToldTo(t *testing.T) {
	tree := build(map[string]*int{"a": new(int), "ab": new(int), "b": new(int)})
	for k := range tree.All() {
		if k != "a" {
			t.Errorf("went on to %q", k)
		}
		break
	}
}
