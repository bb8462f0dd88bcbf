// dump-schema writes what the embedded API server embeds of Kubernetes:
// discovery and OpenAPI of everything that Kubernetes serves by itself in
// stable versions, the descriptors of the protobuf encoding of what is stored,
// and the columns in which the server prints each kind.
//
//	go run ./cmd/dump-schema ../../mock-apiserver/data/v1.37
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

// stable are the versions that are on by default.
var stable = regexp.MustCompile(`^v\d+$`)

// groupVersion is one that is served; the group "" is the core group.
type groupVersion struct{ group, version string }

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
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", "k8s.io/kubernetes").Output()
	if err != nil {
		return fmt.Errorf("go list, to be run inside the module: %w", err)
	}
	source, release, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	api := filepath.Join(source, "api")
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

	resources, served, err := discovery(api)
	if err != nil {
		return err
	}
	if err := write("resources.json", resources); err != nil {
		return err
	}
	documents, schemas, err := openAPI(api, minor(release), served)
	if err != nil {
		return err
	}
	if err := write("openapi-paths.json", documents); err != nil {
		return err
	}
	if err := write("openapi-schemas.json", schemas); err != nil {
		return err
	}
	if err := write("protobuf.json", describe()); err != nil {
		return err
	}
	if err := write("columns.json", printed()); err != nil {
		return err
	}
	return checkPatchMeta(patchMeta(schemas))
}

// minor is 1.37 of v1.37.2.
func minor(release string) string {
	parts := strings.SplitN(strings.TrimPrefix(release, "v"), ".", 3)
	return strings.Join(parts[:2], ".")
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

// file names the group version's file among Kubernetes' own.
func (g groupVersion) file(suffix string) string {
	return strings.ReplaceAll(g.path(), "/", "__") + suffix
}

// path is where the group version is served.
func (g groupVersion) path() string {
	if g.group == "" {
		return "api/" + g.version
	}
	return "apis/" + g.group + "/" + g.version
}

// discovery gives everything in stable versions in the aggregated form, with
// the hashes that only the plain form has, and which group versions there are.
func discovery(api string) (map[string]any, []groupVersion, error) {
	in := func(name string) (map[string]any, error) { return read(filepath.Join(api, "discovery", name)) }

	core, err := in("api__v1.json")
	if err != nil {
		return nil, nil, err
	}
	all := aggregated(core)
	list, err := in("aggregated_v2.json")
	if err != nil {
		return nil, nil, err
	}
	list["items"] = filter(list["items"], func(item map[string]any) bool {
		versions := filter(item["versions"], func(v map[string]any) bool { return stable.MatchString(v["version"].(string)) })
		item["versions"] = versions
		return len(versions) > 0
	})
	all["items"] = append(all["items"].([]any), list["items"].([]any)...)

	var served []groupVersion
	for _, item := range all["items"].([]any) {
		item := item.(map[string]any)
		group, _ := item["metadata"].(map[string]any)["name"].(string)
		for _, v := range item["versions"].([]any) {
			v := v.(map[string]any)
			g := groupVersion{group, v["version"].(string)}
			served = append(served, g)
			plain, err := in(g.file(".json"))
			if err != nil {
				return nil, nil, err
			}
			hashes := map[any]any{}
			for _, r := range plain["resources"].([]any) {
				r := r.(map[string]any)
				hashes[r["name"]] = r["storageVersionHash"]
			}
			for _, r := range v["resources"].([]any) {
				r := r.(map[string]any)
				if hash := hashes[r["resource"]]; hash != nil {
					r["storageVersionHash"] = hash
				}
			}
		}
	}
	return all, served, nil
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
