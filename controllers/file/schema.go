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
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/config/crd"
	"github.com/penstock/penstock/proxy/yield"
)

// admission is what a CRD asks of an object of one version.
type admission struct {
	structural *structuralschema.Structural
	schema     *spec.Schema
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
	_, openAPI, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	if err != nil {
		return admission{}, err
	}
	return admission{
		structural: structural,
		schema:     openAPI,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// admit does to an object of a CRD's kind what the API server does on create, in its order: fields that the schema does
// not know are refused (kubectl's default), status is dropped, defaults are set, then metadata, schema, lists and rules
// are checked. That takes milliseconds where requests have left nothing of it in the processor's caches.
func admit(u *unstructured.Unstructured, turns *yield.Turns) field.ErrorList {
	asked := admissions()[u.GroupVersionKind()]
	if errs := asked.refuseUnknown(u); len(errs) > 0 {
		return errs
	}
	turns.Next()
	delete(u.Object, "status")
	defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, asked.structural)
	defaulting.Default(u.Object, asked.structural)

	errs := checkMetadata(u, true)
	turns.Next()
	errs = append(errs, asked.checkSchema(u, turns)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, asked.structural, u.Object)...)
	if slices.ContainsFunc(errs, blocksRules) {
		return append(errs, field.Invalid(nil, nil,
			"some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"))
	}
	turns.Next()
	broken, _ := asked.rules.Validate(paced{context.Background(), turns}, nil, asked.structural, u.Object, nil, celconfig.RuntimeCELCostBudget)
	return append(errs, broken...)
}

// paced is a context that never ends, and lets requests be served meanwhile: CEL asks for its end before it evaluates a rule.
type paced struct {
	context.Context
	turns *yield.Turns
}

// Done returns nil.
func (p paced) Done() <-chan struct{} {
	p.turns.Next()
	return nil
}

// checkSchema checks the fields one by one, in turns.
func (a admission) checkSchema(u *unstructured.Unstructured, turns *yield.Turns) field.ErrorList {
	validator := validation.NewRatchetingSchemaValidator(a.schema, nil, "", strfmt.Default, inTurns(turns))
	return validation.ValidateCustomResource(nil, u.Object, validator)
}

// inTurns makes a validator let requests be served before it looks at a field or an element of a list.
func inTurns(turns *yield.Turns) validate.Option {
	next := func(s *spec.Schema, document any, path string, formats strfmt.Registry) validate.ValueValidator {
		turns.Next()
		return validate.NewSchemaValidator(s, document, path, formats, inTurns(turns))
	}
	return func(o *validate.SchemaValidatorOptions) {
		o.NewValidatorForField = func(_ string, s *spec.Schema, document any, path string, formats strfmt.Registry, _ ...validate.Option) validate.ValueValidator {
			return next(s, document, path, formats)
		}
		o.NewValidatorForIndex = func(_ int, s *spec.Schema, document any, path string, formats strfmt.Registry, _ ...validate.Option) validate.ValueValidator {
			return next(s, document, path, formats)
		}
	}
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
