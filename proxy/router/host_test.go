package router

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// TestHostsAreAMap holds hosts equal to a map over random edits that come and go in all shards, and all versions unchanged
// by later ones.
func TestHostsAreAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	type version struct {
		hosts *hosts
		want  map[string]*paths
	}
	var versions []version
	var h *hosts
	want := map[string]*paths{}
	for generation := range uint64(100) {
		for range random.IntN(200) {
			key := fmt.Sprintf("h%d.example.com", random.IntN(3000))
			value := new(paths)
			if random.IntN(3) == 0 {
				value = nil
			}
			h = h.edit(generation, key, 1, func(was *paths) *paths {
				if was != want[key] {
					t.Fatalf("generation %d: %s was %p, want %p", generation, key, was, want[key])
				}
				return value
			})
			if value == nil {
				delete(want, key)
			} else {
				want[key] = value
			}
		}
		versions = append(versions, version{h, maps.Clone(want)})
	}
	for i, v := range versions {
		if got := v.hosts.all(); !maps.Equal(got, v.want) {
			t.Fatalf("generation %d holds %d hosts, want %d", i, len(got), len(v.want))
		}
		for n := range 3000 {
			key := fmt.Sprintf("h%d.example.com", n)
			if got, _ := v.hosts.find(key); got != v.want[key] {
				t.Fatalf("generation %d: %s is %p, want %p", i, key, got, v.want[key])
			}
		}
	}
}
