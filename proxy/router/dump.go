package router

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/penstock/penstock/proxy/snapshot"
)

// Dump writes the table as text: below each listener its hosts, below each host its matches in the order in which
// they are tried, with the ID of the route and the number of the match.
func (t *Table) Dump(w io.Writer) error {
	out := new(bytes.Buffer)
	fmt.Fprintf(out, "version %s\n", t.Version())
	for _, name := range slices.Sorted(maps.Keys(t.listeners)) {
		fmt.Fprintf(out, "listener %s\n", name)
		hosts := t.listeners[name].all()
		for _, key := range slices.Sorted(maps.Keys(hosts)) {
			fmt.Fprintf(out, "  host %s\n", hostOfKey(key))
			for _, c := range candidatesOf(hosts[key]) {
				fmt.Fprintf(out, "    %s -> %s[%d]\n", describe(c.spec)+depth(key, c), c.route.ID, c.index)
			}
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// candidatesOf returns the candidates of one host by precedence.
func candidatesOf(p *paths) (all []*candidate) {
	for l := range p.Values() {
		all = append(all, slices.Concat(l.lists[:]...)...)
	}
	slices.SortFunc(all, (*candidate).compare)
	return all
}

// depth says what a candidate asks of the names below a wildcard.
func depth(key string, c *candidate) string {
	if c.oneLabel && strings.HasPrefix(key, ".") {
		return " of one label"
	}
	return ""
}

func describe(m *snapshot.Match) string {
	parts := []string{pattern(m.Path)}
	if len(m.Methods) > 0 {
		parts = append(parts, strings.Join(m.Methods, ","))
	}
	for _, group := range []struct {
		what string
		list []snapshot.Predicate
	}{{"header", m.Headers}, {"query", m.Query}, {"cookie", m.Cookies}} {
		for _, p := range group.list {
			parts = append(parts, describePredicate(group.what, p))
		}
	}
	return strings.Join(parts, " ")
}

func describePredicate(what string, p snapshot.Predicate) string {
	s := what + " " + p.Name
	if p.Invert {
		s = "not " + s
	}
	switch p.Type {
	case snapshot.ValueExact:
		return fmt.Sprintf("%s = %q", s, p.Value)
	case snapshot.ValueRegex:
		return fmt.Sprintf("%s ~ %q", s, p.Value)
	}
	return s
}
