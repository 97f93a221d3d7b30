package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// group is a declaration of constants with its comment.
type group struct {
	about  string
	values []value
}

// value is a constant: what stands in a condition, and what its comment says after the constant's name.
type value struct{ text, about string }

// groups returns the documented groups of string constants of a Go file.
func groups(path string) ([]group, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var all []group
	for _, declared := range file.Decls {
		consts, ok := declared.(*ast.GenDecl)
		if !ok || consts.Tok != token.CONST {
			continue
		}
		g := group{about: join(consts.Doc.Text())}
		for _, spec := range consts.Specs {
			v, err := constant(spec.(*ast.ValueSpec)) // a const declaration holds nothing else
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			g.values = append(g.values, v)
		}
		all = append(all, g)
	}
	return all, nil
}

func constant(spec *ast.ValueSpec) (value, error) {
	name := spec.Names[0].Name
	about, ok := strings.CutPrefix(join(spec.Doc.Text()), name+" ")
	if !ok {
		return value{}, fmt.Errorf("the comment of %s does not start with its name", name)
	}
	if len(spec.Values) != 1 {
		return value{}, fmt.Errorf("%s has no value of its own", name)
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return value{}, fmt.Errorf("%s is not a literal", name)
	}
	text, err := strconv.Unquote(literal.Value)
	return value{text, about}, err
}

func join(lines string) string { return strings.Join(strings.Fields(lines), " ") }

func writeConditions(out *strings.Builder, groups []group) {
	out.WriteString("\n## Conditions\n\n" +
		"Conditions have the form of Kubernetes' own: type, status (True, False, Unknown), reason, message, lastTransitionTime, and\n" +
		"observedGeneration, the generation of the object that they were computed for.\n")
	for _, g := range groups {
		fmt.Fprintf(out, "\n%s\n\n", prose(g.about))
		for _, v := range g.values {
			fmt.Fprintf(out, "- **%s** %s\n", v.text, prose(v.about))
		}
	}
}
