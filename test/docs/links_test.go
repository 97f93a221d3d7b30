package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	links    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#+ (.+)$`)
	spans    = regexp.MustCompile("`([^`\n]+)`")
	// paths are code spans that begin with a folder of the tree.
	paths = regexp.MustCompile(`^(?:\.ci|api|charts|cmd|config|controllers|docs|hack|proxy|test)/[A-Za-z0-9_./-]*$`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, d := range documents(t) {
		text := spans.ReplaceAllString(d.prose, "") // patterns look like links
		for _, link := range links.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") {
				continue // that others keep their word is not tested
			}
			at := d.path
			if target != "" {
				at = path.Join(path.Dir(d.path), target)
			}
			info, err := os.Stat(filepath.Join(root, at))
			if err != nil {
				t.Errorf("%s: link to %s: %v", d.path, link[1], err)
				continue
			}
			if anchor != "" && (info.IsDir() || !anchors(t, at)[anchor]) {
				t.Errorf("%s: link to %s: there is no such heading", d.path, link[1])
			}
		}
	}
}

// anchors are the headings of a document as links name them.
func anchors(t *testing.T, name string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, h := range headings.FindAllStringSubmatch(string(text), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(h[1]))
		all[slug] = true
	}
	return all
}

func TestPathsThatAreNamedExist(t *testing.T) {
	for _, d := range documents(t) {
		for _, span := range spans.FindAllStringSubmatch(d.prose, -1) {
			for word := range strings.FieldsSeq(span[1]) {
				checkPath(t, d.path, word)
			}
		}
		for _, b := range d.blocks {
			if b.language != "sh" {
				continue
			}
			for word := range strings.FieldsSeq(b.text) {
				checkPath(t, d.path, word)
			}
		}
	}
}

func checkPath(t *testing.T, document, word string) {
	t.Helper()
	if !paths.MatchString(word) {
		return
	}
	if _, err := os.Stat(filepath.Join(root, word)); err != nil {
		t.Errorf("%s names a path: %v", document, err)
	}
}
