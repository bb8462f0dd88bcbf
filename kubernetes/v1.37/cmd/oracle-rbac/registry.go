package main

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
)

// From 1.37 on the registry joins hand-written and declarative validation.

func validateCreate(ctx context.Context, obj runtime.Object, s strategy) field.ErrorList {
	return rest.ValidateCreate(ctx, obj, s)
}

func validateUpdate(ctx context.Context, obj, old runtime.Object, s strategy) field.ErrorList {
	return rest.ValidateUpdate(ctx, obj, old, s)
}
