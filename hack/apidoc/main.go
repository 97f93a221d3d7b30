// Command apidoc writes docs/reference/api.md from the generated CRDs and from the condition types and reasons of
// api/v1alpha1. Run it from the root of the repository.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/config/crd"
)

const (
	constants = "api/v1alpha1/conditions.go"
	reference = "docs/reference/api.md"
)

func main() {
	text, err := generate(constants)
	if err == nil {
		err = os.WriteFile(reference, []byte(text), 0o644) //nolint:gosec // a document, for everyone to read
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
}

// generate returns the whole document; conditions names the file with the condition constants.
func generate(conditions string) (string, error) {
	definitions, err := definitions()
	if err != nil {
		return "", err
	}
	groups, err := groups(conditions)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("# API reference\n\n" +
		"Generated from the CRDs by `go run ./hack/apidoc`: edit the comments in `api/v1alpha1` instead.\n")
	for _, d := range definitions {
		writeKind(&out, d)
	}
	writeConditions(&out, groups)
	return out.String(), nil
}

// definition is what the document needs of a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind       string   `json:"kind"`
			Plural     string   `json:"plural"`
			ShortNames []string `json:"shortNames"`
			Categories []string `json:"categories"`
		} `json:"names"`
		Scope    string `json:"scope"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPIV3Schema schema `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

func definitions() ([]definition, error) {
	paths, err := fs.Glob(crd.Bases, "bases/*.yaml")
	if err != nil {
		return nil, err
	}
	all := make([]definition, len(paths))
	for i, path := range paths {
		text, err := fs.ReadFile(crd.Bases, path)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(text, &all[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return all, nil
}
