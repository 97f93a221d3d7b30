// Command chartdoc writes the tables of values in charts/penstock/README.md from the comments in values.yaml. Run it from the
// root of the repository.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	values = "charts/penstock/values.yaml"
	readme = "charts/penstock/README.md"

	// The tables stand between these lines.
	begin = "<!-- Generated from values.yaml by hack/chartdoc: edit the comments there. -->\n"
	end   = "<!-- End of what is generated. -->\n"
)

func main() {
	if err := run(values, readme); err != nil {
		fmt.Fprintln(os.Stderr, "chartdoc:", err)
		os.Exit(1)
	}
}

func run(values, readme string) error {
	text, err := os.ReadFile(values)
	if err != nil {
		return err
	}
	tables, err := tables(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", values, err)
	}
	document, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(document), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the two comments between which the tables stand are missing", readme)
	}
	return os.WriteFile(readme, []byte(before+begin+tables+end+after), 0o644) //nolint:gosec // a document, for everyone to read
}

// tables returns a table for each section of a values file.
func tables(text string) (string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return "", err
	}
	if len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return "", errors.New("there are no values")
	}
	w := writer{lines: strings.Split(text, "\n")}
	err := w.mapping("", root.Content[0])
	return w.out.String() + "\n", err
}

type writer struct {
	lines []string
	next  int // the line from which sections are yet to be looked for
	out   strings.Builder
}

func (w *writer) mapping(prefix string, node *yaml.Node) error {
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name, comment := prefix+key.Value, w.comment(key)
		nested := value.Kind == yaml.MappingNode && len(value.Content) > 0
		w.sections(key.Line)
		switch {
		case comment == "" && !nested:
			return fmt.Errorf("line %d: %s has no comment", key.Line, name)
		case comment != "" && nested:
			w.row(name, "", comment)
		case comment != "":
			standard, err := standard(value)
			if err != nil {
				return fmt.Errorf("line %d: %s: %w", key.Line, name, err)
			}
			w.row(name, standard, comment)
		}
		if !nested {
			continue
		}
		if err := w.mapping(name+".", value); err != nil {
			return err
		}
	}
	return nil
}

// sections begins the tables of the sections whose titles stand above a line.
func (w *writer) sections(line int) {
	for ; w.next < line; w.next++ {
		if title, ok := strings.CutPrefix(w.lines[w.next], "## "); ok {
			fmt.Fprintf(&w.out, "\n### %s\n\n| Value | Default | Meaning |\n| --- | --- | --- |\n", title)
		}
	}
}

// comment joins the lines of comment right above a key.
func (w *writer) comment(key *yaml.Node) (text string) {
	indent := strings.Repeat(" ", key.Column-1) + "# "
	for i := key.Line - 2; i >= 0; i-- {
		line, ok := strings.CutPrefix(w.lines[i], indent)
		if !ok {
			break
		}
		text = strings.TrimSpace(line + " " + text)
	}
	return text
}

func (w *writer) row(name, standard, meaning string) {
	if standard != "" {
		standard = "`" + standard + "`"
	}
	fmt.Fprintf(&w.out, "| `%s` | %s | %s |\n", name, standard, strings.ReplaceAll(meaning, "|", `\|`))
}

// standard is the default as JSON, which is YAML as well.
func standard(node *yaml.Node) (string, error) {
	var v any
	if err := node.Decode(&v); err != nil {
		return "", err
	}
	b, err := json.Marshal(v)
	return string(b), err
}
