package main

import (
	"bufio"
	"encoding/json"
	"io"
	"sort"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// bootstrap prints the objects that kube-apiserver's post-start hook
// rbac/bootstrap-roles creates in an empty cluster, with default feature
// gates, as one List with one object a line.
func bootstrap(out io.Writer, aggregate bool) error {
	var objects []runtime.Object
	var clusterRoles []*rbacv1.ClusterRole
	for _, role := range append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...) {
		clusterRoles = append(clusterRoles, role.DeepCopy())
	}
	sort.SliceStable(clusterRoles, func(i, j int) bool { return clusterRoles[i].Name < clusterRoles[j].Name })
	if aggregate {
		if err := aggregateRoles(clusterRoles); err != nil {
			return err
		}
	}
	for _, role := range clusterRoles {
		objects = append(objects, role)
	}

	bindings := append(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()...)
	sort.SliceStable(bindings, func(i, j int) bool { return bindings[i].Name < bindings[j].Name })
	for i := range bindings {
		objects = append(objects, bindings[i].DeepCopy())
	}

	var roles []*rbacv1.Role
	for namespace, list := range bootstrappolicy.NamespaceRoles() {
		for i := range list {
			role := list[i].DeepCopy()
			role.Namespace = namespace
			roles = append(roles, role)
		}
	}
	sort.SliceStable(roles, func(i, j int) bool {
		return less(roles[i].Namespace, roles[i].Name, roles[j].Namespace, roles[j].Name)
	})
	for _, role := range roles {
		objects = append(objects, role)
	}

	var roleBindings []*rbacv1.RoleBinding
	for namespace, list := range bootstrappolicy.NamespaceRoleBindings() {
		for i := range list {
			binding := list[i].DeepCopy()
			binding.Namespace = namespace
			roleBindings = append(roleBindings, binding)
		}
	}
	sort.SliceStable(roleBindings, func(i, j int) bool {
		return less(roleBindings[i].Namespace, roleBindings[i].Name, roleBindings[j].Namespace, roleBindings[j].Name)
	})
	for _, binding := range roleBindings {
		objects = append(objects, binding)
	}

	w := bufio.NewWriter(out)
	w.WriteString(`{"apiVersion":"v1","kind":"List","items":[`)
	for i, object := range objects {
		legacyscheme.Scheme.Default(object)
		kinds, _, err := legacyscheme.Scheme.ObjectKinds(object)
		if err != nil {
			return err
		}
		object.GetObjectKind().SetGroupVersionKind(kinds[0])
		line, err := json.Marshal(object)
		if err != nil {
			return err
		}
		if i > 0 {
			w.WriteString(",")
		}
		w.WriteString("\n")
		w.Write(line)
	}
	w.WriteString("\n]}\n")
	return w.Flush()
}

func less(ns1, name1, ns2, name2 string) bool {
	if ns1 != ns2 {
		return ns1 < ns2
	}
	return name1 < name2
}
