package docs

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/filter/builtin"
)

// TestTheExampleOfTenancyPermitsWhatItSays holds the permissions in docs/tenancy.md to its tables.
func TestTheExampleOfTenancyPermitsWhatItSays(t *testing.T) {
	options := translate.DefaultOptions()
	options.HostPermissions = permissionsIn(t, "docs/tenancy.md")
	for _, tt := range []struct {
		name, namespace string
		hostnames       []v1alpha1.Hostname
		refused         string // what the message ends with; empty if nothing is refused
	}{
		{"by name", "shop", []v1alpha1.Hostname{"shop.example.com", "a.b.shop.example.com", "*.shop.example.com"}, ""},
		{"by label", "hr", []v1alpha1.Hostname{"hr.people.example.com"}, ""},
		{"the host behind the asterisk is another", "hr", []v1alpha1.Hostname{"people.example.com"}, "namespace hr to claim people.example.com."},
		{"all hosts", "platform", nil, ""},
		{"the message of the document", "hr", []v1alpha1.Hostname{"shop.example.com"}, "namespace hr to claim shop.example.com."},
		{"a wider wildcard", "shop", []v1alpha1.Hostname{"*.example.com"}, "namespace shop to claim *.example.com."},
		{"no hostnames", "shop", nil, "namespace shop to claim all hosts, as a route without hostnames does."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, statuses := translate.Translate(translate.Input{
				Routes: []*v1alpha1.GatewayRoute{{
					ObjectMeta: metav1.ObjectMeta{Namespace: tt.namespace, Name: "example"},
					Spec: v1alpha1.GatewayRouteSpec{ClassName: options.ClassName, Hostnames: tt.hostnames, Rules: []v1alpha1.Rule{{
						Filters: &v1alpha1.Filters{DirectResponse: &v1alpha1.DirectResponseFilter{StatusCode: 204}},
					}}},
				}},
				Namespaces: []*corev1.Namespace{
					{ObjectMeta: metav1.ObjectMeta{Name: "hr", Labels: map[string]string{"team": "people"}}},
					{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
				},
				Options: options,
			}, builtin.Registry(builtin.Deps{}))
			for s := range statuses.Values() {
				i := slices.IndexFunc(s.Conditions, func(c metav1.Condition) bool { return c.Type == v1alpha1.ConditionAccepted })
				c := s.Conditions[i]
				if (c.Status == metav1.ConditionTrue) != (tt.refused == "") || !strings.HasSuffix(c.Message, tt.refused) {
					t.Errorf("Accepted=%s, %s: %s", c.Status, c.Reason, c.Message)
				}
			}
		})
	}
}

func TestThePermissionsThatAreThereToBeChangedAreValid(t *testing.T) {
	if _, err := file.LoadHostPermissions(filepath.Join(root, "config/host-permissions/permissions.yaml")); err != nil {
		t.Error(err)
	}
}

// permissionsIn returns the host permissions that a document shows.
func permissionsIn(t *testing.T, path string) []translate.HostPermission {
	t.Helper()
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if d.path == path && b.language == "yaml" && decode(t, b.text)["permissions"] != nil {
				return loadPermissions(t, b.text)
			}
		}
	}
	t.Fatalf("%s shows no permissions", path)
	return nil
}
