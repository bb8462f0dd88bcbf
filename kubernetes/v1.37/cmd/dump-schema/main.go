// dump-schema writes what the embedded API server embeds of Kubernetes: the
// OpenAPI and discovery documents of the resources it serves and the
// descriptors of their protobuf encoding.
//
//	go run ./cmd/dump-schema mock-apiserver/data/v1.37
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// group is a group version that is served, and the resources of it.
type group struct {
	name, version string // name "" is the core group
	short         string // names its files
	resources     []string
}

var groups = []group{
	{"", "v1", "api-v1", []string{"namespaces", "pods", "nodes", "configmaps", "secrets", "services", "serviceaccounts"}},
	{"apps", "v1", "apps-v1", []string{"deployments"}},
	{"rbac.authorization.k8s.io", "v1", "rbac-v1", []string{"clusterrolebindings", "clusterroles", "rolebindings", "roles"}},
	{"authentication.k8s.io", "v1", "authentication-v1", []string{"selfsubjectreviews", "tokenreviews"}},
	{"authorization.k8s.io", "v1", "authorization-v1", []string{"localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"}},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dump-schema FOLDER")
		os.Exit(2)
	}
	if err := dump(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "dump-schema:", err)
		os.Exit(1)
	}
}

func dump(folder string) error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes").Output()
	if err != nil {
		return fmt.Errorf("go list, to be run inside the module: %w", err)
	}
	api := filepath.Join(strings.TrimSpace(string(out)), "api")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	write := func(name string, v any) error {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		fmt.Printf("%8d %s\n", len(data)+1, name)
		return os.WriteFile(filepath.Join(folder, name), append(data, '\n'), 0o644)
	}

	patchMeta := map[string]bool{}
	for _, g := range groups {
		document, err := openAPI(api, g, patchMeta)
		if err != nil {
			return err
		}
		if err := write("openapi-"+g.short+".json", document); err != nil {
			return err
		}
	}
	if err := discovery(api, write); err != nil {
		return err
	}
	descriptors := describe()
	if err := write("protobuf.json", descriptors); err != nil {
		return err
	}
	return checkPatchMeta(patchMeta)
}

func read(path string) (map[string]any, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

func (g group) file(suffix string) string {
	if g.name == "" {
		return "api__" + g.version + suffix
	}
	return "apis__" + g.name + "__" + g.version + suffix
}

func (g group) serves(resource string) bool {
	resource, _, _ = strings.Cut(resource, "/")
	for _, r := range g.resources {
		if r == resource {
			return true
		}
	}
	return false
}

// openAPI gives the group's document with the paths of the served resources
// and the schemas that can be reached from them.
func openAPI(api string, g group, patchMeta map[string]bool) (map[string]any, error) {
	document, err := read(filepath.Join(api, "openapi-spec", "v3", g.file("_openapi.json")))
	if err != nil {
		return nil, err
	}
	// PREFIX/, perhaps namespaces/{namespace}/, RESOURCE and the rest. Watches
	// by path are deprecated and proxies are not served.
	pattern := regexp.MustCompile(`^/apis?(?:/[^/]+)?/v1/(?:namespaces/\{namespace\}/)?([a-z]+)(/.*)?$`)
	paths := map[string]any{}
	for path, item := range document["paths"].(map[string]any) {
		m := pattern.FindStringSubmatch(path)
		if m != nil && m[1] == "watch" || strings.Contains(path, "/proxy") {
			continue
		}
		if strings.Count(path, "/") > 1 && (m == nil || g.serves(m[1])) {
			paths[path] = item
		}
	}
	document["paths"] = paths

	components := document["components"].(map[string]any)
	all := components["schemas"].(map[string]any)
	schemas := map[string]any{}
	var reach func(v any)
	reach = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				reach(e)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				name := ref[strings.LastIndex(ref, "/")+1:]
				if _, seen := schemas[name]; !seen {
					schemas[name] = all[name]
					reach(all[name])
				}
			}
			for _, e := range v {
				reach(e)
			}
		}
	}
	reach(paths)
	components["schemas"] = schemas
	for name, schema := range schemas {
		properties, _ := schema.(map[string]any)["properties"].(map[string]any)
		for field, p := range properties {
			p := p.(map[string]any)
			strategy, _ := p["x-kubernetes-patch-strategy"].(string)
			key, _ := p["x-kubernetes-patch-merge-key"].(string)
			if strategy != "" || key != "" {
				patchMeta[name+" "+field+" "+strategy+" "+key] = true
			}
		}
	}
	return document, nil
}

