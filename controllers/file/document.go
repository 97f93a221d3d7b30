package file

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/proxy/yield"
)

// document is one object of a manifest, or what could be made out of it. It does not change once it was read.
type document struct {
	from     *manifest
	line     int
	digest   digest        // of its text
	ref      ref           // zero if it could not be made out
	object   metav1.Object // nil if there are problems
	problems []Problem
}

func (d *document) blame(field, message string) {
	d.problems = append(d.problems, d.problem(field, message))
}

// problem is one of this document.
func (d *document) problem(field, message string) Problem {
	return Problem{File: d.from.path, Line: d.line, Object: d.ref.String(), Field: field, Message: message}
}

// compareDocuments orders by path and line.
func compareDocuments(a, b *document) int {
	return cmp.Or(cmp.Compare(a.from.place, b.from.place), cmp.Compare(a.line, b.line))
}

// digest tells texts apart.
type digest [sha256.Size]byte

// part is the text of one document.
type part struct {
	text []byte
	line int // of its first line that is neither blank nor a comment, from 1
	skip int // lines of the file before the text
}

// split cuts a file at its document markers: lines that start with "---" and end there or go on with white space.
// Parts with nothing but comments are left out.
func split(text []byte) []part {
	var parts []part
	open, start, read := part{}, 0, 0
	end := func() {
		if open.line > 0 {
			open.text = text[start:read]
			parts = append(parts, open)
		}
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		content := line
		if rest, ok := afterMarker(line); ok {
			end()
			open, start, content = part{skip: number - 1}, read+len(line)-len(rest), rest
		}
		content = bytes.TrimSpace(content)
		if open.line == 0 && len(content) > 0 && content[0] != '#' {
			open.line = number
		}
		read += len(line)
	}
	end()
	return parts
}

// afterMarker returns what follows a document marker on its line.
func afterMarker(line []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	if !ok || len(bytes.TrimLeft(rest, " \t\r\n")) == len(rest) && len(rest) > 0 {
		return nil, false
	}
	return rest, true
}

// noField is how a field.Error without path has it.
var noField = (*field.Path)(nil).String()

// decode makes an object of a part of a file, or says why it cannot.
func (d *document) decode(p part, turns *yield.Turns) {
	content, err := parse(p.text, turns)
	if err != nil {
		// Once more with the lines before it, so that the message counts them.
		_, err = parse(append(bytes.Repeat([]byte("\n"), p.skip), p.text...), turns)
		d.blame("", strings.ReplaceAll(err.Error(), "\n ", ""))
		return
	}
	u := &unstructured.Unstructured{Object: content}
	if u.GetNamespace() == "" && isNamespaced(u.GroupVersionKind()) {
		u.SetNamespace(metav1.NamespaceDefault)
	}
	if u.GetName() != "" && u.GetKind() != "" {
		d.ref = ref{kind: u.GetKind(), namespace: u.GetNamespace(), name: u.GetName()}
	}
	k, ok := kinds[u.GroupVersionKind()]
	if !ok {
		d.blame("", fmt.Sprintf("kind %q of apiVersion %q is not supported", u.GetKind(), u.GetAPIVersion()))
		return
	}
	turns.Next()
	object, errs := k.decode(u, turns)
	turns.Next()
	for _, err := range errs {
		d.blame(strings.TrimPrefix(err.Field, noField), err.ErrorBody())
	}
	if len(errs) == 0 {
		d.object = object
	}
}

// parse reads YAML, and JSON with it, into the generic form. A key that comes twice is an error.
func parse(text []byte, turns *yield.Turns) (map[string]any, error) {
	converted, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	turns.Next()
	var content map[string]any
	if err := json.Unmarshal(converted, &content); err != nil {
		return nil, errors.New("the document is not an object")
	}
	if metadata, ok := content["metadata"]; ok {
		if _, ok := metadata.(map[string]any); !ok {
			return nil, errors.New("metadata is not an object")
		}
	}
	return content, nil
}

// unknownField is the error for a field that no schema knows.
func unknownField(path string) *field.Error {
	return &field.Error{Type: field.ErrorTypeForbidden, Field: path, Detail: "unknown field"}
}
