package chart

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	blocks = regexp.MustCompile("(?ms)^```(sh|yaml values)\n(.*?)^```$")
	// documents are those that tell how to install.
	documents = []string{"README.md", "docs/install.md", "docs/operations.md", "charts/penstock/README.md"}
)

// Commands of Helm in documents, and the values that they show, render.
func TestWhatDocumentsTellHelmRenders(t *testing.T) {
	commands, examples := 0, 0
	for _, name := range documents {
		for _, b := range blocks.FindAllStringSubmatch(read(t, name), -1) {
			if b[1] == "yaml values" {
				examples++
				if _, err := tryRender(t, b[2]); err != nil {
					t.Errorf("%s: %v\n%s", name, err, b[2])
				}
				continue
			}
			for line := range strings.SplitSeq(strings.ReplaceAll(b[2], "\\\n", " "), "\n") {
				words := strings.Fields(strings.ReplaceAll(line, "'", ""))
				if len(words) < 2 || words[0] != "helm" || words[1] != "install" && words[1] != "upgrade" {
					continue
				}
				commands++
				// What concerns the release that is there already, template has not.
				words = slices.DeleteFunc(words[2:], func(w string) bool { return w == "--install" || w == "--reset-then-reuse-values" })
				for i := range words {
					words[i] = strings.Replace(words[i], "charts/penstock", path, 1)
				}
				if _, err := helm(append([]string{"template"}, words...)...); err != nil {
					t.Errorf("%s: %s: %v", name, line, err)
				}
			}
		}
	}
	if commands < 4 || examples < 4 {
		t.Errorf("%d commands and %d examples were found: too few", commands, examples)
	}
}
