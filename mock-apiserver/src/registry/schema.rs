//! Kubernetes' Go types as data: which fields a kind has, and what its JSON
//! looks like after the API server has decoded and encoded it.
//!
//! Objects are kept as JSON. What the API server does to them on the way
//! through its typed structs (unknown fields dropped, types checked, empty
//! fields left out, keys in the structs' order, maps sorted) is done here, by
//! a table generated out of Kubernetes' own types (`data`). Patch
//! strategies come from the extensions in the published OpenAPI documents.

mod decode;
mod patches;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use kube_rbac::Version;
use serde::Deserialize;

pub use decode::Decoded;
use patches::PatchSchemas;

use super::release::{PerMinor, texts};

/// All messages by number.
pub struct Schema {
    messages: Vec<Message>,
    by_name: HashMap<Box<str>, u16>,
    /// The messages of kinds, by `apiVersion/kind`.
    by_kind: HashMap<Box<str>, u16>,
}

/// One Go struct, or a type with an encoding of its own.
pub struct Message {
    /// `PodSpec`.
    short: Box<str>,
    /// `v1.PodSpec`, as Go's reflection prints the type.
    go: Box<str>,
    special: Option<Special>,
    fields: Vec<Field>,
}

struct Field {
    name: Box<str>,
    ty: Type,
    repeated: bool,
    pointer: bool,
    omit_empty: bool,
    omit_zero: bool,
    patch: Patch,
}

/// How a strategic merge patch treats a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Lists are merged instead of replaced.
    pub merge: bool,
    /// Keys that the patch does not list in `$retainKeys` are removed.
    pub retain_keys: bool,
    /// The field by which items of a merged list are matched; `None` for
    /// lists of scalars.
    pub merge_key: Option<Box<str>>,
}

enum Type {
    /// With the name that Go has for it.
    String(Box<str>),
    Bytes,
    Bool,
    Int32,
    Int64,
    Double,
    Message(u16),
    /// With its own name in Go, if it has one.
    Map(Box<Type>, Option<Box<str>>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    Quantity,
    IntOrString,
    Time,
    MicroTime,
    Raw,
    StringList,
}

/// The element of a struct that a patch walks through.
#[derive(Clone, Copy)]
pub enum Node<'a> {
    /// A struct.
    Struct(&'a Message),
    /// A map with string keys.
    Map,
    /// Anything that is replaced as a whole.
    Opaque,
}

/// The schema of `minor`, parsed when it is first asked for.
pub fn schema(minor: Version) -> &'static Schema {
    static SCHEMAS: PerMinor<Schema> = PerMinor::new();
    SCHEMAS.get(minor, || {
        let texts = texts(minor);
        let mut schema = Schema::parse(texts.types);
        schema.add_patch_strategies(texts.openapi_schemas);
        schema
    })
}

/// The schema of the newest minor, by which objects are kept. What an older one's
/// let in is in it, but for what only that one had (`workloadRef` of 1.35's pods,
/// which is off there, and so never stored).
pub fn newest() -> &'static Schema {
    schema(Version::default())
}

#[derive(Deserialize)]
struct RawSchema {
    kinds: HashMap<String, String>,
    messages: HashMap<String, RawMessage>,
}

#[derive(Deserialize)]
struct RawMessage {
    special: Option<String>,
    #[serde(default)]
    fields: Vec<RawField>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawField {
    #[serde(default)]
    json_name: String,
    #[serde(rename = "type")]
    ty: String,
    #[serde(default)]
    repeated: bool,
    #[serde(default)]
    inline: bool,
    #[serde(default)]
    pointer: bool,
    #[serde(default)]
    omitempty: bool,
    #[serde(default)]
    omitzero: bool,
}

impl Schema {
    fn parse(json: &str) -> Self {
        // The table is part of the program and covered by the tests below.
        let raw: RawSchema = serde_json::from_str(json).unwrap_or_else(|_| RawSchema {
            kinds: HashMap::new(),
            messages: HashMap::new(),
        });
        let mut names: Vec<&String> = raw.messages.keys().collect();
        names.sort_unstable();
        let by_name: HashMap<Box<str>, u16> = names
            .iter()
            .zip(0..)
            .map(|(name, number)| (name.as_str().into(), number))
            .collect();
        let messages = names
            .iter()
            .map(|name| {
                let mut fields = Vec::new();
                flatten(&raw, &by_name, name, &mut fields);
                let special = raw.messages[*name].special.as_deref();
                Message::new(name, special, fields)
            })
            .collect();
        let by_kind = raw
            .kinds
            .iter()
            .filter_map(|(kind, name)| Some((kind.as_str().into(), *by_name.get(name.as_str())?)))
            .collect();
        Self {
            messages,
            by_name,
            by_kind,
        }
    }

    fn add_patch_strategies(&mut self, openapi: &str) {
        let Ok(schemas) = serde_json::from_str::<PatchSchemas>(openapi) else {
            return;
        };
        for (name, fields) in schemas.0 {
            // io.k8s.api.core.v1.PodSpec is k8s.io.api.core.v1.PodSpec here.
            let Some(tail) = name.strip_prefix("io.k8s.") else {
                continue;
            };
            let Some(number) = self.by_name.get(format!("k8s.io.{tail}").as_str()) else {
                continue;
            };
            for (field_name, patch) in fields {
                let message = &mut self.messages[usize::from(*number)];
                if let Some(field) = message.fields.iter_mut().find(|f| *f.name == *field_name) {
                    field.patch = patch;
                }
            }
        }
    }

