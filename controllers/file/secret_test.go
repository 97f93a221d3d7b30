package file

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is wrong with a Secret is said as the API server says it, and never with a value.
func TestSecretsAreCheckedAndNotShown(t *testing.T) {
	const head = "apiVersion: v1\nkind: Secret\nmetadata: {name: k}\n"
	for _, tt := range []struct{ name, text, want string }{
		{
			"a certificate without its key", head + "type: kubernetes.io/tls\nstringData: {tls.crt: hunter2}\n",
			"k.yaml:1: Secret default/k: data[tls.key]: Required value",
		},
		{
			"a certificate with its key", head + "type: kubernetes.io/tls\nstringData: {tls.crt: hunter2}\ndata: {tls.key: aHVudGVyMg==}\n", "",
		},
		{
			"a key that is none", head + "stringData: {a/b: hunter2}\n",
			`k.yaml:1: Secret default/k: data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.'`,
		},
		{"a value that is not in base64", head + "data: {a: hunter2!}\n", "illegal base64 data"},
		{"a value of another type", head + "stringData: {a: [hunter2]}\n", "must be of type string"},
		{"a value in an unknown field", head + "strings: {a: hunter2}\n", "strings: Forbidden: unknown field"},
		{"a key that comes twice", head + "stringData:\n  a: hunter2\n  a: hunter2\n", `key "a" already set in map`},
		{"no YAML", head + "stringData: {a: hunter2\n", "yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeTree(t, map[string]string{"k.yaml": tt.text})
			_, problems := Load(dir)
			got := strings.Join(said(dir, problems), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("problems (-want +got):\n%s", cmp.Diff(tt.want, got))
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("a value is shown: %s", got)
			}
		})
	}
}

func TestConfigMapsAreChecked(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: k}\n"
	for name, tt := range map[string]struct{ text, want string }{
		"keys and values":    {head + "data: {a.json: \"{}\"}\nbinaryData: {b: aHVudGVyMg==}\n", ""},
		"a key that is none": {head + "binaryData: {a/b: aHVudGVyMg==}\n", `k.yaml:1: ConfigMap default/k: binaryData[a/b]: Invalid value: "a/b"`},
		"a key in both":      {head + "data: {a: b}\nbinaryData: {a: aHVudGVyMg==}\n", "k.yaml:1: ConfigMap default/k: data[a]: Invalid value"},
		"a number":           {head + "data: {a: 1}\n", "must be of type string"},
	} {
		dir := writeTree(t, map[string]string{"k.yaml": tt.text})
		objects, problems := Load(dir)
		got := strings.Join(said(dir, problems), "\n")
		if tt.want == "" && (got != "" || len(objects.ConfigMaps) != 1) || !strings.Contains(got, tt.want) {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(tt.want, got))
		}
	}
}
