package translate

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestPermissionsAreValidated(t *testing.T) {
	shop := Namespaces{Names: []string{"shop"}}
	for _, tt := range []struct {
		name string
		in   HostPermission
		want string // the start of the only error; empty for none
	}{
		{"a host", HostPermission{[]string{"shop.example.com"}, shop}, ""},
		{"a wildcard", HostPermission{[]string{"*.example.com"}, shop}, ""},
		{"all hosts", HostPermission{[]string{"*"}, shop}, ""},
		{"an address", HostPermission{[]string{"10.0.0.1"}, shop}, ""},
		{"no hostname", HostPermission{nil, shop}, "at.hostnames: Required"},
		{"an empty hostname", HostPermission{[]string{""}, shop}, "at.hostnames[0]: Invalid"},
		{"an asterisk within", HostPermission{[]string{"a.example.com", "shop.*.com"}, shop}, "at.hostnames[1]: Invalid"},
		{"an asterisk without a dot", HostPermission{[]string{"*example.com"}, shop}, "at.hostnames[0]: Invalid"},
		{"a dot instead of an asterisk", HostPermission{[]string{".example.com"}, shop}, "at.hostnames[0]: Invalid"},
		{"nothing behind the asterisk", HostPermission{[]string{"*."}, shop}, "at.hostnames[0]: Invalid"},
		{"a port", HostPermission{[]string{"example.com:80"}, shop}, "at.hostnames[0]: Invalid"},
		{"upper case", HostPermission{[]string{"Example.com"}, shop}, "at.hostnames[0]: Invalid"},
		{"a trailing dot", HostPermission{[]string{"example.com."}, shop}, "at.hostnames[0]: Invalid"},
		{"nobody", HostPermission{[]string{"*"}, Namespaces{}}, "at.namespaces: Required"},
		{"a pattern for a name", HostPermission{[]string{"*"}, Namespaces{Names: []string{"team-*"}}}, "at.namespaces.names[0]: Invalid"},
		{"all namespaces", HostPermission{[]string{"*"}, Namespaces{Selector: &metav1.LabelSelector{}}}, ""},
		{
			"an operator that there is not", HostPermission{[]string{"*"}, Namespaces{Selector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Like"}},
			}}}, "at.namespaces.selector.matchExpressions[0].operator: Invalid",
		},
		{
			"a label that can't be", HostPermission{[]string{"*"}, Namespaces{Selector: &metav1.LabelSelector{
				MatchLabels: map[string]string{"team": "a b"},
			}}}, "at.namespaces.selector.matchLabels: Invalid",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			errs := tt.in.Validate(field.NewPath("at"))
			switch {
			case tt.want == "" && len(errs) > 0:
				t.Errorf("errors %v, want none", errs)
			case tt.want != "" && (len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), tt.want)):
				t.Errorf("errors %v, want one that begins with %q", errs, tt.want)
			}
		})
	}
}

func TestHostnamesThatCoverAHost(t *testing.T) {
	for host, want := range map[string][]string{
		"":                 {"*"},
		"localhost":        {"*", "localhost"},
		"a.b.example.com":  {"*", "a.b.example.com", "*.b.example.com", "*.example.com", "*.com"},
		"*.b.example.com":  {"*", "*.b.example.com", "*.example.com", "*.com"},
		"shop.example.com": {"*", "shop.example.com", "*.example.com", "*.com"},
	} {
		if got := hostnamesCovering(host); !slices.Equal(got, want) {
			t.Errorf("%q is covered by %q, want %q", host, got, want)
		}
	}
}

func TestLabelsMatterOnlyWhereTheyAreSelected(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   Namespaces
		want bool
	}{
		{"names", Namespaces{Names: []string{"shop"}}, false},
		{"all namespaces", Namespaces{Selector: &metav1.LabelSelector{}}, false},
		{"labels", Namespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}}}, true},
	} {
		o := Options{HostPermissions: []HostPermission{{Hostnames: []string{"*"}, Namespaces: tt.in}}}
		if got := o.SelectsNamespaces(); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
