package router

import (
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
		tree *node[int]
		want map[string]*int
	}
	var versions []version
	var tree *node[int]
	want := make(map[string]*int)
	for generation := range uint64(200) {
		for range random.IntN(10) {
			key := randomKey(random)
			value := new(int)
			if random.IntN(3) == 0 {
				value = nil
			}
			tree = tree.put(generation, key, value)
			if value == nil {
				delete(want, key)
			} else {
				want[key] = value
			}
		}
		versions = append(versions, version{tree, maps.Clone(want)})
	}
	for i, v := range versions {
		if got := maps.Collect(v.tree.under("")); !maps.Equal(got, v.want) {
			t.Fatalf("generation %d: got %v, want %v", i, got, v.want)
		}
		if got, want := form(v.tree), form(build(v.want)); got != want {
			t.Fatalf("generation %d: form %s, built from scratch %s", i, got, want)
		}
		checkLookups(t, v.tree, v.want, randomKey(random))
	}
}

func checkLookups(t *testing.T, tree *node[int], all map[string]*int, key string) {
	t.Helper()
	if tree.get(key) != all[key] {
		t.Errorf("get %q: got %v, want %v", key, tree.get(key), all[key])
	}
	var got []string
	for at, v := range tree.along(key) {
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
	for k := range tree.under(key) {
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

func build(content map[string]*int) (tree *node[int]) {
	for k, v := range content {
		tree = tree.put(1, k, v)
	}
	return tree
}

// form writes the nodes of a tree.
func form(n *node[int]) string {
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
	for k := range tree.under("") {
		if k != "a" {
			t.Errorf("went on to %q", k)
		}
		break
	}
}
