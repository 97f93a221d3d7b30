package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// section is one object of a kind's schema: "spec.rules[]".
type section struct {
	path   string
	schema schema
}

// kindWriter writes the sections of one kind. Equal objects are written once, and referred to from elsewhere.
type kindWriter struct {
	out    *strings.Builder
	kind   string
	places map[string]string // the path of an object's section, by its content
	queue  []section
}

func writeKind(out *strings.Builder, d definition) {
	names := d.Spec.Names
	for _, version := range d.Spec.Versions {
		root := version.Schema.OpenAPIV3Schema
		fmt.Fprintf(out, "\n## %s\n\n%s\n\n", names.Kind, prose(root.Description))
		fmt.Fprintf(out, "- apiVersion: %s\n- kind: %s (%s)\n- short names: %s; categories: %s\n",
			code(d.Spec.Group+"/"+version.Name), code(names.Kind), strings.ToLower(d.Spec.Scope),
			list(names.ShortNames), list(names.Categories))
		w := &kindWriter{out: out, kind: names.Kind, places: map[string]string{}}
		for _, part := range []string{"spec", "status"} {
			w.place(part, root.Properties[part])
		}
		for ; len(w.queue) > 0; w.queue = w.queue[1:] {
			w.writeSection(w.queue[0])
		}
	}
}

// place returns the path of the section of an object, which it queues if it is new.
func (w *kindWriter) place(path string, s schema) string {
	// The description belongs to the type; beneath it two objects are equal if they ask the same.
	content, err := json.Marshal([]any{s.Properties, s.Required, s.Rules})
	if err != nil {
		panic(err) // plain data read from YAML
	}
	if known, ok := w.places[string(content)]; ok {
		return known
	}
	w.places[string(content)] = path
	w.queue = append(w.queue, section{path, s})
	return path
}

func (w *kindWriter) writeSection(s section) {
	fmt.Fprintf(w.out, "\n### %s %s\n\n%s\n", w.kind, s.path, prose(s.schema.Description))
	if len(s.schema.Rules) > 0 {
		w.out.WriteString("\nRules:\n\n")
	}
	for _, r := range s.schema.Rules {
		fmt.Fprintf(w.out, "- %s\n", prose(r.Message))
	}
	w.out.WriteString("\nFields:\n\n")
	for _, name := range s.schema.sortedFields() {
		w.writeField(s, name)
	}
}

func (w *kindWriter) writeField(s section, name string) {
	field := s.schema.Properties[name]
	fmt.Fprintf(w.out, "- **%s** (%s)  \n  %s\n", name, strings.Join(w.facts(s, name), "; "), indent(prose(field.Description)))
	for _, r := range field.Rules {
		if _, _, isObject := field.object(); !isObject || field.Items != nil {
			fmt.Fprintf(w.out, "  Rule: %s.\n", r.Message)
		}
	}
	if field.Items != nil && field.Items.Type != "object" {
		for _, r := range field.Items.Rules {
			fmt.Fprintf(w.out, "  Rule: %s.\n", r.Message)
		}
	}
}

// facts are a field's type, whether it must be there, its default and its bounds.
func (w *kindWriter) facts(s section, name string) []string {
	field := s.schema.Properties[name]
	facts := []string{field.kind()}
	if object, suffix, ok := field.object(); name == "conditions" {
		facts[0] = "list of [conditions](#conditions)"
	} else if ok {
		place := w.place(s.path+"."+name+suffix, object)
		facts[0] = strings.Replace(facts[0], "object", fmt.Sprintf("[object](#%s)", anchor(w.kind+" "+place)), 1)
	}
	if slices.Contains(s.schema.Required, name) {
		facts = append(facts, "required")
	}
	if field.Default != nil {
		facts = append(facts, "default "+literal(field.Default))
	}
	return append(facts, field.bounds()...)
}

// anchor is the id that Markdown gives a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case strings.ContainsRune(".[]", r):
			return -1
		}
		return r
	}, strings.ToLower(heading))
}

// prose escapes what Markdown would take for its own.
func prose(text string) string {
	return strings.NewReplacer("*", `\*`, "<", `\<`).Replace(text)
}

func indent(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }

func list(names []string) string {
	var all []string
	for _, n := range names {
		all = append(all, code(n))
	}
	return strings.Join(all, ", ")
}
