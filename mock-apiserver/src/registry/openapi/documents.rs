//! The documents of version 3 as they are kept: what they have in common once,
//! in two files that `dump-schema` wrote, and put together when one is asked
//! for.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::OnceLock;

use kube_rbac::Version;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::registry::release::{self, PerMinor};

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

/// All documents of one minor.
pub struct Documents {
    texts: &'static release::Texts,
    file: File<'static>,
    schemas: Texts<'static>,
    hash: OnceLock<String>,
}

impl Documents {
    /// Those of `minor`.
    pub fn of(minor: Version) -> &'static Self {
        static ALL: PerMinor<Documents> = PerMinor::new();
        ALL.get(minor, || {
            let texts = release::texts(minor);
            Self {
                texts,
                file: serde_json::from_str(texts.openapi_paths)
                    .expect("the embedded documents are what was dumped"),
                schemas: serde_json::from_str(texts.openapi_schemas)
                    .expect("the embedded schemas are what was dumped"),
                hash: OnceLock::new(),
            }
        })
    }

    /// The documents by their paths below `/openapi/v3/`.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Document<'static>)> {
        self.file.documents.iter().map(|(path, d)| (*path, d))
    }

    /// The document at a path below `/openapi/v3/`.
    pub fn find(&self, path: &str) -> Option<&Document<'static>> {
        self.file.documents.get(path)
    }

    /// What they are about.
    pub fn info(&self) -> Value {
        serde_json::from_str(self.file.common.info.get()).unwrap_or_default()
    }

    /// All schemas by name.
    pub fn schemas(&self) -> Value {
        serde_json::from_str(self.texts.openapi_schemas).unwrap_or_default()
    }

    /// Changes when any document does: by it clients cache them.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            super::sha512([self.texts.openapi_paths, self.texts.openapi_schemas].concat())
        })
    }

    /// A document, in the order of Kubernetes' members.
    pub fn text(&self, document: &Document<'_>) -> String {
        let mut paths = String::new();
        self.write_paths(document, &mut paths);
        let Common { info, components } = &self.file.common;
        let mut out = format!(r#"{{"openapi":"3.0.0","info":{info},"paths":{paths}"#);
        out.push_str(r#","components":{"schemas":{"#);
        for (index, (name, schema)) in self.reached(document, &paths).iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(out, r#"{comma}"{name}":{schema}"#);
        }
        let security = components.security_schemes;
        let _ = write!(out, r#"}},"securitySchemes":{security}}}}}"#);
        out
    }

    /// A document's paths alone.
    pub fn paths(&self, document: &Document<'_>) -> Value {
        let mut text = String::new();
        self.write_paths(document, &mut text);
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn write_paths(&self, document: &Document<'_>, out: &mut String) {
        let paths: Value = serde_json::from_str(document.paths.get()).unwrap_or_default();
        write_members(&paths, out, &|key, value, out| {
            self.write_item(key, value, out)
        });
    }

    /// The schemas that `paths` refer to, and those that these do.
    fn reached<'a>(
        &'a self,
        document: &Document<'a>,
        paths: &'a str,
    ) -> BTreeMap<&'a str, &'a RawValue> {
        let mut found = BTreeMap::new();
        let mut left: Vec<&'a str> = references(paths).collect();
        while let Some(name) = left.pop() {
            let schema = document
                .schemas
                .get(name)
                .or_else(|| self.schemas.get(name));
            if let Some(schema) = schema
                && found.insert(name, *schema).is_none()
            {
                left.extend(references(schema.get()));
            }
        }
        found
    }

    /// A path item, or an operation in it, with what its numbers stand for.
    fn write_item(&self, key: &str, value: &Value, out: &mut String) {
        let item = |key: &str, value: &Value, out: &mut String| self.write_item(key, value, out);
        match (key, value) {
            ("parameters", Value::Array(numbers)) => {
                out.push('[');
                for (index, number) in numbers.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    self.write_shared(number, out);
                }
                out.push(']');
            }
            ("responses", _) => {
                write_members(value, out, &|_, number, out| self.write_shared(number, out));
            }
            ("requestBody", _) => self.write_shared(value, out),
            ("get" | "put" | "post" | "delete" | "options" | "head" | "patch", _) => {
                write_members(value, out, &item);
            }
            _ if key.starts_with('/') => write_members(value, out, &item),
            _ => {
                let _ = write!(out, "{value}");
            }
        }
    }

    fn write_shared(&self, number: &Value, out: &mut String) {
        let index = number.as_u64().and_then(|n| usize::try_from(n).ok());
        let shared = index.and_then(|index| self.file.shared.get(index));
        out.push_str(shared.map_or("null", |shared| shared.get()));
    }
}

fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split(REFERENCE)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
}

fn write_members(object: &Value, out: &mut String, each: &dyn Fn(&str, &Value, &mut String)) {
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
    use rstest::rstest;

    use super::*;

    /// Every number has its value and every reference its schema.
    #[rstest]
    #[case(Version::V1_34, 22)]
    #[case(Version::V1_35, 22)]
    #[case(Version::V1_36, 22)]
    #[case(Version::V1_37, 23)]
    fn every_document_is_whole(#[case] minor: Version, #[case] count: usize) {
        let documents = Documents::of(minor);
        for (path, document) in documents.all() {
            let text = documents.text(document);
            let document: Value = serde_json::from_str(&text).expect(path);
            assert!(!text.contains(":null"), "{path}");
            assert_eq!(document["info"]["version"], minor.minor());
            for name in references(&text) {
                let schema = &document["components"]["schemas"][name];
                assert!(schema.is_object(), "{path}: {name}");
            }
        }
        assert_eq!(documents.all().count(), count);
    }
}
