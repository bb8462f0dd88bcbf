// oracle-patch answers what kube-apiserver makes of a patch: a case a line
// in, the patched object a line out. See kubernetes/README.md for the lines.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	kjson "sigs.k8s.io/json"
)

// kinds give the struct whose tags tell how lists are merged.
var kinds = map[string]any{
	"v1/Namespace":                      corev1.Namespace{},
	"v1/Pod":                            corev1.Pod{},
	"v1/Node":                           corev1.Node{},
	"v1/ConfigMap":                      corev1.ConfigMap{},
	"v1/Secret":                         corev1.Secret{},
	"v1/Service":                        corev1.Service{},
	"v1/ServiceAccount":                 corev1.ServiceAccount{},
	"apps/v1/Deployment":                appsv1.Deployment{},
	"rbac.authorization.k8s.io/v1/Role": rbacv1.Role{},
	"rbac.authorization.k8s.io/v1/ClusterRole":        rbacv1.ClusterRole{},
	"rbac.authorization.k8s.io/v1/RoleBinding":        rbacv1.RoleBinding{},
	"rbac.authorization.k8s.io/v1/ClusterRoleBinding": rbacv1.ClusterRoleBinding{},
}

type testCase struct {
	ID       json.RawMessage `json:"id"`
	Kind     string          `json:"kind"`
	Original json.RawMessage `json:"original"`
	Patch    json.RawMessage `json:"patch"`
	Type     string          `json:"type"`
}

type verdict struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Result any             `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
	Code   int32           `json:"code,omitempty"`
	Cause  string          `json:"cause,omitempty"` // where the error does not tell it
}

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: oracle-patch < CASES")
		os.Exit(2)
	}
	if err := serve(os.Stdin, os.Stdout, func(line []byte) any { return answer(line) }); err != nil {
		fmt.Fprintln(os.Stderr, "oracle-patch:", err)
		os.Exit(1)
	}
}

func answer(line []byte) (v verdict) {
	var c testCase
	if err := json.Unmarshal(line, &c); err != nil {
		return verdict{Error: "malformed case: " + err.Error()}
	}
	defer func() {
		if p := recover(); p != nil {
			v = verdict{ID: c.ID, Error: fmt.Sprint("panic: ", p)}
		}
	}()
	result, err := apply(c)
	if err != nil {
		v := verdict{ID: c.ID, Error: err.Error(), Code: http.StatusInternalServerError}
		if status, ok := err.(apierrors.APIStatus); ok {
			v.Code = status.Status().Code
		}
		if u, ok := err.(unprocessable); ok {
			v.Cause = u.cause.Error()
		}
		return v
	}
	return verdict{ID: c.ID, Result: result}
}

// The most operations of a JSON patch, as the server has it.
const maxJSONPatchOperations = 10000

// apply is what k8s.io/apiserver's patch handler does with the versioned
// object, up to decoding the result.
func apply(c testCase) (any, error) {
	switch c.Type {
	case "strategic":
		kind, ok := kinds[c.Kind]
		if !ok {
			return nil, fmt.Errorf("malformed case: kind %q is not known", c.Kind)
		}
		original, patch := map[string]any{}, map[string]any{}
		if err := kjson.UnmarshalCaseSensitivePreserveInts(c.Original, &original); err != nil {
			return nil, fmt.Errorf("malformed case: original: %w", err)
		}
		if err := kjson.UnmarshalCaseSensitivePreserveInts(c.Patch, &patch); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		patched, err := strategicpatch.StrategicMergeMapPatch(original, patch, kind)
		if err != nil {
			return nil, interpretStrategicMergePatchError(err)
		}
		return patched, nil
	case "json":
		patch, err := jsonpatch.DecodePatch(c.Patch)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		if len(patch) > maxJSONPatchOperations {
			return nil, apierrors.NewRequestEntityTooLargeError(
				fmt.Sprintf("The allowed maximum operations in a JSON patch is %d, got %d", maxJSONPatchOperations, len(patch)))
		}
		patched, err := patch.Apply(c.Original)
		if err != nil {
			return nil, newUnprocessable(err)
		}
		return json.RawMessage(patched), nil
	case "merge":
		patched, err := jsonpatch.MergePatch(c.Original, c.Patch)
		if err == jsonpatch.ErrBadJSONPatch {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		if err != nil {
			return nil, err
		}
		return json.RawMessage(patched), nil
	}
	return nil, fmt.Errorf("malformed case: type %q is not known", c.Type)
}

func interpretStrategicMergePatchError(err error) error {
	switch err {
	case mergepatch.ErrBadJSONDoc, mergepatch.ErrBadPatchFormatForPrimitiveList, mergepatch.ErrBadPatchFormatForRetainKeys, mergepatch.ErrBadPatchFormatForSetElementOrderList, mergepatch.ErrUnsupportedStrategicMergePatchFormat:
		return apierrors.NewBadRequest(err.Error())
	case mergepatch.ErrNoListOfLists, mergepatch.ErrPatchContentNotMatchRetainKeys:
		return newUnprocessable(err)
	default:
		return err
	}
}

// unprocessable is what the server answers; it keeps the cause to itself.
type unprocessable struct {
	*apierrors.StatusError
	cause error
}

func newUnprocessable(err error) error {
	return unprocessable{
		apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false),
		err,
	}
}
