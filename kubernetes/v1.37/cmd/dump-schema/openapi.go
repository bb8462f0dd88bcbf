package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kubernetes/pkg/generated/openapi"
)

// documents is what openapi-paths.json holds.
type documents struct {
	Common    map[string]any      `json:"common"`
	Shared    []any               `json:"shared"`
	Documents map[string]document `json:"documents"`
}

type document struct {
	Paths   map[string]any `json:"paths"`
	Schemas map[string]any `json:"schemas"`
}

// openAPI gives all documents with what they have in common told once: the
// parameters, bodies and responses of their operations as numbers of a list,
// the schemas by name. A document has schemas of its own only where they are
// not the same in all.
func openAPI(api, minor string, served []groupVersion) (*documents, map[string]any, error) {
	all := &documents{Documents: map[string]document{}}
	shared := interner{numbers: map[string]int{}}
	schemas := map[string]any{}
	for _, g := range served {
		file, err := read(filepath.Join(api, "openapi-spec", "v3", g.file("_openapi.json")))
		if err != nil {
			return nil, nil, err
		}
		if err := asReleased(file, minor); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", g.path(), err)
		}
		paths := file["paths"].(map[string]any)
		for _, path := range sorted(paths) {
			paths[path] = shared.item(paths[path].(map[string]any))
		}
		components := file["components"].(map[string]any)
		own := map[string]any{}
		for name, schema := range components["schemas"].(map[string]any) {
			if known, ok := schemas[name]; !ok {
				schemas[name] = schema
			} else if !equal(known, schema) {
				own[name] = schema
			}
		}
		all.Documents[g.path()] = document{paths, own}
		delete(file, "paths")
		delete(components, "schemas")
		if all.Common == nil {
			all.Common = file
		} else if !equal(all.Common, file) {
			return nil, nil, fmt.Errorf("%s differs from the others in more than paths and schemas", g.path())
		}
	}
	all.Shared = shared.values
	return all, schemas, nil
}

// asReleased makes of the repository's document the one that a server gives.
// Kubernetes writes the former with all alpha features on, of which CBOR shows,
// and without what the enumerations of values add.
func asReleased(file map[string]any, minor string) error {
	file["info"].(map[string]any)["version"] = minor
	withoutCBOR(file["paths"])
	schemas := file["components"].(map[string]any)["schemas"].(map[string]any)
	ref := func(path string) spec.Ref { return spec.MustCreateRef("#/" + path) }
	found := false
	for name, definition := range openapi.GetOpenAPIDefinitions(ref) {
		// Until 1.34 they went by their Go types.
		if strings.Contains(name, "/") {
			name = util.ToRESTFriendlyName(name)
		}
		if schema, ok := schemas[name].(map[string]any); ok {
			withEnums(schema, &definition.Schema)
			found = true
		}
	}
	if !found {
		return errors.New("none of its schemas is defined by Kubernetes' own code")
	}
	return nil
}

func withoutCBOR(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			withoutCBOR(e)
		}
	case map[string]any:
		for key, e := range v {
			if key == "content" {
				for media := range e.(map[string]any) {
					if strings.Contains(media, "cbor") {
						delete(e.(map[string]any), media)
					}
				}
			}
			withoutCBOR(e)
		}
	}
}

func withEnums(schema map[string]any, source *spec.Schema) {
	if len(source.Enum) > 0 {
		schema["enum"] = source.Enum
	}
	if source.Description != "" {
		schema["description"] = source.Description
	}
	inner := func(key string, source *spec.Schema) {
		if schema, ok := schema[key].(map[string]any); ok && source != nil {
			withEnums(schema, source)
		}
	}
	if source.Items != nil {
		inner("items", source.Items.Schema)
	}
	if source.AdditionalProperties != nil {
		inner("additionalProperties", source.AdditionalProperties.Schema)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range source.Properties {
		if schema, ok := properties[name].(map[string]any); ok {
			withEnums(schema, &property)
		}
	}
}

func equal(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// sorted gives the keys in an order that is always the same.
func sorted(m map[string]any) []string {
	return slices.Sorted(maps.Keys(m))
}

// interner numbers values that occur again and again.
type interner struct {
	numbers map[string]int
	values  []any
}

func (s *interner) number(v any) int {
	data, _ := json.Marshal(v)
	number, ok := s.numbers[string(data)]
	if !ok {
		number = len(s.values)
		s.numbers[string(data)] = number
		s.values = append(s.values, v)
	}
	return number
}

// item is a path item, or an operation in it, in numbers.
func (s *interner) item(item map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range sorted(item) {
		switch value := item[key].(type) {
		case []any:
			out[key] = value
			if key == "parameters" {
				numbers := []int{}
				for _, parameter := range value {
					numbers = append(numbers, s.number(parameter))
				}
				out[key] = numbers
			}
		case map[string]any:
			switch key {
			case "responses":
				numbers := map[string]int{}
				for _, code := range sorted(value) {
					numbers[code] = s.number(value[code])
				}
				out[key] = numbers
			case "requestBody":
				out[key] = s.number(value)
			case "get", "put", "post", "delete", "options", "head", "patch":
				out[key] = s.item(value)
			default:
				out[key] = value
			}
		default:
			out[key] = value
		}
	}
	return out
}

// patchMeta gives what the documents say about strategic merge.
func patchMeta(schemas map[string]any) map[string]bool {
	found := map[string]bool{}
	for name, schema := range schemas {
		properties, _ := schema.(map[string]any)["properties"].(map[string]any)
		for field, p := range properties {
			p := p.(map[string]any)
			strategy, _ := p["x-kubernetes-patch-strategy"].(string)
			key, _ := p["x-kubernetes-patch-merge-key"].(string)
			if strategy != "" || key != "" {
				found[name+" "+field+" "+strategy+" "+key] = true
			}
		}
	}
	return found
}
