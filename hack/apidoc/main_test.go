package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestReferenceIsCurrent(t *testing.T) {
	want, err := generate("../../" + constants)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../" + reference)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run go run ./hack/apidoc", reference)
	}
}

func TestLinksLeadToHeadings(t *testing.T) {
	text, err := generate("../../" + constants)
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchors[anchor(heading[1])] = true
	}
	links := regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(text, -1)
	if len(links) == 0 {
		t.Error("no links")
	}
	for _, link := range links {
		if !anchors[link[1]] {
			t.Errorf("no heading for #%s", link[1])
		}
	}
}

func TestEverySectionNamesItsObjectOnce(t *testing.T) {
	text, err := generate("../../" + constants)
	if err != nil {
		t.Fatal(err)
	}
	for _, heading := range []string{"### GatewayRoute spec.rules[].matches[].path\n", "### RateLimitPolicy spec.limits[]\n", "- **Shadowed** "} {
		if n := strings.Count(text, heading); n != 1 {
			t.Errorf("%q stands %d times", heading, n)
		}
	}
}
