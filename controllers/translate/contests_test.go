package translate

import (
	"cmp"
	"math/rand/v2"
	"testing"
)

// TestContestsEqualTheirDefinition enters and withdraws claims at random. The holder is always the first of all claims,
// and whoever sees another holder than before and did not come just now has been told.
func TestContestsEqualTheirDefinition(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		contests := newContests[string](cmp.Compare[int])
		claims := map[string]map[int]bool{"a": {}, "b": {}}
		holders := map[string]int{}
		for range 200 {
			told := map[int]bool{}
			for range r.IntN(4) {
				k, c := string(rune('a'+r.IntN(2))), 1+r.IntN(6)
				told[c] = true
				if claims[k][c] {
					contests.withdraw(k, c)
					delete(claims[k], c)
				} else {
					contests.enter(k, c)
					claims[k][c] = true
				}
			}
			contests.settle(func(c int) { told[c] = true })
			for k, of := range claims {
				first := firstOf(of)
				if got := contests.holder(k); got != first {
					t.Fatalf("seed %d: %d holds %s, want %d of %v", seed, got, k, first, of)
				}
				for c := range of {
					if holders[k] != first && !told[c] {
						t.Fatalf("seed %d: %d was not told that %s went from %d to %d", seed, c, k, holders[k], first)
					}
				}
				holders[k] = first
			}
		}
	}
}

func TestContestsForgetWhatNobodyClaims(t *testing.T) {
	contests := newContests[string](cmp.Compare[int])
	for c := range 3 {
		contests.enter("a", c+1)
	}
	for c := range 3 {
		contests.withdraw("a", c+1)
	}
	contests.settle(func(c int) { t.Errorf("%d was told of a contest without claims", c) })
	if len(contests.held)+len(contests.open) > 0 {
		t.Errorf("held: %v, open: %v", contests.held, contests.open)
	}
}

// firstOf returns the least of the claims; 0 if there is none.
func firstOf(claims map[int]bool) int {
	first := 0
	for c := range claims {
		if first == 0 || c < first {
			first = c
		}
	}
	return first
}
