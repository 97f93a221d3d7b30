//go:build !race

package buffer

import "testing"

func TestLendingDoesNotAllocate(t *testing.T) {
	p := New(DefaultLimit)
	if n := testing.AllocsPerRun(100, func() { p.Grow(p.Get(1), 1).Release() }); n > 0.1 {
		t.Errorf("%v allocations", n)
	}
}
