package chart

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// manifests are what a release consists of.
type manifests []*unstructured.Unstructured

// helm runs the pinned Helm and returns what it prints.
func helm(arguments ...string) (string, error) { return helmOf(os.Getenv("HELM"), arguments...) }

func helmOf(binary string, arguments ...string) (string, error) {
	var out, stderr bytes.Buffer
	c := exec.Command(binary, arguments...)
	c.Stdout, c.Stderr = &out, &stderr
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("helm %s: %w\n%s", strings.Join(arguments, " "), err, stderr.String())
	}
	return out.String(), nil
}

// render renders the chart as release penstock with values, which are YAML.
func render(t *testing.T, values string, flags ...string) manifests {
	t.Helper()
	all, err := tryRender(t, values, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func tryRender(t *testing.T, values string, flags ...string) (manifests, error) {
	t.Helper()
	return tryRenderOf(t, os.Getenv("HELM"), values, flags...)
}

func tryRenderOf(t *testing.T, binary, values string, flags ...string) (manifests, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := helmOf(binary, append([]string{"template", "penstock", path, "--namespace", namespace, "--values", file}, flags...)...)
	if err != nil {
		return nil, err
	}
	return decode(t, out), nil
}

func decode(t *testing.T, text string) (all manifests) {
	t.Helper()
	for d := utilyaml.NewYAMLToJSONDecoder(strings.NewReader(text)); ; {
		o := &unstructured.Unstructured{}
		if err := d.Decode(o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
}

// find returns an object by "Kind/name", or by "Kind/namespace/name" if it is in another namespace than the release; nil if there is
// none.
func (m manifests) find(reference string) *unstructured.Unstructured {
	parts := strings.Split(reference, "/")
	for _, o := range m {
		where := namespace
		if len(parts) == 3 {
			where = parts[1]
		}
		if o.GetKind() == parts[0] && o.GetName() == parts[len(parts)-1] && (o.GetNamespace() == where || o.GetNamespace() == "" && len(parts) == 2) {
			return o
		}
	}
	return nil
}

// at returns what stands at a path such as spec.containers.0.args; a name with dots stands in brackets: labels.[a.b/c]. It is nil if
// nothing stands there.
func at(o *unstructured.Unstructured, path string) any {
	if o == nil {
		return nil
	}
	var v any = o.Object
	for _, step := range steps(path) {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

func steps(path string) (out []string) {
	for path != "" {
		if rest, ok := strings.CutPrefix(path, "["); ok {
			step, after, _ := strings.Cut(rest, "]")
			out, path = append(out, step), strings.TrimPrefix(after, ".")
			continue
		}
		step, after, _ := strings.Cut(path, ".")
		out, path = append(out, step), after
	}
	return out
}

// plain is a value as JSON has it, so that values of different origin can be compared.
func plain(t *testing.T, v any) (out any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, a, b any) bool {
	t.Helper()
	return reflect.DeepEqual(plain(t, a), plain(t, b))
}

func parse(t *testing.T, text string) (v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// defaults are the leaves of values.yaml, by their path: what is no map, or an empty one.
func defaults(t *testing.T) map[string]any {
	t.Helper()
	return leaves(t, filepath.Join(path, "values.yaml"))
}

func leaves(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		m, ok := v.(map[string]any)
		if !ok || len(m) == 0 {
			all[strings.TrimSuffix(prefix, ".")] = v
			return
		}
		for name := range maps.Keys(m) {
			walk(prefix+name+".", m[name])
		}
	}
	walk("", parse(t, string(text)))
	return all
}
