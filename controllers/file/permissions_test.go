package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/controllers/translate"
)

func TestHostPermissionsAreRead(t *testing.T) {
	got, err := loadPermissions(t, `---
# Comments and a marker are no document of their own.
permissions:
- hostnames: ["*.people.example.com", people.example.com]
  namespaces:
    names: [people]
    selector: {matchLabels: {team: people}}
- hostnames: ["*"]
  namespaces: {selector: {}}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []translate.HostPermission{
		{
			Hostnames: []string{"*.people.example.com", "people.example.com"},
			Namespaces: translate.Namespaces{
				Names: []string{"people"}, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "people"}},
			},
		},
		{Hostnames: []string{"*"}, Namespaces: translate.Namespaces{Selector: &metav1.LabelSelector{}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHostPermissionsThatAreWrongNameTheField(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string // parts of the error
	}{
		{"no YAML", "permissions: [", []string{"line 1"}},
		{"a list", "- hostnames: [a.example.com]", []string{"not an object"}},
		{"nothing", "", []string{"0 documents"}},
		{"two documents", "permissions: []\n---\npermissions: []\n", []string{"2 documents"}},
		{"a key twice", "permissions: []\npermissions: []\n", []string{`"permissions" already set`}},
		{"no permission", "permissions: []", []string{"permissions: Required value"}},
		{"another field", "hosts: []", []string{`unknown field "hosts"`}},
		{
			"a field of another name", "permissions: [{hostnames: [a.example.com], namespace: {names: [shop]}}]",
			[]string{`unknown field "permissions[0].namespace"`},
		},
		{
			"a selector without matchLabels", "permissions: [{hostnames: [a.example.com], namespaces: {selector: {team: shop}}}]",
			[]string{`unknown field "permissions[0].namespaces.selector.team"`},
		},
		{
			"a text for a list", "permissions: [{hostnames: a.example.com, namespaces: {names: [shop]}}]",
			[]string{"permissions", "hostnames", "must be of type []string"},
		},
		{
			"several fields", `permissions: [{hostnames: ["*example.com"], namespaces: {names: [shop]}}, {hostnames: ["*"], namespaces: {names: []}}]`,
			[]string{"permissions[0].hostnames[0]: Invalid value", "permissions[1].namespaces: Required value"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadPermissions(t, tt.text)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range append(tt.want, "permissions.yaml: ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in %v", part, err)
				}
			}
		})
	}
}

func loadPermissions(t *testing.T, text string) ([]translate.HostPermission, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "permissions.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadHostPermissions(path)
}
