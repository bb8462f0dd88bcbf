//! The documents of version 3 as they are kept: what they have in common once,
//! in two files that `dump-schema` wrote, and put together when one is asked
//! for.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// All schemas by name.
pub const SCHEMAS: &str = include_str!("../../../data/v1.37/openapi-schemas.json");
const PATHS: &str = include_str!("../../../data/v1.37/openapi-paths.json");
/// How schemas are referred to.
const REFERENCE: &str = "#/components/schemas/";

type Texts<'a> = HashMap<&'a str, &'a RawValue>;

/// What `openapi-paths.json` holds.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    common: Common<'a>,
    /// Parameters, bodies and responses of operations.
    #[serde(borrow)]
    shared: Vec<&'a RawValue>,
    #[serde(borrow)]
    documents: BTreeMap<&'a str, Document<'a>>,
}

#[derive(Deserialize)]
struct Common<'a> {
    #[serde(borrow)]
    info: &'a RawValue,
    components: Components<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Components<'a> {
    #[serde(borrow)]
    security_schemes: &'a RawValue,
}

/// One group version's document.
#[derive(Deserialize)]
pub struct Document<'a> {
    #[serde(borrow)]
    paths: &'a RawValue,
    /// The schemas that are not as in other documents.
    #[serde(borrow)]
    schemas: Texts<'a>,
}

fn file() -> &'static File<'static> {
    static FILE: OnceLock<File<'static>> = OnceLock::new();
    FILE.get_or_init(|| {
        serde_json::from_str(PATHS).expect("the embedded documents are what was dumped")
    })
}

fn schemas() -> &'static Texts<'static> {
    static TEXTS: OnceLock<Texts<'static>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        serde_json::from_str(SCHEMAS).expect("the embedded schemas are what was dumped")
    })
}

/// The documents by their paths below `/openapi/v3/`.
pub fn all() -> impl Iterator<Item = (&'static str, &'static Document<'static>)> {
    file().documents.iter().map(|(path, d)| (*path, d))
}

/// The document at a path below `/openapi/v3/`.
pub fn find(path: &str) -> Option<&'static Document<'static>> {
    file().documents.get(path)
}

/// What they are about.
pub fn info() -> Value {
    serde_json::from_str(file().common.info.get()).unwrap_or_default()
}

/// Changes when any document does: by it clients cache them.
pub fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| super::sha512([PATHS, SCHEMAS].concat()))
}

impl Document<'static> {
    /// The document, in the order of Kubernetes' members.
    pub fn text(&self) -> String {
        let mut paths = String::new();
        self.write_paths(&mut paths);
        let Common { info, components } = &file().common;
        let mut out = format!(r#"{{"openapi":"3.0.0","info":{info},"paths":{paths}"#);
        out.push_str(r#","components":{"schemas":{"#);
        for (index, (name, schema)) in self.reached(&paths).iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(out, r#"{comma}"{name}":{schema}"#);
        }
        let security = components.security_schemes;
        let _ = write!(out, r#"}},"securitySchemes":{security}}}}}"#);
        out
    }

    /// The paths alone.
    pub fn paths(&self) -> Value {
        let mut text = String::new();
        self.write_paths(&mut text);
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn write_paths(&self, out: &mut String) {
        let paths: Value = serde_json::from_str(self.paths.get()).unwrap_or_default();
        write_members(&paths, out, write_item);
    }

    /// The schemas that `paths` refer to, and those that these do.
    fn reached<'a>(&self, paths: &'a str) -> BTreeMap<&'a str, &'static RawValue> {
        let mut found = BTreeMap::new();
        let mut left: Vec<&'a str> = references(paths).collect();
        while let Some(name) = left.pop() {
            let schema = self.schemas.get(name).or_else(|| schemas().get(name));
            if let Some(schema) = schema
                && found.insert(name, *schema).is_none()
            {
                left.extend(references(schema.get()));
            }
        }
        found
    }
}

fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split(REFERENCE)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
}

/// A path item, or an operation in it, with what its numbers stand for.
fn write_item(key: &str, value: &Value, out: &mut String) {
    match (key, value) {
        ("parameters", Value::Array(numbers)) => {
            out.push('[');
            for (index, number) in numbers.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_shared(key, number, out);
            }
            out.push(']');
        }
        ("responses", _) => write_members(value, out, write_shared),
        ("requestBody", _) => write_shared(key, value, out),
        ("get" | "put" | "post" | "delete" | "options" | "head" | "patch", _) => {
            write_members(value, out, write_item);
        }
        _ if key.starts_with('/') => write_members(value, out, write_item),
        _ => {
            let _ = write!(out, "{value}");
        }
    }
}

fn write_shared(_: &str, number: &Value, out: &mut String) {
    let index = number.as_u64().and_then(|n| usize::try_from(n).ok());
    let shared = index.and_then(|index| file().shared.get(index));
    out.push_str(shared.map_or("null", |shared| shared.get()));
}

fn write_members(object: &Value, out: &mut String, each: fn(&str, &Value, &mut String)) {
    out.push('{');
    let members = object.as_object().into_iter().flatten();
    for (index, (key, value)) in members.enumerate() {
        if index > 0 {
            out.push(',');
        }
        let _ = write!(out, "{}:", Value::from(key.as_str()));
        each(key, value, out);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number has its value and every reference its schema.
    #[test]
    fn every_document_is_whole() {
        for (path, document) in all() {
            let text = document.text();
            let document: Value = serde_json::from_str(&text).expect(path);
            assert!(!text.contains(":null"), "{path}");
            for name in references(&text) {
                let schema = &document["components"]["schemas"][name];
                assert!(schema.is_object(), "{path}: {name}");
            }
        }
        assert_eq!(all().count(), 23);
    }
}
