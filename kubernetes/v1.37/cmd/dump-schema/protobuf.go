package main

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// kinds are the kinds whose protobuf encoding is described.
var kinds = map[string]any{
	"v1/Namespace":          corev1.Namespace{},
	"v1/NamespaceList":      corev1.NamespaceList{},
	"v1/Pod":                corev1.Pod{},
	"v1/PodList":            corev1.PodList{},
	"v1/Node":               corev1.Node{},
	"v1/NodeList":           corev1.NodeList{},
	"v1/ConfigMap":          corev1.ConfigMap{},
	"v1/ConfigMapList":      corev1.ConfigMapList{},
	"v1/Secret":             corev1.Secret{},
	"v1/SecretList":         corev1.SecretList{},
	"v1/Service":            corev1.Service{},
	"v1/ServiceList":        corev1.ServiceList{},
	"v1/ServiceAccount":     corev1.ServiceAccount{},
	"v1/ServiceAccountList": corev1.ServiceAccountList{},
	"v1/Binding":            corev1.Binding{},

	"apps/v1/Deployment":     appsv1.Deployment{},
	"apps/v1/DeploymentList": appsv1.DeploymentList{},
	"autoscaling/v1/Scale":   autoscalingv1.Scale{},
	"policy/v1/Eviction":     policyv1.Eviction{},

	"rbac.authorization.k8s.io/v1/Role":                   rbacv1.Role{},
	"rbac.authorization.k8s.io/v1/RoleList":               rbacv1.RoleList{},
	"rbac.authorization.k8s.io/v1/RoleBinding":            rbacv1.RoleBinding{},
	"rbac.authorization.k8s.io/v1/RoleBindingList":        rbacv1.RoleBindingList{},
	"rbac.authorization.k8s.io/v1/ClusterRole":            rbacv1.ClusterRole{},
	"rbac.authorization.k8s.io/v1/ClusterRoleList":        rbacv1.ClusterRoleList{},
	"rbac.authorization.k8s.io/v1/ClusterRoleBinding":     rbacv1.ClusterRoleBinding{},
	"rbac.authorization.k8s.io/v1/ClusterRoleBindingList": rbacv1.ClusterRoleBindingList{},

	"authentication.k8s.io/v1/TokenReview":       authenticationv1.TokenReview{},
	"authentication.k8s.io/v1/SelfSubjectReview": authenticationv1.SelfSubjectReview{},
	"authentication.k8s.io/v1/TokenRequest":      authenticationv1.TokenRequest{},

	"authorization.k8s.io/v1/SubjectAccessReview":      authorizationv1.SubjectAccessReview{},
	"authorization.k8s.io/v1/SelfSubjectAccessReview":  authorizationv1.SelfSubjectAccessReview{},
	"authorization.k8s.io/v1/LocalSubjectAccessReview": authorizationv1.LocalSubjectAccessReview{},
	"authorization.k8s.io/v1/SelfSubjectRulesReview":   authorizationv1.SelfSubjectRulesReview{},

	// Known in every group version.
	"v1/DeleteOptions": metav1.DeleteOptions{},
	"v1/CreateOptions": metav1.CreateOptions{},
	"v1/UpdateOptions": metav1.UpdateOptions{},
	"v1/PatchOptions":  metav1.PatchOptions{},
	"v1/ListOptions":   metav1.ListOptions{},
	"v1/Status":        metav1.Status{},
	"v1/WatchEvent":    metav1.WatchEvent{},
}

// special are the types whose JSON is not that of their fields.
var special = map[reflect.Type]string{
	reflect.TypeOf(resource.Quantity{}):    "Quantity",
	reflect.TypeOf(intstr.IntOrString{}):   "IntOrString",
	reflect.TypeOf(metav1.Time{}):          "Time",
	reflect.TypeOf(metav1.MicroTime{}):     "MicroTime",
	reflect.TypeOf(metav1.Duration{}):      "Duration",
	reflect.TypeOf(metav1.FieldsV1{}):      "FieldsV1",
	reflect.TypeOf(runtime.RawExtension{}): "RawExtension",
}

// The fields of those whose Go fields are not those of their encoding, from
// their generated.proto.
var specialFields = map[string][]field{
	"Quantity":     {{Number: 1, Name: "string", Type: "string"}},
	"Time":         {{Number: 1, Name: "seconds", Type: "int64"}, {Number: 2, Name: "nanos", Type: "int32"}},
	"MicroTime":    {{Number: 1, Name: "seconds", Type: "int64"}, {Number: 2, Name: "nanos", Type: "int32"}},
	"FieldsV1":     {{Number: 1, Name: "Raw", Type: "bytes"}},
	"RawExtension": {{Number: 1, Name: "raw", Type: "bytes"}},
}

type field struct {
	Number    int    `json:"number"`
	Name      string `json:"jsonName,omitempty"`
	Type      string `json:"type"`
	Repeated  bool   `json:"repeated,omitempty"`
	Inline    bool   `json:"inline,omitempty"`
	Pointer   bool   `json:"pointer,omitempty"`
	OmitEmpty bool   `json:"omitempty,omitempty"`
	OmitZero  bool   `json:"omitzero,omitempty"`
}

type message struct {
	Special string  `json:"special,omitempty"`
	Fields  []field `json:"fields"`
}

type descriptors struct {
	Kinds    map[string]string   `json:"kinds"`
	Messages map[string]*message `json:"messages"`
}

func messageName(t reflect.Type) string {
	return strings.ReplaceAll(t.PkgPath(), "/", ".") + "." + t.Name()
}

