package chart

import (
	"cmp"
	"os"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestHelm3RendersTheSame(t *testing.T) {
	for name, values := range map[string]string{"by default": "", "everything": everything(t)} {
		t.Run(name, func(t *testing.T) {
			three, err := tryRenderOf(t, os.Getenv("HELM3"), values)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(sorted(render(t, values)), sorted(three)); diff != "" {
				t.Errorf("Helm 4 and Helm 3 (-four +three):\n%s", diff)
			}
		})
	}
}

// sorted returns manifests in an order of their own: the two do not agree on the order of kinds.
func sorted(all manifests) manifests {
	key := func(o *unstructured.Unstructured) string {
		return o.GetKind() + "/" + o.GetNamespace() + "/" + o.GetName()
	}
	slices.SortFunc(all, func(a, b *unstructured.Unstructured) int { return cmp.Compare(key(a), key(b)) })
	return all
}