func discovery(api string, write func(string, any) error) error {
	in := func(name string) (map[string]any, error) { return read(filepath.Join(api, "discovery", name)) }

	for _, g := range groups {
		list, err := in(g.file(".json"))
		if err != nil {
			return err
		}
		list["resources"] = filter(list["resources"], func(r map[string]any) bool { return g.serves(r["name"].(string)) })
		if err := write("discovery-"+g.short+".json", list); err != nil {
			return err
		}
		if g.name == "" {
			if err := write("aggregated_discovery_api.json", aggregated(list)); err != nil {
				return err
			}
		}
	}

	byName := func(name string) *group {
		for i := range groups {
			if name != "" && groups[i].name == name {
				return &groups[i]
			}
		}
		return nil
	}
	list, err := in("apis.json")
	if err != nil {
		return err
	}
	list["groups"] = filter(list["groups"], func(g map[string]any) bool { return byName(g["name"].(string)) != nil })
	if err := write("discovery-apis.json", list); err != nil {
		return err
	}
	list, err = in("aggregated_v2.json")
	if err != nil {
		return err
	}
	list["items"] = filter(list["items"], func(item map[string]any) bool {
		g := byName(item["metadata"].(map[string]any)["name"].(string))
		if g == nil {
			return false
		}
		item["versions"] = filter(item["versions"], func(v map[string]any) bool { return v["version"] == g.version })
		for _, v := range item["versions"].([]any) {
			v := v.(map[string]any)
			v["resources"] = filter(v["resources"], func(r map[string]any) bool { return g.serves(r["resource"].(string)) })
		}
		return true
	})
	if err := write("aggregated_discovery.json", list); err != nil {
		return err
	}

	// What there is beyond that, in stable versions: for the names alone.
	core, err := in("api__v1.json")
	if err != nil {
		return err
	}
	all := aggregated(core)
	list, err = in("aggregated_v2.json")
	if err != nil {
		return err
	}
	stable := regexp.MustCompile(`^v\d+$`)
	list["items"] = filter(list["items"], func(item map[string]any) bool {
		versions := filter(item["versions"], func(v map[string]any) bool { return stable.MatchString(v["version"].(string)) })
		item["versions"] = versions
		return len(versions) > 0
	})
	all["items"] = append(all["items"].([]any), list["items"].([]any)...)
	return write("resources.json", all)
}

func filter(list any, keep func(map[string]any) bool) []any {
	kept := []any{}
	for _, e := range list.([]any) {
		if keep(e.(map[string]any)) {
			kept = append(kept, e)
		}
	}
	return kept
}

// aggregated gives the aggregated discovery of the core group, of which the
// repository of Kubernetes has none, from its plain discovery.
func aggregated(list map[string]any) map[string]any {
	var order []string
	byName := map[string]map[string]any{}
	text := func(r map[string]any, key string) string { s, _ := r[key].(string); return s }
	for _, e := range list["resources"].([]any) {
		r := e.(map[string]any)
		name, sub, isSub := strings.Cut(text(r, "name"), "/")
		kind := map[string]any{"group": text(r, "group"), "version": text(r, "version"), "kind": text(r, "kind")}
		if isSub {
			subresources, _ := byName[name]["subresources"].([]any)
			byName[name]["subresources"] = append(subresources, map[string]any{
				"subresource": sub, "responseKind": kind, "verbs": r["verbs"],
			})
			continue
		}
		entry := map[string]any{
			"resource": name, "responseKind": kind, "scope": "Cluster",
			"singularResource": text(r, "singularName"), "verbs": r["verbs"],
		}
		if r["namespaced"] == true {
			entry["scope"] = "Namespaced"
		}
		for _, key := range []string{"shortNames", "categories"} {
			if r[key] != nil {
				entry[key] = r[key]
			}
		}
		byName[name] = entry
		order = append(order, name)
	}
	resources := []any{}
	for _, name := range order {
		resources = append(resources, byName[name])
	}
	return map[string]any{
		"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": map[string]any{},
		"items": []any{map[string]any{
			"metadata": map[string]any{},
			"versions": []any{map[string]any{"version": "v1", "freshness": "Current", "resources": resources}},
		}},
	}
}
