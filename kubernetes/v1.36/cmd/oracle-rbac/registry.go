package main

import (
	"context"
	_ "unsafe" // for go:linkname

	"k8s.io/apimachinery/pkg/api/meta"
	genericvalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Until 1.36 BeforeCreate and BeforeUpdate of the registry look at what all
// kinds have in common, beside a kind's strategy.

func validateCreate(ctx context.Context, obj runtime.Object, s strategy) field.ErrorList {
	if errs := s.Validate(ctx, obj); len(errs) > 0 {
		return errs
	}
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	return genericvalidation.ValidateObjectMetaAccessor(accessor, s.NamespaceScoped(), path.ValidatePathSegmentName, field.NewPath("metadata"))
}

func validateUpdate(ctx context.Context, obj, old runtime.Object, s strategy) field.ErrorList {
	errs, err := validateCommonFields(obj, old, s)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	return append(errs, s.ValidateUpdate(ctx, obj, old)...)
}

//go:linkname validateCommonFields k8s.io/apiserver/pkg/registry/rest.validateCommonFields
func validateCommonFields(obj, old runtime.Object, strategy rest.RESTUpdateStrategy) (field.ErrorList, error)
