package buffer

import "testing"

func TestBuffersAreOfTheSizeAskedFor(t *testing.T) {
	p := New(DefaultLimit)
	for _, tt := range []struct {
		ask  int64
		want int
	}{{0, Small}, {Small, Small}, {Small + 1, Large}, {Large, Large}, {10 * Large, Large}} {
		b := p.Get(tt.ask)
		if len(b.Bytes) != tt.want {
			t.Errorf("asked for %d bytes: got %d, want %d", tt.ask, len(b.Bytes), tt.want)
		}
		b.Release()
	}
	if p.Lent() != 0 {
		t.Errorf("%d bytes are lent after all was given back", p.Lent())
	}
}

func TestBeyondTheLimitSmallOnesAreLent(t *testing.T) {
	p := New(2 * Large)
	first, second := p.Get(Large), p.Get(Large)
	if third := p.Get(Large); len(third.Bytes) != Small || p.Lent() != 2*Large {
		t.Errorf("got %d bytes with %d lent", len(third.Bytes), p.Lent())
	}
	small := p.Get(1)
	if grown := p.Grow(small, 0); grown != small {
		t.Error("a buffer grew beyond the limit")
	}
	first.Release()
	if grown := p.Grow(small, 0); len(grown.Bytes) != Large {
		t.Error("a buffer did not grow when there was room")
	}
	second.Release()
}

func TestGrowKeepsWhatIsThere(t *testing.T) {
	p := New(DefaultLimit)
	b := p.Get(1)
	copy(b.Bytes, "abc")
	b = p.Grow(b, 3)
	if string(b.Bytes[:3]) != "abc" || len(b.Bytes) != Large {
		t.Errorf("got %q in %d bytes", b.Bytes[:3], len(b.Bytes))
	}
	if p.Grow(b, 3) != b {
		t.Error("a large buffer was swapped")
	}
}
