package main

import (
	"context"
	"fmt"
	"reflect"
	"sort"
	_ "unsafe" // for go:linkname

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
)

// The controller's own reconciliation of one role; it is not exported.
//
//go:linkname syncClusterRole k8s.io/kubernetes/pkg/controller/clusterroleaggregation.(*ClusterRoleAggregationController).syncClusterRole
func syncClusterRole(c *clusterroleaggregation.ClusterRoleAggregationController, ctx context.Context, key string) error

// aggregateRoles runs Kubernetes' cluster role aggregation controller over
// the roles until nothing changes, and returns them with their rules filled.
func aggregateRoles(roles []*rbacv1.ClusterRole) error {
	informer := informers.NewSharedInformerFactory(fake.NewClientset(), 0).Rbac().V1().ClusterRoles()
	store := informer.Informer().GetStore()
	byName := map[string]*rbacv1.ClusterRole{}
	var names []string
	for _, role := range roles {
		if err := store.Add(role); err != nil {
			return err
		}
		byName[role.Name] = role
		if role.AggregationRule != nil {
			names = append(names, role.Name)
		}
	}
	sort.Strings(names)

	changed := false
	apply := func(name string, rules []rbacv1.PolicyRule) {
		role := byName[name]
		if !reflect.DeepEqual(role.Rules, rules) {
			role.Rules = rules
			changed = true
		}
	}
	controller := clusterroleaggregation.NewClusterRoleAggregation(informer, applier{apply: apply})
	for round := 0; round <= len(names)+1; round++ {
		changed = false
		for _, name := range names {
			if err := syncClusterRole(controller, context.Background(), name); err != nil {
				return fmt.Errorf("aggregating ClusterRole %q: %w", name, err)
			}
		}
		if !changed {
			break
		}
	}
	return nil
}

// applier stands where the controller expects a client; the controller only
// ever applies.
type applier struct {
	rbacclient.ClusterRoleInterface
	apply func(name string, rules []rbacv1.PolicyRule)
}

func (a applier) ClusterRoles() rbacclient.ClusterRoleInterface { return a }

func (a applier) Apply(_ context.Context, role *rbacv1ac.ClusterRoleApplyConfiguration, _ metav1.ApplyOptions) (*rbacv1.ClusterRole, error) {
	rules := []rbacv1.PolicyRule{}
	for _, r := range role.Rules {
		rules = append(rules, rbacv1.PolicyRule{
			Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources,
			ResourceNames: r.ResourceNames, NonResourceURLs: r.NonResourceURLs,
		})
	}
	a.apply(*role.Name, rules)
	return nil, nil
}