// isMessage tells a type with an encoding of its own.
func isMessage(t reflect.Type) bool {
	_, ok := reflect.PointerTo(t).MethodByName("MarshalToSizedBuffer")
	return ok && t.Name() != ""
}

func describe() descriptors {
	d := descriptors{map[string]string{}, map[string]*message{}}
	for kind, v := range kinds {
		d.Kinds[kind] = d.message(reflect.TypeOf(v))
	}
	// The envelope that follows the four bytes "k8s\x00".
	d.message(reflect.TypeOf(runtime.Unknown{}))
	// Read out of a file.
	d.message(reflect.TypeOf(auditv1.Policy{}))
	return d
}

func (d descriptors) message(t reflect.Type) string {
	name := messageName(t)
	if d.Messages[name] != nil {
		return name
	}
	m := &message{Special: special[t], Fields: []field{}}
	d.Messages[name] = m
	if fields, ok := specialFields[m.Special]; ok {
		m.Fields = fields
		return name
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String {
		// authenticationv1.ExtraValue: in JSON the list itself.
		m.Special = "StringList"
		m.Fields = []field{{Number: 1, Name: "items", Type: "string", Repeated: true}}
		return name
	}
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("message of %v is not known", t))
	}
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("protobuf")
		if !ok || tag == "-" {
			if f.Name != "TypeMeta" {
				panic(fmt.Sprintf("%v.%s has no protobuf tag", t, f.Name))
			}
			continue
		}
		// bytes,1,opt,name=metadata
		parts := strings.Split(tag, ",")
		number, err := strconv.Atoi(parts[1])
		if err != nil {
			panic(fmt.Sprintf("%v.%s: %s", t, f.Name, tag))
		}
		out := field{Number: number}
		json := strings.Split(f.Tag.Get("json"), ",")
		out.Name = json[0]
		for _, option := range json[1:] {
			switch option {
			case "inline":
				out.Inline = true
			case "omitempty":
				out.OmitEmpty = true
			case "omitzero":
				out.OmitZero = true
			}
		}
		if out.Name == "" && !out.Inline {
			if f.Anonymous && f.Tag.Get("json") == "" {
				out.Inline = true
			} else {
				out.Name = f.Name
			}
		}
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			out.Pointer = true
			ft = ft.Elem()
		}
		out.Type = d.typeOf(ft, &out)
		m.Fields = append(m.Fields, out)
	}
	// In the order of the struct, which is that of its JSON.
	return name
}

func (d descriptors) typeOf(t reflect.Type, out *field) string {
	if isMessage(t) {
		return "message:" + d.message(t)
	}
	switch t.Kind() {
	case reflect.String:
		return named("string", t)
	case reflect.Bool:
		return "bool"
	case reflect.Int32:
		return "int32"
	case reflect.Int64: // whatever wire type the tag claims
		return "int64"
	case reflect.Float64:
		return "double"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		if out.Repeated {
			panic("list of lists")
		}
		out.Repeated = true
		e := t.Elem()
		if e.Kind() == reflect.Pointer {
			e = e.Elem()
		}
		return d.typeOf(e, out)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("%v has keys of %v", t, t.Key()))
		}
		return named("map<string,"+d.typeOf(t.Elem(), &field{})+">", t)
	case reflect.Uint8:
		return "bytes"
	}
	panic(fmt.Sprintf("%v is not known", t))
}

// named tells the Go name of a type that has one, which type errors show.
func named(encoding string, t reflect.Type) string {
	if t.PkgPath() == "" {
		return encoding
	}
	return encoding + ":" + t.String()
}

// checkPatchMeta makes sure that the OpenAPI documents say about strategic
// merge what the struct tags say, which are what Kubernetes goes by.
func checkPatchMeta(documented map[string]bool) error {
	found := map[string]bool{}
	seen := map[reflect.Type]bool{}
	owners := map[string]bool{}
	var visit func(t reflect.Type)
	var fields func(owner string, t reflect.Type)
	visit = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			visit(t.Elem())
		case reflect.Struct:
			if !seen[t] && special[t] == "" {
				seen[t] = true
				owners[openAPIName(t)] = true
				fields(openAPIName(t), t)
			}
		}
	}
	fields = func(owner string, t reflect.Type) {
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			if !f.IsExported() {
				continue
			}
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" && (f.Anonymous || strings.Contains(options, "inline")) {
				if t := f.Type; t.Kind() == reflect.Pointer {
					fields(owner, t.Elem())
				} else {
					fields(owner, t)
				}
				continue
			}
			strategy, key := f.Tag.Get("patchStrategy"), f.Tag.Get("patchMergeKey")
			if strategy != "" || key != "" {
				found[owner+" "+name+" "+strategy+" "+key] = true
			}
			visit(f.Type)
		}
	}
	for _, v := range kinds {
		visit(reflect.TypeOf(v))
	}
	var differ []string
	for k := range found {
		if !documented[k] {
			differ = append(differ, "only in the tags: "+k)
		}
	}
	for k := range documented {
		// The documents are also about kinds that are not described here.
		if owner, _, _ := strings.Cut(k, " "); owners[owner] && !found[k] {
			differ = append(differ, "only in OpenAPI: "+k)
		}
	}
	sort.Strings(differ)
	fmt.Printf("%d patch strategies in the tags of what is described, %d in OpenAPI\n", len(found), len(documented))
	if len(differ) > 0 {
		return fmt.Errorf("the documents and the tags differ about strategic merge:\n%s", strings.Join(differ, "\n"))
	}
	return nil
}

func openAPIName(t reflect.Type) string {
	return strings.NewReplacer("k8s.io/", "io.k8s.", "/", ".").Replace(t.PkgPath()) + "." + t.Name()
}
