// Package docs holds the documents to what they say: their examples are valid and serve, their links lead somewhere, and the
// commands and flags that they name exist.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the tree's, as seen from this package.
const root = "../.."

// document is a Markdown file.
type document struct {
	path   string // from the root
	blocks []block
	prose  string // the text without its blocks
}

// block is a fenced block of code.
type block struct {
	language string // the words behind the fence
	line     int    // of the fence
	text     string
}

// fences finds fenced blocks. A block within a list is indented and would be missed: there are none.
var fences = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

// documents reads all that a user or contributor reads.
func documents(t *testing.T) []document {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "proxy/filter/*/README.md", "charts/*/README.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if !slices.Contains(paths, filepath.Join(root, "README.md")) {
		t.Fatalf("no README.md among %v", paths)
	}
	var all []document
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parse(filepath.ToSlash(name), string(text)))
	}
	return all
}

func parse(path, text string) document {
	d := document{path: path, prose: fences.ReplaceAllString(text, "")}
	for _, at := range fences.FindAllStringSubmatchIndex(text, -1) {
		d.blocks = append(d.blocks, block{
			language: text[at[2]:at[3]],
			line:     1 + strings.Count(text[:at[0]], "\n"),
			text:     text[at[4]:at[5]],
		})
	}
	return d
}

// languages are those of the blocks, so that no example escapes its test by a typing error.
var languages = []string{
	"yaml", "yaml secret", "yaml configmap", "yaml values", "json", "sh", "text", "http request", "http upstream", "http answer", "http response",
}

func TestEveryBlockNamesItsLanguage(t *testing.T) {
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if !slices.Contains(languages, b.language) {
				t.Errorf("%s:%d: %q is none of the languages %v", d.path, b.line, b.language, languages)
			}
		}
		if strings.Contains(d.prose, "```") {
			t.Errorf("%s has a fence that is indented or has no end", d.path)
		}
	}
}
