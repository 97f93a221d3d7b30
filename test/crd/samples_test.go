package crd

import (
	"path/filepath"
	"testing"

	"github.com/penstock/penstock/controllers/file"
)

// What the documentation and `make run` show must hold.
func TestSamplesAreValid(t *testing.T) {
	objects, problems := file.Load("../../config/samples/quickstart")
	for _, p := range problems {
		t.Error(p)
	}
	if len(objects.Routes) != 3 || len(objects.Services) != 3 || len(objects.Slices) != 3 {
		t.Errorf("quickstart holds %d routes, %d Services and %d EndpointSlices, want 3 of each",
			len(objects.Routes), len(objects.Services), len(objects.Slices))
	}
	for _, path := range append(manifests(t, "../../config/samples"), manifests(t, "../../config/samples/quickstart")...) {
		if filepath.Base(path) == "backends.yaml" { // stands in for what a cluster has of its own
			continue
		}
		if got := refusals(t, path); len(got) > 0 {
			t.Errorf("%s is refused: %v", path, got)
		}
	}
}

func TestEveryKindHasASample(t *testing.T) {
	sampled := map[string]bool{}
	for _, path := range manifests(t, "../../config/samples") {
		sampled[parse(t, path).GetKind()] = true
	}
	for _, definition := range definitions(t) {
		if kind := definition.Spec.Names.Kind; !sampled[kind] {
			t.Errorf("no sample of %s in config/samples", kind)
		}
	}
}

func manifests(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests in %s: %v", dir, err)
	}
	return paths
}
