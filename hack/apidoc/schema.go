package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// schema is what the document says of an OpenAPI schema.
type schema struct {
	Type        string            `json:"type"`
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Properties  map[string]schema `json:"properties"`
	Required    []string          `json:"required"`
	Items       *schema           `json:"items"`
	Default     json.RawMessage   `json:"default"`
	Enum        []json.RawMessage `json:"enum"`
	Pattern     string            `json:"pattern"`
	Minimum     *float64          `json:"minimum"`
	Maximum     *float64          `json:"maximum"`
	MinLength   *int64            `json:"minLength"`
	MaxLength   *int64            `json:"maxLength"`
	MinItems    *int64            `json:"minItems"`
	MaxItems    *int64            `json:"maxItems"`
	IntOrString bool              `json:"x-kubernetes-int-or-string"`
	ListType    string            `json:"x-kubernetes-list-type"`
	ListKeys    []string          `json:"x-kubernetes-list-map-keys"`
	Rules       []struct {
		Rule    string `json:"rule"`
		Message string `json:"message"`
	} `json:"x-kubernetes-validations"`
}

// object returns the schema that holds the fields of a field: its own or that of its items.
func (s schema) object() (fields schema, suffix string, ok bool) {
	switch {
	case s.Type == "object":
		return s, "", true
	case s.Items != nil && s.Items.Type == "object":
		return *s.Items, "[]", true
	}
	return schema{}, "", false
}

// kind says the type in words: "list of string".
func (s schema) kind() string {
	switch {
	case s.IntOrString:
		return "integer or string"
	case s.Items != nil:
		return "list of " + s.Items.kind()
	case s.Type == "integer" && s.Format != "":
		return s.Format
	}
	return s.Type
}

// bounds says what the schema asks of a value, in one line each.
func (s schema) bounds() []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if len(s.Enum) > 0 {
		say("one of %s", codes(s.Enum))
	}
	if text := span(s.Minimum, s.Maximum); text != "" {
		say("%s", text)
	}
	if text := span(s.MinLength, s.MaxLength); text != "" {
		say("%s characters", text)
	}
	if text := span(s.MinItems, s.MaxItems); text != "" {
		say("%s items", text)
	}
	switch s.ListType {
	case "set":
		say("no item twice")
	case "map":
		say("no %s twice", strings.Join(s.ListKeys, ", "))
	}
	if s.Pattern != "" {
		say("matching %s", code(s.Pattern))
	}
	if s.Items != nil && s.Items.Type != "object" {
		if inner := s.Items.bounds(); len(inner) > 0 {
			say("each %s", strings.Join(inner, ", "))
		}
	}
	return all
}

// span says a range: "1 to 63", "at most 63".
func span[N int64 | float64](low, high *N) string {
	number := func(n N) string { return fmt.Sprintf("%.0f", float64(n)) }
	switch {
	case low != nil && high != nil:
		return number(*low) + " to " + number(*high)
	case high != nil:
		return "at most " + number(*high)
	case low != nil:
		return "at least " + number(*low)
	}
	return ""
}

func codes(values []json.RawMessage) string {
	var all []string
	for _, v := range values {
		all = append(all, literal(v))
	}
	return strings.Join(all, ", ")
}

func literal(v json.RawMessage) string { return code(strings.Trim(string(v), `"`)) }

// code sets text as code, with a fence that the text itself does not hold.
func code(text string) string {
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + text + " " + fence
	}
	return fence + text + fence
}

// sortedFields returns the fields of an object: the required ones first, then the others, each by name.
func (s schema) sortedFields() []string {
	names := slices.Sorted(maps.Keys(s.Properties))
	slices.SortStableFunc(names, func(a, b string) int {
		return rank(s, a) - rank(s, b)
	})
	return names
}

func rank(s schema, name string) int {
	if slices.Contains(s.Required, name) {
		return 0
	}
	return 1
}
