package main

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Until 1.36 a strategy does all of its kind's validation itself.

func validateCreate(ctx context.Context, obj runtime.Object, s strategy) field.ErrorList {
	return s.Validate(ctx, obj)
}

func validateUpdate(ctx context.Context, obj, old runtime.Object, s strategy) field.ErrorList {
	return s.ValidateUpdate(ctx, obj, old)
}
