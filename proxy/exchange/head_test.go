package exchange

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// parsed makes a head of lines "Name: value" as a codec would, leaving out those that begin with "-".
func parsed(lines ...string) *Head {
	raw := []byte(strings.Join(lines, "\r\n") + "\r\n")
	h := new(Head)
	h.Reset(raw)
	at := 0
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		end := at + len(l) + len("\r\n")
		if !strings.HasPrefix(l, "-") {
			h.Append(IDOf(name), at, at+len(name), end-len(value)-len("\r\n"), end-len("\r\n"), end)
		}
		at = end
	}
	return h
}

func text(h *Head) string { return strings.ReplaceAll(string(h.AppendTo(nil)), "\r\n", "|") }

func TestHeadIsWrittenAsItStands(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lines  []string
		change func(*Head)
		want   string
	}{
		{"untouched", []string{"A: 1", "b: 2", "Date: 3"}, func(*Head) {}, "A: 1|b: 2|Date: 3|"},
		{"empty", []string{"-X: 1"}, func(*Head) {}, ""},
		{"lines that were left out", []string{"A: 1", "-X: 2", "B: 3", "-Y: 4", "-Z: 5", "C: 6"}, func(*Head) {}, "A: 1|B: 3|C: 6|"},
		{"dropped by name in any case", []string{"A: 1", "b: 2", "a: 3", "C: 4"}, func(h *Head) { h.Drop("A") }, "b: 2|C: 4|"},
		{"dropped by id", []string{"DATE: 1", "A: 2", "date: 3"}, func(h *Head) { h.DropID(Date) }, "A: 2|"},
		{"a known name dropped by name", []string{"DATE: 1", "A: 2"}, func(h *Head) { h.Drop("dAte") }, "A: 2|"},
		{"dropped what is not there", []string{"A: 1"}, func(h *Head) { h.Drop("B"); h.DropID(Date) }, "A: 1|"},
		{"added", []string{"A: 1"}, func(h *Head) { h.Add("a", "2"); h.AddID(Date, "3") }, "A: 1|a: 2|Date: 3|"},
		{"set", []string{"A: 1", "B: 2", "A: 3"}, func(h *Head) { h.Set("a", "4") }, "B: 2|a: 4|"},
		{"set by id", []string{"date: 1", "B: 2"}, func(h *Head) { h.SetID(Date, "3") }, "B: 2|Date: 3|"},
		{"added, then dropped", []string{"A: 1"}, func(h *Head) { h.Add("B", "2"); h.Add("C", "3"); h.Drop("b") }, "A: 1|C: 3|"},
		{"a value can't start a line", nil, func(h *Head) { h.Reset(nil); h.Add("A", "1\r\nB: 2\x00\x7f\t") }, "A: 1  B: 2  \t|"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := parsed(tt.lines...)
			tt.change(h)
			if got := text(h); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			var walked string
			for name, value := range h.All() {
				walked += fmt.Sprintf("%s: %s|", name, value)
			}
			if walked != tt.want {
				t.Errorf("All gave %q, want %q", walked, tt.want)
			}
		})
	}
}

func TestHeadLookups(t *testing.T) {
	h := parsed("Via: 1", "X-Own: 2", "VIA: 3", "x-own: 4", "Via-Not: 5")
	h.Add("x-OWN", "6")
	for name, want := range map[string][]string{"via": {"1", "3"}, "X-own": {"2", "4", "6"}, "absent": nil, "Date": nil} {
		if got := slices.Collect(h.Values(name)); !slices.Equal(got, want) {
			t.Errorf("Values(%s) = %q, want %q", name, got, want)
		}
		first, ok := h.Lookup(name)
		if ok != (want != nil) || ok && first != want[0] {
			t.Errorf("Lookup(%s) = %q, %v", name, first, ok)
		}
	}
	if h.Get(Via) != "1" || !h.Has(Via) || h.Get(Date) != "" || h.Has(Date) {
		t.Errorf("Via is %q, Date is %q", h.Get(Via), h.Get(Date))
	}
	h.DropID(Via)
	if h.Has(Via) || h.Get(Via) != "" {
		t.Error("Via is still there")
	}
	h.AddID(Via, "7")
	if h.Get(Via) != "7" {
		t.Errorf("Via is %q", h.Get(Via))
	}
}

func TestHeadIterationsCanEndEarly(t *testing.T) {
	h := parsed("Via: 1", "Via: 2")
	for v := range h.Values("Via") {
		if v != "1" {
			t.Errorf("went on to %q", v)
		}
		break
	}
	for _, v := range h.All() {
		if v != "1" {
			t.Errorf("went on to %q", v)
		}
		break
	}
}

func TestHeadResetForgets(t *testing.T) {
	h := parsed("Via: 1")
	h.Add("A", "b")
	h.Reset(nil)
	if h.Has(Via) || h.Len() != 0 || text(h) != "" {
		t.Errorf("left over: %q", text(h))
	}
}

func TestHeadAllocatesNothingOnceWarm(t *testing.T) {
	raw := []byte("Via: 1\r\nX-Own: 2\r\n")
	var h Head
	dst := make([]byte, 0, 200)
	if n := testing.AllocsPerRun(100, func() {
		h.Reset(raw)
		h.Append(Via, 0, 3, 5, 6, 8)
		h.Append(Other, 8, 13, 15, 16, 18)
		h.Set("X-Own", "3")
		h.SetID(Via, "4")
		for range h.Values("x-own") {
		}
		dst = h.AppendTo(dst[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNamesHaveTheirID(t *testing.T) {
	for id := Other + 1; id < idCount; id++ {
		name := id.String()
		if name == "" {
			t.Fatalf("id %d has no name", id)
		}
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := IDOf(spelling); got != id {
				t.Errorf("IDOf(%s) = %d, want %d", spelling, got, id)
			}
			if got := IDOf([]byte(spelling)); got != id {
				t.Errorf("IDOf of the bytes %s = %d, want %d", spelling, got, id)
			}
		}
	}
	for _, name := range []string{"", "X", "Hosts", "H\x4fst\x00", "Dat\x45\x20", "T\x05", "\x16ia", strings.Repeat("x", 30)} {
		if got := IDOf(name); got != Other {
			t.Errorf("IDOf(%q) = %s", name, got)
		}
	}
}

// A name that differs from a known one in any byte is another, unless only by the case of a letter.
func TestNamesThatDifferInAByteHaveNoID(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for id := Other + 1; id < idCount; id++ {
		for i := range id.String() {
			for _, c := range []byte(token) {
				name := []byte(id.String())
				name[i] = c
				if got, want := IDOf(name) == id, strings.EqualFold(string(name), id.String()); got != want {
					t.Errorf("IDOf(%s) is %s: %v", name, id, got)
				}
			}
		}
	}
}

func TestOnlyLettersHaveTwoCases(t *testing.T) {
	for a := range 128 {
		for b := range 128 {
			x, y := string(rune(a)), string(rune(b))
			if got, want := equalFold(x, y), strings.EqualFold(x, y); got != want {
				t.Errorf("equalFold(%q, %q) = %v", x, y, got)
			}
		}
	}
}
