package i18n_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/penstock/penstock/proxy/i18n"
)

func load(t *testing.T, files map[string]string) *i18n.Catalogue {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	c, err := i18n.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var languages = map[string]string{
	"de.yaml":    "a.b: {title: Titel, detail: 'Höchstens {0}.'}",
	"en.yaml":    "a.b: {title: Title, detail: 'At most {0}.'}\na.c: {title: C, detail: Only English.}\ninternal: {title: Internal, detail: Oops.}",
	"pt-BR.yaml": "a.b: {title: Título, detail: 'No máximo {0}.'}",
}

func TestTheLanguageThatSuitsBestIsChosen(t *testing.T) {
	c := load(t, languages)
	for _, tt := range []struct{ accept, title, language string }{
		{"", "Title", "en"},
		{"de", "Titel", "de"},
		{"de-CH,de;q=0.9,en;q=0.8", "Titel", "de"},
		{"en;q=0.2, de;q=0.9", "Titel", "de"},
		{"pt", "Título", "pt-BR"},
		{"fr, pt-BR;q=0.5", "Título", "pt-BR"},
		{"fr", "Title", "en"},
		{"*", "Title", "en"},
		{"de;q=0", "Title", "en"},
		{"!!!", "Title", "en"},
		{"de" + strings.Repeat(" ", 1000), "Title", "en"},
	} {
		for range 2 { // the second answer is a remembered one
			title, _, language := c.Text("a.b", nil, tt.accept)
			if title != tt.title || language != tt.language {
				t.Errorf("Accept-Language %q: %q in %s, want %q in %s", tt.accept, title, language, tt.title, tt.language)
			}
		}
	}
}

func TestArgumentsFillTheDetail(t *testing.T) {
	c := load(t, map[string]string{"en.yaml": "a.b: {title: T, detail: '{1} of {0}, {0}, {2}'}"})
	if _, detail, _ := c.Text("a.b", []any{"{1}", 7}, ""); detail != "7 of {1}, {1}, {2}" {
		t.Errorf("detail %q", detail)
	}
}

func TestWhatALanguageLacksIsEnglish(t *testing.T) {
	c := load(t, languages)
	if title, _, language := c.Text("a.c", nil, "de"); title != "C" || language != "en" {
		t.Errorf("%q in %s, want the English text", title, language)
	}
	if title, detail, language := c.Text("no.such", nil, "de"); title != "Internal" || detail != "Oops." || language != "en" {
		t.Errorf("%q, %q in %s, want the text of internal", title, detail, language)
	}
}

func TestClientsCannotGrowTheCatalogue(t *testing.T) {
	c := load(t, languages)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 999 {
				if title, _, _ := c.Text("a.b", nil, "de;q=0."+strconv.Itoa(i+1)); title != "Titel" {
					t.Errorf("title %q, want Titel", title)
				}
			}
		})
	}
	wg.Wait()
	if n := c.Remembered(); n > 256 {
		t.Errorf("%d values remembered", n)
	}
}

func TestFilesAreReadStrictly(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no English":           {"de.yaml": "{}"},
		"no language":          {"en.yaml": "{}", "texts.old.yaml": "{}"},
		"an unknown key":       {"en.yaml": "a.b: {titel: a}"},
		"a code defined twice": {"en.yaml": "a.b: {title: a}\na.b: {title: b}"},
	} {
		fsys := fstest.MapFS{}
		for name, text := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if _, err := i18n.Load(fsys); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOneLanguageNegotiatesNothing(t *testing.T) {
	c := load(t, map[string]string{"en.yaml": languages["en.yaml"]})
	if c.Negotiates() || !load(t, languages).Negotiates() {
		t.Error("one language must not negotiate, several must")
	}
	if n := testing.AllocsPerRun(1000, func() { c.Text("a.c", nil, "de-CH, fr") }); n != 0 {
		t.Errorf("%v allocations a text, want none", n)
	}
}
