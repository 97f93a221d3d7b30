package exchange

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string) *Claims {
	t.Helper()
	c, err := ParseClaims([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClaimsKeepTheirTypes(t *testing.T) {
	c := parse(t, `{"sub": "u", "n": 9007199254740993, "f": 1.5, "b": true, "z": null, "l": ["a", 1], "o": {"x": {}}}`)
	want := map[string]any{
		"sub": "u", "n": int64(9007199254740993), "f": 1.5, "b": true, "z": nil, "l": []any{"a", int64(1)},
		"o": map[string]any{"x": map[string]any{}},
	}
	if diff := cmp.Diff(want, c.Members()); diff != "" {
		t.Error(diff)
	}
}

func TestClaimsRefuseWhatReadersMightDisagreeAbout(t *testing.T) {
	for name, text := range map[string]string{
		"a name twice":         `{"sub": "a", "sub": "b"}`,
		"a name twice, deeper": `{"o": [{"a": 1, "a": 1}]}`,
		"escaped, it is twice": `{"sub": "a", "s\u0075b": "b"}`,
		"no object":            `["sub"]`,
		"more than one":        `{"sub": "a"} {}`,
		"cut off":              `{"sub": "a"`,
		"no JSON":              `sub`,
		"nothing":              ``,
		"a number too large":   `{"n": 1e999}`,
		"too deep":             `{"a":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`,
	} {
		if c, err := ParseClaims([]byte(text)); err == nil {
			t.Errorf("%s: %v", name, c.Members())
		}
	}
}

func TestClaimsAreFoundByNameThenByPath(t *testing.T) {
	c := parse(t, `{"a": {"b": {"c": 1}, "b.c": 2}, "a.x": 3, "https://e.org/r": {"s": 4}, "flat": "f"}`)
	for path, want := range map[string]any{
		"a.b.c": int64(2), "a.x": int64(3), "flat": "f", "a.b": map[string]any{"c": int64(1)},
		"a.y": nil, "flat.x": nil, "": nil, ".": nil, "https://e.org/r": map[string]any{"s": int64(4)},
	} {
		got, ok := c.Lookup(path)
		if diff := cmp.Diff(want, got); diff != "" || ok != (want != nil) {
			t.Errorf("%s: %v\n%s", path, ok, diff)
		}
	}
	if v, ok := (*Claims)(nil).Lookup("sub"); ok || v != nil {
		t.Errorf("of nothing: %v", v)
	}
}

func TestClaimsAsText(t *testing.T) {
	c := parse(t, `{"s": "x", "n": -5, "f": 0.5, "b": false, "l": ["a", 7], "e": [], "o": {}, "z": null, "m": ["a", {}]}`)
	for path, want := range map[string]string{"s": "x", "n": "-5", "f": "0.5", "b": "false", "l": "a,7", "e": ""} {
		if got, ok := c.AppendText([]byte("> "), path); !ok || string(got) != "> "+want {
			t.Errorf("%s: %q, %v", path, got, ok)
		}
	}
	for _, path := range []string{"o", "z", "m", "none"} {
		if got, ok := c.AppendText([]byte("> "), path); ok || string(got) != "> " {
			t.Errorf("%s: %q, %v", path, got, ok)
		}
	}
}

func TestClaimsAreReadWithoutAllocating(t *testing.T) {
	c := parse(t, `{"sub": "u", "realm_access": {"roles": ["a", "b"]}}`)
	var buffer [64]byte
	if n := testing.AllocsPerRun(100, func() {
		_ = c.String("sub")
		_, _ = c.AppendText(buffer[:0], "realm_access.roles")
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
