package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sort"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	rbacvalidation "k8s.io/component-helpers/auth/rbac/validation"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	rbacapi "k8s.io/kubernetes/pkg/apis/rbac"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrole"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrolebinding"
	"k8s.io/kubernetes/pkg/registry/rbac/role"
	"k8s.io/kubernetes/pkg/registry/rbac/rolebinding"
	registryvalidation "k8s.io/kubernetes/pkg/registry/rbac/validation"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
)

type userJSON struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
}

func (u userJSON) info() user.Info { return &user.DefaultInfo{Name: u.Name, Groups: u.Groups} }

type question struct {
	ID     json.RawMessage `json:"id"`
	Policy string          `json:"policy"`

	// A policy set to load.
	Objects   []json.RawMessage `json:"objects"`
	Aggregate bool              `json:"aggregate"`

	// A request to authorize.
	User        userJSON `json:"user"`
	Verb        string   `json:"verb"`
	APIGroup    string   `json:"apiGroup"`
	Resource    string   `json:"resource"`
	Subresource string   `json:"subresource"`
	Name        string   `json:"name"`
	Namespace   string   `json:"namespace"`
	Path        *string  `json:"path"`

	Covers *struct {
		Owner     []rbacv1.PolicyRule `json:"owner"`
		Requested []rbacv1.PolicyRule `json:"requested"`
	} `json:"covers"`
	RulesFor *struct {
		User      userJSON `json:"user"`
		Namespace string   `json:"namespace"`
	} `json:"rulesFor"`
	Escalate *struct {
		User      userJSON            `json:"user"`
		Namespace string              `json:"namespace"`
		Rules     []rbacv1.PolicyRule `json:"rules"`
	} `json:"escalate"`
	Validate json.RawMessage `json:"validate"`
	Old      json.RawMessage `json:"old"`
}

type object map[string]any

// answer gives a line for a line; a line that is no question is answered with
// its "malformed".
func answer(policies map[string]*policy, line []byte) object {
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return object{"malformed": err.Error()}
	}
	id := func(o object) object {
		if q.ID != nil {
			o["id"] = q.ID
		}
		return o
	}

	if q.Objects != nil {
		p, err := load(q.Objects, q.Aggregate)
		if err != nil {
			return id(object{"policy": q.Policy, "ok": false, "error": err.Error()})
		}
		policies[q.Policy] = p
		return id(object{"policy": q.Policy, "ok": true})
	}
	if q.Validate != nil {
		errs, err := validate(q.Validate, q.Old)
		if err != nil {
			return id(object{"malformed": err.Error()})
		}
		return id(object{"errors": errs})
	}
	if q.Covers != nil {
		covered, missing := rbacvalidation.Covers(q.Covers.Owner, q.Covers.Requested)
		return id(object{"covered": covered, "missing": nonNil(missing)})
	}

	p, ok := policies[q.Policy]
	if !ok {
		return id(object{"malformed": fmt.Sprintf("no policy named %q has been loaded", q.Policy)})
	}
	switch {
	case q.RulesFor != nil:
		resolver := p.resolver("clusterrole", "role")
		rules, err := resolver.RulesFor(context.Background(), q.RulesFor.User.info(), q.RulesFor.Namespace)
		return id(object{"rules": nonNil(rules), "error": text(err)})
	case q.Escalate != nil:
		ctx := genericapirequest.WithNamespace(context.Background(), q.Escalate.Namespace)
		ctx = genericapirequest.WithUser(ctx, q.Escalate.User.info())
		// This check reads the storage, whose errors name the plural.
		err := registryvalidation.ConfirmNoEscalation(ctx, p.resolver("clusterroles", "roles"), q.Escalate.Rules)
		return id(object{"error": text(err)})
	}

	attributes := authorizer.AttributesRecord{
		User: q.User.info(), Verb: q.Verb, Namespace: q.Namespace,
		APIGroup: q.APIGroup, APIVersion: "v1", Resource: q.Resource, Subresource: q.Subresource,
		Name: q.Name, ResourceRequest: true,
	}
	if q.Path != nil {
		attributes = authorizer.AttributesRecord{User: q.User.info(), Verb: q.Verb, Path: *q.Path}
	}
	decision, reason, err := p.authorizer.Authorize(context.Background(), attributes)
	return id(object{"allowed": decision == authorizer.DecisionAllow, "reason": reason, "error": text(err)})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func nonNil(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	if rules == nil {
		return []rbacv1.PolicyRule{}
	}
	return rules
}

// A policy set. Bindings are kept in the order of their names, where a real
// server's come in none.
type policy struct {
	roles               map[[2]string]*rbacv1.Role
	clusterRoles        map[string]*rbacv1.ClusterRole
	roleBindings        map[string][]*rbacv1.RoleBinding
	clusterRoleBindings []*rbacv1.ClusterRoleBinding
	authorizer          *rbac.RBACAuthorizer
}