    /// The message called `name`, for example `k8s.io.api.core.v1.Pod`.
    pub fn message(&self, name: &str) -> Option<&Message> {
        self.by_name
            .get(name)
            .map(|number| &self.messages[usize::from(*number)])
    }

    /// What a patch finds under `key` of `node`, and how it is to treat it.
    /// Where there is no such field, one that differs in case will do.
    pub fn child<'a>(&'a self, node: Node<'a>, key: &str) -> Option<(Node<'a>, &'a Patch)> {
        let field = self.field_of(node, key)?;
        let node = match &field.ty {
            Type::Message(number) => {
                let message = &self.messages[usize::from(*number)];
                match message.special {
                    None => Node::Struct(message),
                    Some(_) => Node::Opaque,
                }
            }
            Type::Map(..) => Node::Map,
            _ => Node::Opaque,
        };
        Some((node, &field.patch))
    }

    /// Whether the field `key` of `node` may be patched as a list. Upstream
    /// looks behind a pointer without asking what is there.
    pub fn is_list(&self, node: Node<'_>, key: &str) -> bool {
        self.field_of(node, key)
            .is_some_and(|field| field.repeated || field.pointer || matches!(field.ty, Type::Bytes))
    }

    fn field_of<'a>(&'a self, node: Node<'a>, key: &str) -> Option<&'a Field> {
        let Node::Struct(message) = node else {
            return None;
        };
        message.field(key).or_else(|| {
            message
                .fields
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(key))
        })
    }
}

fn flatten(raw: &RawSchema, by_name: &HashMap<Box<str>, u16>, name: &str, out: &mut Vec<Field>) {
    let Some(message) = raw.messages.get(name) else {
        return;
    };
    for field in &message.fields {
        if field.inline {
            // An embedded struct's fields belong to the outer JSON object.
            if let Some(inner) = field.ty.strip_prefix("message:") {
                flatten(raw, by_name, inner, out);
            }
            continue;
        }
        out.push(Field {
            name: field.json_name.as_str().into(),
            ty: Type::parse(&field.ty, by_name),
            repeated: field.repeated,
            pointer: field.pointer,
            omit_empty: field.omitempty,
            omit_zero: field.omitzero,
            patch: Patch::default(),
        });
    }
}

impl Message {
    fn new(name: &str, special: Option<&str>, fields: Vec<Field>) -> Self {
        let mut parts = name.rsplit('.');
        let short = parts.next().unwrap_or_default();
        let package = parts.next().unwrap_or_default();
        Self {
            short: short.into(),
            go: format!("{package}.{short}").into(),
            special: special.map(|special| match special {
                "Quantity" => Special::Quantity,
                "IntOrString" => Special::IntOrString,
                "Time" => Special::Time,
                "MicroTime" => Special::MicroTime,
                "StringList" => Special::StringList,
                _ => Special::Raw,
            }),
            fields,
        }
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| *field.name == *name)
    }

    /// The Go struct's name without its package.
    pub fn short(&self) -> &str {
        &self.short
    }

    /// How lists under the field `name` are patched.
    #[cfg(test)]
    fn patch(&self, name: &str) -> Option<&Patch> {
        self.field(name).map(|field| &field.patch)
    }
}

impl Type {
    fn parse(text: &str, by_name: &HashMap<Box<str>, u16>) -> Self {
        if let Some(map) = text.strip_prefix("map<string,") {
            let (inner, name) = map.rsplit_once('>').unwrap_or((map, ""));
            let name = name.strip_prefix(':').map(Box::from);
            return Self::Map(Box::new(Self::parse(inner, by_name)), name);
        }
        if let Some(name) = text.strip_prefix("message:") {
            return by_name
                .get(name)
                .map_or_else(Self::text, |number| Self::Message(*number));
        }
        match text {
            "bytes" => Self::Bytes,
            "bool" => Self::Bool,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "double" => Self::Double,
            _ => text
                .strip_prefix("string:")
                .map_or_else(Self::text, |name| Self::String(name.into())),
        }
    }

    fn text() -> Self {
        Self::String("string".into())
    }

    /// The type as Go prints it.
    fn go(&self, schema: &Schema) -> String {
        match self {
            Self::String(name) | Self::Map(_, Some(name)) => name.to_string(),
            Self::Bytes => "[]uint8".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Int32 => "int32".to_owned(),
            Self::Int64 => "int64".to_owned(),
            Self::Double => "float64".to_owned(),
            Self::Message(number) => schema.messages[usize::from(*number)].go.to_string(),
            Self::Map(value, None) => format!("map[string]{}", value.go(schema)),
        }
    }

    /// What kind of type it is, as Go's reflection calls it.
    fn shape(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Bytes => "slice",
            Self::Bool => "bool",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Double => "float64",
            Self::Message(_) => "struct",
            Self::Map(..) => "map",
        }
    }
}
