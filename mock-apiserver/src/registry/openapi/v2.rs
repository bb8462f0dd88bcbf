//! `/openapi/v2`: the documents of version 3 told as the one document that
//! was before them. kubectl asks for it where version 3 has no PATCH of a
//! kind: for a `List`, for reviews, for kinds that are not served.

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, VARY};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use kube_rbac::Version;
use serde_json::{Map, Value, json};

use super::documents::Documents;
use super::{JSON, gnostic};
use crate::registry::release::PerMinor;
use crate::wire;

/// What clients ask for.
const PROTOBUF_OLD: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// What they get.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

struct Spelt {
    json: Vec<u8>,
    protobuf: Vec<u8>,
    hash: String,
}

/// Answers a GET.
pub fn respond(minor: Version, parts: &Parts) -> Response {
    let accept = parts.headers.get(ACCEPT).and_then(|v| v.to_str().ok());
    let agreed = wire::first_accepted(accept, &[JSON, PROTOBUF_OLD, PROTOBUF]);
    let mut response = match agreed {
        Some(media) => serve(minor, media, parts),
        None => super::with_code(StatusCode::NOT_ACCEPTABLE),
    };
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Accept"));
    response
}

fn serve(minor: Version, media: &str, parts: &Parts) -> Response {
    let spelt = spelt(minor);
    let (content_type, body) = match media {
        JSON => (JSON, &spelt.json),
        _ => (PROTOBUF, &spelt.protobuf),
    };
    // Upstream has one tag for both spellings, since `Vary` tells them apart.
    super::tagged(parts, &spelt.hash, content_type, || {
        Body::from(body.as_slice())
    })
}

/// The document, made when it is first asked for.
fn spelt(minor: Version) -> &'static Spelt {
    static SPELT: PerMinor<Spelt> = PerMinor::new();
    SPELT.get(minor, || {
        let document = document(minor);
        let json = wire::json::bare(&document);
        Spelt {
            hash: super::sha512(&json),
            protobuf: gnostic::document(&document),
            json,
        }
    })
}

fn document(minor: Version) -> Value {
    let documents = Documents::of(minor);
    let mut paths = Map::new();
    for (_, document) in documents.all() {
        let version3 = documents.paths(document);
        paths.extend(members(&version3).map(|(path, item)| (path.clone(), path_item(item))));
    }
    // The schemas are part of the program; a test reads them all.
    let schemas = documents.schemas();
    let definitions: Map<String, Value> = members(&schemas)
        .map(|(name, definition)| (name.clone(), schema(definition)))
        .collect();
    json!({
        "swagger": "2.0",
        "info": documents.info(),
        "paths": paths,
        "definitions": definitions,
    })
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn path_item(item: &Value) -> Value {
    let mut out = Map::new();
    for (key, value) in members(item) {
        let value = match key.as_str() {
            "parameters" => items(value).map(parameter).collect(),
            _ => operation(value),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}

fn operation(operation: &Value) -> Value {
    let mut out = Map::new();
    let body = &operation["requestBody"];
    let mut parameters: Vec<Value> = items(&operation["parameters"]).map(parameter).collect();
    let mut consumes = json!(["*/*"]);
    if !body.is_null() {
        parameters.insert(0, body_parameter(body));
        consumes = media_types(body);
    }
    out.insert("consumes".to_owned(), consumes);
    for (key, value) in members(operation) {
        let value = match key.as_str() {
            "requestBody" | "parameters" => continue,
            "responses" => responses(value),
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    if !parameters.is_empty() {
        out.insert("parameters".to_owned(), parameters.into());
    }
    out.insert(
        "produces".to_owned(),
        media_types(&operation["responses"]["200"]),
    );
    out.insert("schemes".to_owned(), json!(["https"]));
    Value::Object(out)
}

fn media_types(of: &Value) -> Value {
    members(&of["content"])
        .map(|(media, _)| Value::from(media.as_str()))
        .collect()
}

/// The schema is the same in every media type.
fn content_schema(of: &Value) -> Option<Value> {
    let (_, content) = members(&of["content"]).next()?;
    content.get("schema").map(schema)
}

fn body_parameter(body: &Value) -> Value {
    let mut out = json!({"in": "body", "name": "body"});
    if body["required"] == true {
        out["required"] = true.into();
    }
    out["schema"] = content_schema(body).unwrap_or_default();
    out
}

/// What version 3 has in a parameter's schema stands in the parameter.
fn parameter(parameter: &Value) -> Value {
    let mut out = Map::new();
    for (key, value) in members(parameter) {
        if key == "schema" {
            out.extend(members(value).map(|(k, v)| (k.clone(), v.clone())));
        } else {
            out.insert(key.clone(), value.clone());
        }
    }
    Value::Object(out)
}

fn responses(responses: &Value) -> Value {
    members(responses)
        .map(|(code, response)| {
            let mut out = json!({"description": response["description"]});
            if let Some(schema) = content_schema(response) {
                out["schema"] = schema;
            }
            (code.clone(), out)
        })
        .collect::<Map<String, Value>>()
        .into()
}

/// Version 2 has no defaults, no alternatives, and its references alone.
fn schema(schema3: &Value) -> Value {
    let mut out = Map::new();
    for (key, value) in members(schema3) {
        match key.as_str() {
            "default" => {}
            "allOf" => out.extend(items(value).flat_map(|one| match schema(one) {
                Value::Object(one) => one,
                _ => Map::new(),
            })),
            // Quantities, and numbers or strings.
            "oneOf" => {
                out.insert("type".to_owned(), "string".into());
            }
            "$ref" => {
                let name = value.as_str().and_then(|v| v.rsplit('/').next());
                let local = format!("#/definitions/{}", name.unwrap_or_default());
                out.insert(key.clone(), local.into());
            }
            "properties" => {
                let properties = members(value).map(|(k, v)| (k.clone(), schema(v)));
                out.insert(key.clone(), Value::Object(properties.collect()));
            }
            "items" | "additionalProperties" if value.is_object() => {
                out.insert(key.clone(), schema(value));
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_to_a_definition() {
        fn walk(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    map.values().for_each(|v| walk(v, found));
                }
                Value::Array(items) => items.iter().for_each(|v| walk(v, found)),
                _ => {}
            }
        }
        for minor in Version::ALL {
            let document = document(minor);
            let mut found = Vec::new();
            walk(&document, &mut found);
            assert!(found.len() > 500);
            for reference in found {
                let name = reference.strip_prefix("#/definitions/").expect("local");
                assert!(document["definitions"][name].is_object(), "{name}");
            }
        }
    }

    #[test]
    fn a_schema_is_told_as_version_2_has_it() {
        let definitions = &document(Version::default())["definitions"];
        assert_eq!(
            definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["type"],
            "string"
        );
        let port = &definitions["io.k8s.api.core.v1.ContainerPort"];
        assert_eq!(
            port["properties"]["containerPort"],
            json!({"description": "Number of port to expose on the pod's IP address. This must be a valid port number, 0 < x < 65536.", "format": "int32", "type": "integer"})
        );
        let map = &definitions["io.k8s.api.core.v1.ConfigMap"];
        assert_eq!(
            map["properties"]["metadata"]["$ref"],
            "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
        );
        assert!(map["properties"]["metadata"].get("allOf").is_none());
    }
}
