package observe_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/penstock/penstock/proxy/observe"
)

const root, reference = "../..", "../../docs/reference/metrics.md"

var (
	row         = regexp.MustCompile("(?m)^\\| `(gateway_[a-z_]+)` \\| ([a-z]+) \\| (.*?) ?\\| ")
	description = regexp.MustCompile(`fqName: "(gateway_[a-z_]+)".*constLabels: \{(.*)\}, variableLabels: \{([^}]*)\}`)
	constant    = regexp.MustCompile(`(\w+)="`)
	isMetric    = regexp.MustCompile(`^gateway_[a-z_]+$`)
)

// documented are the labels of the metrics in the reference, by name.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = strings.ReplaceAll(m[3], "`", "")
	}
	return all
}

// named are the metrics that appear by name in the source, with the place.
func named(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, tree := range []string{"proxy", "controllers", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, tree), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok {
					if v, err := strconv.Unquote(literal.Value); err == nil && isMetric.MatchString(v) {
						all[v] = path
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestTheReferenceListsEveryMetric(t *testing.T) {
	documented, named := documented(t), named(t)
	for name, path := range named {
		if _, ok := documented[name]; !ok {
			t.Errorf("metric %s (%s) is not in %s", name, path, reference)
		}
	}
	for name := range documented {
		if _, ok := named[name]; !ok {
			t.Errorf("%s lists %s, which nothing exports", reference, name)
		}
	}
}

func TestBucketsAreTheDocumentedOnes(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	var bounds []string
	for _, b := range observe.Buckets {
		bounds = append(bounds, strconv.FormatFloat(b.Seconds(), 'f', -1, 64))
	}
	if want := strings.Join(bounds, ", ") + "."; !strings.Contains(string(text), want) {
		t.Errorf("%s does not list the buckets %s", reference, want)
	}
}

// all returns a registry with every metric of this package, each with a value.
func all(t *testing.T) *prometheus.Registry {
	t.Helper()
	r := observe.NewRegistry("v1.2.3")
	requests := observe.NewRequests(0)
	m := requests.Meter("a/b/0", []string{"/"})
	m.Count(0, 0, 200, time.Millisecond)
	t.Cleanup(func() { runtime.KeepAlive(m) })
	var config observe.Config
	config.Applied("digest", time.Unix(1, 500e6))
	l := observe.NewAccessLog(&sink{})
	t.Cleanup(l.Close)
	decisions := observe.NewDecisions()
	decisions.Decision("cors", "allowed").Inc()
	r.MustRegister(requests, decisions, &config, l.Metrics())
	return r
}

func TestLabelsAreTheDocumentedOnes(t *testing.T) {
	descs := make(chan *prometheus.Desc)
	go func() {
		all(t).Describe(descs)
		close(descs)
	}()
	documented, seen := documented(t), 0
	for d := range descs {
		m := description.FindStringSubmatch(d.String())
		if m == nil {
			continue // of the Go runtime or the process
		}
		seen++
		var labels []string
		for _, c := range constant.FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, c[1])
		}
		labels = append(labels, strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' })...)
		if got, want := strings.Join(labels, ", "), documented[m[1]]; got != want {
			t.Errorf("%s has labels %q, the reference says %q", m[1], got, want)
		}
	}
	if seen < 7 {
		t.Errorf("%d metrics found, want all of the package", seen)
	}
}

func TestNamesAndHelpAreAsPrometheusRecommends(t *testing.T) {
	families, err := all(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTheServingSnapshotIsShown(t *testing.T) {
	var c observe.Config
	if got := series(t, &c, "gateway_config_info"); len(got) != 0 {
		t.Errorf("before the first snapshot: %v", got)
	}
	c.Applied("first", time.Unix(1, 500e6))
	if got := series(t, &c, "gateway_config_applied_timestamp_seconds")[""]; got != 1.5 {
		t.Errorf("the first snapshot is shown as applied at %v, want 1.5", got)
	}
	c.Applied("second", time.Unix(2, 0))
	if got := series(t, &c, "gateway_config_info"); len(got) != 1 || got["version=second"] != 1 {
		t.Errorf("version shown: %v, want the second alone", got)
	}
}

func TestValuesAreReadWhenScraped(t *testing.T) {
	n := uint64(1)
	c := observe.Counter("gateway_a_total", "A.", func() uint64 { return n })
	g := observe.Gauge("gateway_b", "B.", func() float64 { return -float64(n) })
	n = 7
	if series(t, c, "gateway_a_total")[""] != 7 || series(t, g, "gateway_b")[""] != -7 {
		t.Error("counter and gauge don't show the present value")
	}
}
