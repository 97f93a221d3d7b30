//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// frozen are the values of the first release, as they were then.
const frozen = "test/chart/testdata/values-0.1.yaml"

// Whoever installed with the values of the first release upgrades without losing a request, and `helm test` finds all in order.
func TestHelmUpgrade(t *testing.T) {
	installed(t)
	a := newApp(t, "upgraded")
	under(t, usual, "helm upgrade to the values of the first release", a, func() {
		helm(t, "upgrade", penstock, "charts/penstock", "--reset-values", "--values", frozen, "--set", "image.tag=dev",
			"--set-string", "podAnnotations.upgraded="+time.Now().Format(time.Kitchen), "--wait", "--timeout", patience.String())
		installed(t)
	}).none(t)
	helm(t, "test", penstock)
	under(t, usual, "helm upgrade from them to those of now", a, func() {
		helm(t, "upgrade", penstock, "charts/penstock", "--reset-values", "--set", "image.tag=dev", "--wait", "--timeout", patience.String())
		installed(t)
	}).none(t)
	helm(t, "test", penstock)
}

// helm runs it from the root of the tree, where hack/e2e.sh runs the tests.
func helm(t *testing.T, args ...string) {
	t.Helper()
	c := exec.Command("helm", append(args, "--namespace", system)...)
	dir := t.TempDir()
	c.Env = append(os.Environ(), "HELM_CACHE_HOME="+dir, "HELM_CONFIG_HOME="+dir, "HELM_DATA_HOME="+dir)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", c, err, out)
	}
}
