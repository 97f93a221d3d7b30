// Package i18n is the message catalogue: the only place with text for clients. A language is a file, named by its BCP 47
// tag, that maps error codes to texts; en.yaml has them all, and another language may lack some.
package i18n

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

//go:embed *.yaml
var files embed.FS

// Message is the text of one code.
type Message struct {
	// Title sums the problem up; it is the same for every occurrence.
	Title string `yaml:"title"`
	// Detail explains it. {0} stands for the first argument of the error, {1} for the second.
	Detail string `yaml:"detail"`
	// Advice tells the operator what to do. It goes into the reference, never to clients; only English has it.
	Advice string `yaml:"advice"`
}

const (
	// unknown is the code whose text stands in for a code that the catalogue lacks.
	unknown = "internal"
	// maxHeader bounds the Accept-Language that is read, in bytes; a longer one counts as none.
	maxHeader = 256
	// maxCached bounds the Accept-Language values that are remembered.
	maxCached = 256
)

// Catalogue holds the texts of all languages. It is safe for concurrent use.
type Catalogue struct {
	// languages are the tags, English first; texts has the same order.
	languages []string
	texts     []map[string]Message
	matcher   language.Matcher

	mu     sync.RWMutex // guards chosen
	chosen map[string]int
}

// Embedded returns the catalogue that the binary contains.
func Embedded() (*Catalogue, error) { return Load(files) }

// Load reads every *.yaml file of fsys. There must be an en.yaml.
func Load(fsys fs.FS) (*Catalogue, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	if i := slices.Index(names, "en.yaml"); i >= 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, "en.yaml")
	} else {
		return nil, fmt.Errorf("message catalogue: no en.yaml")
	}
	c := &Catalogue{chosen: map[string]int{}}
	var tags []language.Tag
	for _, name := range names {
		tag, texts, err := read(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("message catalogue %s: %w", name, err)
		}
		tags = append(tags, tag)
		c.languages = append(c.languages, tag.String())
		c.texts = append(c.texts, texts)
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

func read(fsys fs.FS, name string) (language.Tag, map[string]Message, error) {
	tag, err := language.Parse(strings.TrimSuffix(path.Base(name), ".yaml"))
	if err != nil {
		return tag, nil, err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return tag, nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading: nothing to lose
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	var texts map[string]Message
	return tag, texts, d.Decode(&texts)
}

// Negotiates reports whether there is more than one language, so that answers depend on Accept-Language.
func (c *Catalogue) Negotiates() bool { return len(c.languages) > 1 }

// Text returns the title and the detail of a code in the language that suits acceptLanguage best (RFC 9110 §12.5.4), and
// that language's tag. A code without text in that language has it in English. With English alone and without arguments it
// does not allocate.
func (c *Catalogue) Text(code string, args []any, acceptLanguage string) (title, detail, lang string) {
	i := c.choose(acceptLanguage)
	m, ok := c.texts[i][code]
	if !ok {
		i = 0
		if m, ok = c.texts[i][code]; !ok {
			m = c.texts[i][unknown]
		}
	}
	return m.Title, fill(m.Detail, args), c.languages[i]
}

// choose returns the index of the best language.
func (c *Catalogue) choose(accept string) int {
	if len(c.languages) == 1 || accept == "" || len(accept) > maxHeader {
		return 0
	}
	c.mu.RLock()
	i, ok := c.chosen[accept]
	c.mu.RUnlock()
	if ok {
		return i
	}
	// An unreadable field gives no tags, and the matcher then its default, English.
	tags, _, _ := language.ParseAcceptLanguage(accept)
	_, i, _ = c.matcher.Match(tags...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.chosen) >= maxCached {
		clear(c.chosen) // clients choose the values: forget rather than grow
	}
	c.chosen[strings.Clone(accept)] = i
	return i
}

// fill puts the arguments into a template. A placeholder without argument stays.
func fill(template string, args []any) string {
	if len(args) == 0 {
		return template
	}
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", fmt.Sprint(a))
	}
	return strings.NewReplacer(pairs...).Replace(template)
}
