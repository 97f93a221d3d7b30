package crd

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/config/crd"
)

// node is a place in a CRD's schema.
type node struct {
	path   string // "gatewayroutes spec.rules[].name"
	field  string // the last name in path; empty for the items of a list
	schema apiextensionsv1.JSONSchemaProps
}

// definitions returns the generated CRDs.
func definitions(t *testing.T) []apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	paths, err := fs.Glob(crd.Bases, "bases/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no CRDs: ", err)
	}
	all := make([]apiextensionsv1.CustomResourceDefinition, len(paths))
	for i, path := range paths {
		text, err := fs.ReadFile(crd.Bases, path)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// nodes returns every place below spec and status of every generated CRD.
func nodes(t *testing.T) []node {
	t.Helper()
	var all []node
	for _, definition := range definitions(t) {
		for _, version := range definition.Spec.Versions {
			for _, part := range []string{"spec", "status"} {
				root := version.Schema.OpenAPIV3Schema.Properties[part]
				all = append(all, below(definition.Spec.Names.Plural+" "+part, part, root)...)
			}
		}
	}
	return all
}

func below(path, field string, schema apiextensionsv1.JSONSchemaProps) []node {
	all := []node{{path, field, schema}}
	for name, property := range schema.Properties {
		all = append(all, below(path+"."+name, name, property)...)
	}
	if schema.Items != nil {
		all = append(all, below(path+"[]", "", *schema.Items.Schema)...)
	}
	return all
}

// Without bounds an object may be as large as a request, and CEL's cost estimate counts with that.
func TestEverythingIsBounded(t *testing.T) {
	for _, n := range nodes(t) {
		switch s := n.schema; {
		case s.Type == "array":
			check(t, n, s.XListType != nil, "a list without listType")
			check(t, n, s.MaxItems != nil, "a list without MaxItems")
		case s.Type == "string" || s.XIntOrString:
			check(t, n, s.MaxLength != nil || len(s.Enum) > 0 || s.Format == "date-time", "a string without MaxLength or enum")
		case s.Type == "integer":
			check(t, n, s.Minimum != nil || len(s.Enum) > 0, "a number without Minimum or enum")
			check(t, n, s.Maximum != nil || len(s.Enum) > 0 || n.field == "observedGeneration", "a number without Maximum or enum")
		case s.Type == "number":
			t.Errorf("%s: a floating-point number", n.path)
		case s.AdditionalProperties != nil:
			t.Errorf("%s: a map: use a list with names", n.path)
		}
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	for _, n := range nodes(t) {
		if n.field == "" || strings.Contains(n.path, "conditions[]") {
			continue
		}
		check(t, n, strings.HasPrefix(n.schema.Description, n.field+" "), fmt.Sprintf("the description %q does not start with its name", n.schema.Description))
	}
}

func TestEveryRuleHasAMessage(t *testing.T) {
	for _, n := range nodes(t) {
		for _, rule := range n.schema.XValidations {
			check(t, n, rule.Message != "", "the rule "+rule.Rule+" has no message")
		}
	}
}

// A default is a promise for ever; the others are made in translation.
func TestDefaultsAreThePromisedOnes(t *testing.T) {
	var defaulted []string
	for _, n := range nodes(t) {
		if n.schema.Default != nil && !slices.Contains(defaulted, n.field+"="+string(n.schema.Default.Raw)) {
			defaulted = append(defaulted, n.field+"="+string(n.schema.Default.Raw))
		}
	}
	slices.Sort(defaulted)
	want := []string{`className="penstock"`, `statusCode=302`, `type="Exact"`, `type="PathPrefix"`, `weight=1`}
	if !slices.Equal(defaulted, want) {
		t.Errorf("defaults are %v, want %v", defaulted, want)
	}
}

func check(t *testing.T, n node, ok bool, what string) {
	t.Helper()
	if !ok {
		t.Errorf("%s: %s", n.path, what)
	}
}
