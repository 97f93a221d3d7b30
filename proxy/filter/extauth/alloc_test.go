//go:build !race

package extauth_test

import "testing"

func TestAnHTTPCallAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1000, cycle(t)); n > maxAllocations {
		t.Errorf("%v allocations, want %d", n, maxAllocations)
	}
}
