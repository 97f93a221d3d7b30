package file

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/config/crd"
	"github.com/penstock/penstock/proxy/yield"
)

// admission is what a CRD asks of an object of one version.
type admission struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// admissions are those of the embedded CRDs, by kind. They are made on first use, since compiling the CEL rules takes a
// while. That they can be made was settled when the CRDs were generated: a failure is a broken build.
var admissions = sync.OnceValue(func() map[schema.GroupVersionKind]admission {
	all := map[schema.GroupVersionKind]admission{}
	paths, err := fs.Glob(crd.Bases, "bases/*.yaml")
	for _, path := range paths {
		if err = addAdmissions(all, path); err != nil {
			break
		}
	}
	if err != nil {
		panic(fmt.Sprintf("embedded CRDs: %v", err))
	}
	return all
})

func addAdmissions(all map[schema.GroupVersionKind]admission, path string) error {
	text, err := fs.ReadFile(crd.Bases, path)
	if err != nil {
		return err
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &definition); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, version := range definition.Spec.Versions {
		made, err := newAdmission(version.Schema)
		if err != nil {
			return fmt.Errorf("%s: version %s: %w", path, version.Name, err)
		}
		all[schema.GroupVersionKind{Group: definition.Spec.Group, Version: version.Name, Kind: definition.Spec.Names.Kind}] = made
	}
	return nil
}

func newAdmission(external *apiextensionsv1.CustomResourceValidation) (admission, error) {
	var internal apiextensions.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(external, &internal, nil); err != nil {
		return admission{}, err
	}
	structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
	if err != nil {
		return admission{}, err
	}
	validator, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	if err != nil {
		return admission{}, err
	}
	return admission{
		structural: structural,
		schema:     validator,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// admit does to an object of a CRD's kind what the API server does on create, in its order: fields that the schema does
// not know are refused (kubectl's default), status is dropped, defaults are set, then metadata, schema, lists and rules
// are checked. Each of these takes tenths of a millisecond.
func admit(u *unstructured.Unstructured, turns *yield.Turns) field.ErrorList {
	asked := admissions()[u.GroupVersionKind()]
	if errs := asked.refuseUnknown(u); len(errs) > 0 {
		return errs
	}
	delete(u.Object, "status")
	defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, asked.structural)
	defaulting.Default(u.Object, asked.structural)

	errs := checkMetadata(u, true)
	turns.Next()
	errs = append(errs, validation.ValidateCustomResource(nil, u.Object, asked.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, asked.structural, u.Object)...)
	if slices.ContainsFunc(errs, blocksRules) {
		return append(errs, field.Invalid(nil, nil,
			"some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"))
	}
	turns.Next()
	broken, _ := asked.rules.Validate(context.Background(), nil, asked.structural, u.Object, nil, celconfig.RuntimeCELCostBudget)
	return append(errs, broken...)
}

// refuseUnknown returns an error for each field that the schema, or that of metadata, does not know.
func (a admission) refuseUnknown(u *unstructured.Unstructured) field.ErrorList {
	_, _, unknown, err := objectmeta.GetObjectMetaWithOptions(u.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return field.ErrorList{field.Invalid(field.NewPath("metadata"), "object", err.Error())}
	}
	track := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	unknown = append(unknown, pruning.PruneWithOptions(u.Object, a.structural, true, track)...)
	var errs field.ErrorList
	for _, path := range unknown {
		errs = append(errs, unknownField(strings.TrimPrefix(path, ".")))
	}
	return errs
}

// blocksRules says that CEL rules do not run, as the API server decides it: they would see values that they were not
// written for, or cost more than was estimated.
func blocksRules(err *field.Error) bool {
	switch err.Type {
	case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
		return true
	}
	return false
}
