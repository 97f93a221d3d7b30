package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

type alert struct{ Alert, Expr string }

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	b, err := json.Marshal(at(render(t, ruled).find(rules), "spec.groups.0.rules"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("%d alerts: too few", len(all))
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryAlertIsInTheRunbook(t *testing.T) {
	runbook := read(t, "docs/operations.md")
	named := map[string]bool{}
	for _, a := range alerts(t) {
		named[a.Alert] = true
		if !strings.Contains(runbook, "\n### "+a.Alert+"\n") {
			t.Errorf("docs/operations.md has no heading %s", a.Alert)
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (Penstock\w+)$`).FindAllStringSubmatch(runbook, -1) {
		if !named[heading[1]] {
			t.Errorf("docs/operations.md has a heading %s: there is no such alert", heading[1])
		}
	}
}

func TestAlertsCountOnMetricsThatThereAre(t *testing.T) {
	reference := read(t, "docs/reference/metrics.md")
	for _, a := range alerts(t) {
		metrics := regexp.MustCompile(`gateway_\w+`).FindAllString(a.Expr, -1)
		if len(metrics) == 0 {
			t.Errorf("%s has no metric of ours: %s", a.Alert, a.Expr)
		}
		for _, m := range metrics {
			if !strings.Contains(reference, "| `"+m+"` |") {
				t.Errorf("%s: there is no metric %s", a.Alert, m)
			}
		}
		if strings.Contains(a.Expr, "$") {
			t.Errorf("%s: something is not filled in: %s", a.Alert, a.Expr)
		}
	}
}

// hack/tools/monitoring knows the types of the Prometheus operator and the rules of Prometheus.
func TestThePrometheusOperatorAcceptsWhatIsRendered(t *testing.T) {
	var in bytes.Buffer
	for _, o := range render(t, everything(t)) {
		if o.GroupVersionKind().Group == "monitoring.coreos.com" {
			in.WriteString(dump(t, o))
		}
	}
	check := func(in string) (string, error) {
		c := exec.Command("go", "run", ".")
		c.Dir, c.Stdin = filepath.Join(root, "hack/tools/monitoring"), strings.NewReader(in)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := check(in.String()); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for broken, by := range map[string]string{`"namespaceSelector"`: `"namespacesSelector"`, `absent(`: `absent((`, `humanize }}`: `humanise }}`} {
		if out, err := check(strings.Replace(in.String(), broken, by, 1)); err == nil {
			t.Errorf("%s in place of %s is accepted:\n%s", by, broken, out)
		}
	}
}