func load(raw []json.RawMessage, aggregate bool) (*policy, error) {
	p := &policy{
		roles:        map[[2]string]*rbacv1.Role{},
		clusterRoles: map[string]*rbacv1.ClusterRole{},
		roleBindings: map[string][]*rbacv1.RoleBinding{},
	}
	decoder := legacyscheme.Codecs.UniversalDecoder(rbacv1.SchemeGroupVersion)
	var clusterRoles []*rbacv1.ClusterRole
	for i, data := range raw {
		obj, err := runtime.Decode(decoder, withAPIVersion(data))
		if err != nil {
			return nil, fmt.Errorf("objects[%d]: %w", i, err)
		}
		switch o := obj.(type) {
		case *rbacv1.Role:
			p.roles[[2]string{o.Namespace, o.Name}] = o
		case *rbacv1.ClusterRole:
			p.clusterRoles[o.Name] = o
			clusterRoles = append(clusterRoles, o)
		case *rbacv1.RoleBinding:
			p.roleBindings[o.Namespace] = append(p.roleBindings[o.Namespace], o)
		case *rbacv1.ClusterRoleBinding:
			p.clusterRoleBindings = append(p.clusterRoleBindings, o)
		default:
			return nil, fmt.Errorf("objects[%d]: %T is not of rbac.authorization.k8s.io/v1", i, obj)
		}
	}
	for _, list := range p.roleBindings {
		sort.SliceStable(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	}
	list := p.clusterRoleBindings
	sort.SliceStable(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	if aggregate {
		if err := aggregateRoles(clusterRoles); err != nil {
			return nil, err
		}
	}
	names := getter{p, "clusterrole", "role"} // as the informers' listers say it
	p.authorizer = rbac.New(names, names, names, names)
	return p, nil
}

// withAPIVersion lets an object of a policy leave out its apiVersion.
func withAPIVersion(data json.RawMessage) []byte {
	var meta struct {
		APIVersion string `json:"apiVersion"`
	}
	if json.Unmarshal(data, &meta) == nil && meta.APIVersion == "" {
		return append([]byte(`{"apiVersion":"rbac.authorization.k8s.io/v1",`), bytes.TrimLeft(data, " \t{")...)
	}
	return data
}

func (p *policy) resolver(clusterRole, role string) *registryvalidation.DefaultRuleResolver {
	g := getter{p, clusterRole, role}
	return registryvalidation.NewDefaultRuleResolver(g, g, g, g)
}

type getter struct {
	*policy
	clusterRole, role string
}

func (g getter) GetRole(_ context.Context, namespace, name string) (*rbacv1.Role, error) {
	if o, ok := g.roles[[2]string{namespace, name}]; ok {
		return o, nil
	}
	return nil, apierrors.NewNotFound(rbacv1.Resource(g.role), name)
}

func (g getter) GetClusterRole(_ context.Context, name string) (*rbacv1.ClusterRole, error) {
	if o, ok := g.clusterRoles[name]; ok {
		return o, nil
	}
	return nil, apierrors.NewNotFound(rbacv1.Resource(g.clusterRole), name)
}

func (g getter) ListRoleBindings(_ context.Context, namespace string) ([]*rbacv1.RoleBinding, error) {
	return g.roleBindings[namespace], nil
}

func (g getter) ListClusterRoleBindings(context.Context) ([]*rbacv1.ClusterRoleBinding, error) {
	return g.clusterRoleBindings, nil
}

// strategy is what the registry asks of each kind.
type strategy interface {
	rest.RESTCreateStrategy
	rest.RESTUpdateStrategy
}

// validate decodes and defaults the object and gives the errors with which
// the registry refuses to create it, or to update the old one to it.
func validate(data, oldData json.RawMessage) ([]string, error) {
	decoder := legacyscheme.Codecs.UniversalDecoder(rbacapi.SchemeGroupVersion)
	obj, err := runtime.Decode(decoder, withAPIVersion(data))
	if err != nil {
		return nil, err
	}
	var s strategy
	var resource string
	switch obj.(type) {
	case *rbacapi.Role:
		s, resource = role.Strategy, "roles"
	case *rbacapi.ClusterRole:
		s, resource = clusterrole.Strategy, "clusterroles"
	case *rbacapi.RoleBinding:
		s, resource = rolebinding.Strategy, "rolebindings"
	case *rbacapi.ClusterRoleBinding:
		s, resource = clusterrolebinding.Strategy, "clusterrolebindings"
	default:
		return nil, fmt.Errorf("%T is not of rbac.authorization.k8s.io/v1", obj)
	}
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	ctx := genericapirequest.WithNamespace(context.Background(), accessor.GetNamespace())
	info := &genericapirequest.RequestInfo{
		IsResourceRequest: true, Verb: "create", APIPrefix: "apis", APIGroup: rbacv1.GroupName, APIVersion: "v1",
		Resource: resource, Namespace: accessor.GetNamespace(),
	}
	ctx = genericapirequest.WithRequestInfo(ctx, info)

	var errs field.ErrorList
	if oldData == nil {
		s.PrepareForCreate(ctx, obj)
		errs = validateCreate(ctx, obj, s)
	} else {
		old, err := runtime.Decode(decoder, withAPIVersion(oldData))
		if err != nil {
			return nil, fmt.Errorf("old: %w", err)
		}
		info.Verb, info.Name = "update", accessor.GetName()
		s.PrepareForUpdate(ctx, obj, old)
		errs = validateUpdate(ctx, obj, old, s)
	}
	list := []string{}
	for _, e := range errs {
		list = append(list, e.Error())
	}
	return list, nil
}
