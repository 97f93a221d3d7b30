package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTables(t *testing.T) {
	got, err := tables(`# Words at the top.

## Image

image:
  # Where it is pulled from, in
  # two lines.
  repository: a/b
# Either | or.
pullSecrets: [{name: x}]

## Pods

# What a Pod needs.
resources:
  # Set aside.
  cpu: 100m
# By default computed.
grace: null
`)
	const want = "\n### Image\n\n| Value | Default | Meaning |\n| --- | --- | --- |\n" +
		"| `image.repository` | `\"a/b\"` | Where it is pulled from, in two lines. |\n" +
		"| `pullSecrets` | `[{\"name\":\"x\"}]` | Either \\| or. |\n" +
		"\n### Pods\n\n| Value | Default | Meaning |\n| --- | --- | --- |\n" +
		"| `resources` |  | What a Pod needs. |\n" +
		"| `resources.cpu` | `\"100m\"` | Set aside. |\n" +
		"| `grace` | `null` | By default computed. |\n\n"
	if err != nil || got != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
}

func TestWhatCantBeDocumentedIsRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a value without a comment", "a:\n  b: 1\n", "line 2: a.b has no comment"},
		{"no values", "# nothing\n", "no values"},
		{"no YAML", "a: [", "yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := tables(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it", err, c.want)
			}
		})
	}
}

func TestOnlyWhatStandsBetweenTheMarksIsReplaced(t *testing.T) {
	dir := t.TempDir()
	values, readme := filepath.Join(dir, "values.yaml"), filepath.Join(dir, "README.md")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(values, "# A.\na: 1\n")
	write(readme, "before\n"+begin+"old\n"+end+"after\n")
	if err := run(values, readme); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(readme)
	if want := "before\n" + begin + "| `a` | `1` | A. |\n\n" + end + "after\n"; err != nil || string(got) != want {
		t.Errorf("%v, got %q, want %q", err, got, want)
	}
	write(readme, "no marks\n")
	if err := run(values, readme); err == nil {
		t.Error("a document without marks was written")
	}
}
