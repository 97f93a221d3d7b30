package i18n_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

// occurrence is one place in the source that makes an error of some code.
type occurrence struct {
	code   string
	status int
	source exchange.Source
	at     token.Position
}

var isCode = regexp.MustCompile(`^(internal|[a-z0-9]+\.[a-z0-9_]+)$`)

// scan finds the codes in the source of the data plane: a string in the form of a code that stands in one composite literal
// with a status, be it of an exchange.Error or of a table that errors are made from.
func scan(t *testing.T) []occurrence {
	t.Helper()
	s := scanner{fset: token.NewFileSet(), statuses: httpStatuses(t)}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(s.fset, path, nil, parser.SkipObjectResolution)
		if err == nil {
			ast.Inspect(f, s.visit)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.found
}

type scanner struct {
	fset     *token.FileSet
	statuses map[string]int
	found    []occurrence
}

func (s *scanner) visit(n ast.Node) bool {
	literal, ok := n.(*ast.CompositeLit)
	if !ok {
		return true
	}
	o := occurrence{at: s.fset.Position(n.Pos())}
	for _, e := range literal.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			e = kv.Value
		}
		s.read(e, &o)
	}
	if o.code != "" && o.status != 0 {
		if o.source == "" && strings.HasPrefix(o.code, "request.") {
			o.source = exchange.FromClient // a table of what clients do wrong needs no column for it
		}
		s.found = append(s.found, o)
	}
	return true
}

func (s *scanner) read(e ast.Expr, o *occurrence) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if n, err := strconv.Atoi(e.Value); err == nil && 400 <= n && n <= 599 {
			o.status = n
		}
		if v, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING && o.code == "" && isCode.MatchString(v) {
			o.code = v
		}
	case *ast.Ident:
		s.name(e.Name, o)
	case *ast.SelectorExpr:
		s.name(e.Sel.Name, o)
	}
}

func (s *scanner) name(name string, o *occurrence) {
	sources := map[string]exchange.Source{
		"FromClient": exchange.FromClient, "FromGateway": exchange.FromGateway, "FromUpstream": exchange.FromUpstream,
	}
	if source, ok := sources[name]; ok {
		o.source = source
	}
	if status, ok := s.statuses[name]; ok {
		o.status = status
	}
}

// httpStatuses are net/http's constants by name, and ours.
func httpStatuses(t *testing.T) map[string]int {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(build.Default.GOROOT, "src/net/http/status.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{"StatusClientClosed": exchange.StatusClientClosed}
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if v, ok := spec.Values[0].(*ast.BasicLit); ok {
				if n, err := strconv.Atoi(v.Value); err == nil {
					all[spec.Names[0].Name] = n
				}
			}
		}
		return true
	})
	return all
}
