package translate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock/penstock/api/v1alpha1"
)

// elsewhere are the reasons that no translation gives, with who does.
var elsewhere = map[string]string{
	v1alpha1.ReasonProgrammed:  "given once the snapshot is applied",
	v1alpha1.ReasonServing:     "given once the replicas have reported",
	v1alpha1.ReasonReplicasLag: "given once the replicas have reported",
}

func TestEveryReasonHasAGoldenCase(t *testing.T) {
	shown := readAll(t, "testdata/*/out.yaml")
	for _, reason := range apiReasons(t) {
		given := strings.Contains(shown, "("+reason+", generation ")
		if _, not := elsewhere[reason]; given == not {
			t.Errorf("reason %s: in a golden case: %t, listed as given elsewhere: %t", reason, given, not)
		}
	}
}

func readAll(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// apiReasons returns the values of the constants Reason* of the API.
func apiReasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, value)
		return true
	})
	if len(out) == 0 {
		t.Fatal("the API has no reasons")
	}
	return out
}
