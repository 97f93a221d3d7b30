package swar_test

import (
	"testing"

	"github.com/penstock/penstock/proxy/swar"
)

// TestMarksAreThoseOfEachByte puts every byte at every place among bytes that are not marked.
func TestMarksAreThoseOfEachByte(t *testing.T) {
	for name, tt := range map[string]struct {
		marks func(w uint64) uint64
		want  func(c byte) bool
	}{
		"below a space": {func(w uint64) uint64 { return swar.Below(w, ' ') }, func(c byte) bool { return c < ' ' }},
		"below 0x80":    {func(w uint64) uint64 { return swar.Below(w, 0x80) }, func(c byte) bool { return c < 0x80 }},
		"equal":         {func(w uint64) uint64 { return swar.Equal(w, '"') }, func(c byte) bool { return c == '"' }},
		"high":          {swar.High, func(c byte) bool { return c >= 0x80 }},
	} {
		t.Run(name, func(t *testing.T) {
			plain := byte(' ')
			for tt.want(plain) {
				plain++
			}
			for place := range 8 {
				for c := range 256 {
					b := [8]byte{plain, plain, plain, plain, plain, plain, plain, plain}
					b[place] = byte(c)
					want := 8
					if tt.want(byte(c)) {
						want = place
					}
					if got := swar.First(tt.marks(swar.Load(b[:]))); got != want {
						t.Fatalf("first of %q: %d, want %d", b, got, want)
					}
				}
			}
		})
	}
}

func TestTheFirstMarkCanBeTrusted(t *testing.T) {
	// Behind a byte that is marked, borrowing may mark the next one too.
	if got := swar.First(swar.Equal(swar.Load([]byte(`a"#"bcde`)), '"')); got != 1 {
		t.Errorf("the first quote is at %d, want 1", got)
	}
}
