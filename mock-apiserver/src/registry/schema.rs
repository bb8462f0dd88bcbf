//! Kubernetes' Go types as data: which fields a kind has, and what its JSON
//! looks like after the API server has decoded and encoded it.
//!
//! Objects are kept as JSON. What the API server does to them on the way
//! through its typed structs (unknown fields dropped, types checked, empty
//! fields left out, keys in the structs' order, maps sorted) is done here, by
//! a table generated out of Kubernetes' own types (`data/v1.37`). Patch
//! strategies come from the extensions in the published OpenAPI documents.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use base64::Engine as _;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::quantity;

/// Kubernetes stops counting the faults of one object here
/// (`sigs.k8s.io/json`).
const STRICT_LIMIT: usize = 100;

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

/// Whose words a type error has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decoder {
    Json,
    Unstructured,
}

/// What [`Schema::decode`] made of a JSON value.
pub struct Decoded {
    /// The object as the API server would encode it.
    pub value: Value,
    /// What strict decoding complains about, in the order met.
    pub unknown: Vec<String>,
}

/// The schema of Kubernetes 1.37, parsed when it is first asked for.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut schema = Schema::parse(include_str!("../../data/v1.37/protobuf.json"));
        schema.add_patch_strategies(super::openapi::SCHEMAS);
        schema
    })
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

    /// `value` as the API server's typed struct would be encoded, with
    /// `apiVersion` and `kind` in front as they are in `value`.
    ///
    /// # Errors
    /// The first type error, in the words of Go's JSON decoder.
    pub fn decode(&self, message: &Message, value: &Value) -> Result<Decoded, String> {
        self.decode_by(Decoder::Json, message, value)
    }

    /// The same for an object that upstream has in memory and not as text:
    /// the outcome of a strategic merge patch.
    ///
    /// # Errors
    /// The first type error, in the words of apimachinery's converter.
    pub fn convert(&self, message: &Message, value: &Value) -> Result<Decoded, String> {
        let mut decoded = self.decode_by(Decoder::Unstructured, message, value)?;
        decoded.unknown.sort_unstable();
        Ok(decoded)
    }

    /// An object as the API server would encode it, where its kind is known;
    /// else, and where it cannot be read, as it is.
    pub fn encoded(&self, object: &Value) -> Value {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = format!("{}/{}", text("apiVersion"), text("kind"));
        self.by_kind
            .get(kind.as_str())
            .and_then(|number| {
                self.decode(&self.messages[usize::from(*number)], object)
                    .ok()
            })
            .map_or_else(|| object.clone(), |decoded| decoded.value)
    }

    fn decode_by(
        &self,
        decoder: Decoder,
        message: &Message,
        value: &Value,
    ) -> Result<Decoded, String> {
        let mut walk = Walk {
            decoder,
            schema: self,
            unknown: Vec::new(),
            error: None,
            strict_path: String::new(),
            go_path: Vec::new(),
            go_struct: "",
        };
        let value = match value {
            Value::Object(object) => {
                let mut out = Map::new();
                for key in ["kind", "apiVersion"] {
                    if let Some(text @ Value::String(_)) = object.get(key) {
                        out.insert(key.to_owned(), text.clone());
                    }
                }
                walk.object(message, object, &mut out, true);
                Value::Object(out)
            }
            other => {
                return Err(format!(
                    "json: cannot unmarshal {} into Go value of type {}",
                    json_kind(other),
                    message.go
                ));
            }
        };
        match walk.error {
            Some(error) => Err(error),
            None => Ok(Decoded {
                value,
                unknown: walk.unknown,
            }),
        }
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

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// One pass over a value. The two paths are Go's: the one of strict errors
/// has indices and map keys, the one of type errors only field names.
struct Walk<'a> {
    decoder: Decoder,
    schema: &'a Schema,
    unknown: Vec<String>,
    error: Option<String>,
    strict_path: String,
    go_path: Vec<&'a str>,
    go_struct: &'a str,
}

impl<'a> Walk<'a> {
    fn object(
        &mut self,
        message: &'a Message,
        object: &Map<String, Value>,
        out: &mut Map<String, Value>,
        top: bool,
    ) {
        // Errors are reported in the order of the document, the result is
        // written in the order of the struct.
        let mut decoded: Vec<Option<Value>> = message.fields.iter().map(|_| None).collect();
        for (key, value) in object {
            if top && (key == "kind" || key == "apiVersion") {
                continue;
            }
            let Some(index) = message.fields.iter().position(|f| *f.name == **key) else {
                self.report_unknown(key);
                continue;
            };
            let field = &message.fields[index];
            let outer_struct = std::mem::replace(&mut self.go_struct, &message.short);
            self.go_path.push(&field.name);
            let path_len = self.push_path(key);
            decoded[index] = self.field(field, value);
            self.strict_path.truncate(path_len);
            self.go_path.pop();
            self.go_struct = outer_struct;
        }
        for (field, value) in message.fields.iter().zip(decoded) {
            if let Some(value) = value.or_else(|| self.zero(field)) {
                out.insert(field.name.to_string(), value);
            }
        }
    }

    fn push_path(&mut self, key: &str) -> usize {
        let len = self.strict_path.len();
        if len > 0 {
            self.strict_path.push('.');
        }
        self.strict_path.push_str(key);
        len
    }

    fn report_unknown(&mut self, key: &str) {
        if self.unknown.len() >= STRICT_LIMIT {
            return;
        }
        let dot = if self.strict_path.is_empty() { "" } else { "." };
        self.unknown
            .push(format!("unknown field \"{}{dot}{key}\"", self.strict_path));
    }

    /// The value of a field, or nothing where the encoder leaves it out.
    fn field(&mut self, field: &'a Field, value: &Value) -> Option<Value> {
        if value.is_null() {
            return None;
        }
        if field.repeated {
            let Value::Array(items) = value else {
                self.mismatch(value, &format!("[]{}", field.ty.go(self.schema)), "slice");
                return None;
            };
            if items.is_empty() && field.omit_empty {
                return None;
            }
            let path_len = self.strict_path.len();
            let items = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    self.strict_path.push_str(&format!("[{index}]"));
                    let item = self.item(&field.ty, item);
                    self.strict_path.truncate(path_len);
                    item
                })
                .collect();
            return Some(Value::Array(items));
        }
        let decoded = self.value(&field.ty, value)?;
        let omit = !field.pointer
            && ((field.omit_empty && is_empty(&field.ty, &decoded))
                || (field.omit_zero && decoded.is_null()));
        (!omit).then_some(decoded)
    }

    /// An item of a list or a map, where `null` is the zero value.
    fn item(&mut self, ty: &'a Type, value: &Value) -> Value {
        let decoded = if value.is_null() {
            None
        } else {
            self.value(ty, value)
        };
        decoded.unwrap_or_else(|| self.zero_of(ty))
    }

    /// A value that is not null; nothing after a type error.
    fn value(&mut self, ty: &'a Type, value: &Value) -> Option<Value> {
        match (ty, value) {
            (Type::String(_), Value::String(_)) | (Type::Bool, Value::Bool(_)) => {
                Some(value.clone())
            }
            (Type::Int32, Value::Number(number))
                if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) =>
            {
                Some(value.clone())
            }
            (Type::Int64, Value::Number(number)) if number.is_i64() => Some(value.clone()),
            (Type::Double, Value::Number(_)) => Some(value.clone()),
            (Type::Int32 | Type::Int64, Value::Number(number)) => {
                if self.decoder == Decoder::Unstructured {
                    self.fail(unconvertible(value, ty.shape()));
                    return None;
                }
                self.fail_type(&format!("number {number}"), &ty.go(self.schema));
                None
            }
            (Type::Bytes, Value::String(text)) => self.bytes(text),
            (Type::Map(inner, _), Value::Object(object)) => {
                let mut keys: Vec<&String> = object.keys().collect();
                keys.sort_unstable();
                let mut out = Map::new();
                let path_len = self.strict_path.len();
                for key in keys {
                    self.push_path(key);
                    let item = self.item(inner, &object[key]);
                    self.strict_path.truncate(path_len);
                    out.insert(key.clone(), item);
                }
                Some(Value::Object(out))
            }
            (Type::Message(number), _) => {
                let message = &self.schema.messages[usize::from(*number)];
                match (message.special, value) {
                    (Some(special), _) => self.special(special, value),
                    (None, Value::Object(object)) => {
                        let mut out = Map::new();
                        self.object(message, object, &mut out, false);
                        Some(Value::Object(out))
                    }
                    (None, _) => {
                        self.mismatch(value, &message.go, ty.shape());
                        None
                    }
                }
            }
            _ => {
                self.mismatch(value, &ty.go(self.schema), ty.shape());
                None
            }
        }
    }

    fn bytes(&mut self, text: &str) -> Option<Value> {
        // Go's decoder skips line breaks inside base64.
        let plain: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        match base64::engine::general_purpose::STANDARD.decode(&plain) {
            Ok(bytes) => Some(Value::String(
                base64::engine::general_purpose::STANDARD.encode(bytes),
            )),
            Err(error) => {
                let at = match error {
                    base64::DecodeError::InvalidByte(at, _) => at,
                    base64::DecodeError::InvalidLastSymbol { offset, .. } => offset,
                    _ => plain.len() / 4 * 4,
                };
                self.fail(format!("illegal base64 data at input byte {at}"));
                None
            }
        }
    }

    fn special(&mut self, special: Special, value: &Value) -> Option<Value> {
        match (special, value) {
            (Special::Raw, _) => Some(value.clone()),
            (Special::StringList, Value::Array(_)) => Some(value.clone()),
            (Special::IntOrString, Value::String(_)) => Some(value.clone()),
            (Special::IntOrString, Value::Number(number))
                if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) =>
            {
                Some(value.clone())
            }
            (Special::Quantity, Value::String(_) | Value::Number(_)) => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                match quantity::canonical(&text) {
                    Ok(canonical) => Some(Value::String(canonical)),
                    Err(error) => {
                        self.fail(error.to_owned());
                        None
                    }
                }
            }
            (Special::Quantity, _) => {
                self.fail("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_owned());
                None
            }
            (Special::Time | Special::MicroTime, Value::String(text)) => {
                match text.parse::<jiff::Timestamp>() {
                    Ok(at) => Some(Value::String(if special == Special::Time {
                        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
                    } else {
                        at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
                    })),
                    Err(_) => {
                        let quoted = crate::wire::quote(text);
                        self.fail(format!(
                            "parsing time {quoted} as \"2006-01-02T15:04:05Z07:00\": cannot parse {quoted} as \"2006\""
                        ));
                        None
                    }
                }
            }
            (Special::IntOrString, Value::Number(number)) => {
                self.fail(format!(
                    "json: cannot unmarshal number {number} into Go value of type int32"
                ));
                None
            }
            (Special::IntOrString, _) => {
                self.fail(format!(
                    "json: cannot unmarshal {} into Go value of type int32",
                    json_kind(value)
                ));
                None
            }
            (Special::Time | Special::MicroTime, _) => {
                self.fail(format!(
                    "json: cannot unmarshal {} into Go value of type string",
                    json_kind(value)
                ));
                None
            }
            (Special::StringList, _) => {
                self.mismatch(value, "[]string", "slice");
                None
            }
        }
    }

    fn mismatch(&mut self, value: &Value, go_type: &str, shape: &str) {
        if self.decoder == Decoder::Unstructured {
            return self.fail(unconvertible(value, shape));
        }
        let kind = json_kind(value);
        self.fail_type(kind, go_type);
    }

    fn fail_type(&mut self, what: &str, go_type: &str) {
        let path = self.go_path.join(".");
        self.fail(format!(
            "json: cannot unmarshal {what} into Go struct field {}.{path} of type {go_type}",
            self.go_struct
        ));
    }

    fn fail(&mut self, error: String) {
        // The decoder goes on after a type error and reports the first.
        self.error.get_or_insert(error);
    }

    /// What an absent field is encoded as.
    fn zero(&self, field: &Field) -> Option<Value> {
        if field.pointer || field.repeated || matches!(field.ty, Type::Bytes | Type::Map(..)) {
            return (!field.omit_empty).then_some(Value::Null);
        }
        let zero = self.zero_of(&field.ty);
        let omit =
            (field.omit_empty && is_empty(&field.ty, &zero)) || (field.omit_zero && is_zero(&zero));
        (!omit).then_some(zero)
    }

    fn zero_of(&self, ty: &Type) -> Value {
        match ty {
            Type::String(_) => Value::String(String::new()),
            Type::Bool => Value::Bool(false),
            Type::Int32 | Type::Int64 | Type::Double => Value::from(0),
            Type::Bytes | Type::Map(..) => Value::Null,
            Type::Message(number) => {
                let message = &self.schema.messages[usize::from(*number)];
                match message.special {
                    Some(Special::Quantity) => Value::String("0".to_owned()),
                    Some(Special::IntOrString) => Value::from(0),
                    Some(_) => Value::Null,
                    None => Value::Object(
                        message
                            .fields
                            .iter()
                            .filter_map(|field| {
                                self.zero(field).map(|zero| (field.name.to_string(), zero))
                            })
                            .collect(),
                    ),
                }
            }
        }
    }
}

/// What apimachinery's `runtime.DefaultUnstructuredConverter` says of a value
/// in the place of a type of this shape.
fn unconvertible(value: &Value, shape: &str) -> String {
    let kind = match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    };
    match shape {
        "slice" | "map" => format!("cannot restore {shape} from {kind}"),
        "struct" => format!("cannot restore struct from: {kind}"),
        scalar => format!("unrecognized type: {scalar}"),
    }
}

/// Go's `omitempty`: structs are never empty.
fn is_empty(ty: &Type, value: &Value) -> bool {
    match ty {
        Type::Message(_) => false,
        _ => match value {
            Value::Null => true,
            Value::Bool(value) => !value,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(object) => object.is_empty(),
        },
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(object) => object.values().all(is_zero),
        Value::String(text) => text.is_empty(),
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
    }
}

// The OpenAPI documents are large and nearly all of it is prose; only the
// patch extensions are read, and nothing else is allocated.

struct PatchSchemas(Vec<(String, Vec<(String, Patch)>)>);

impl<'de> Deserialize<'de> for PatchSchemas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = PatchSchemas;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("schemas by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PatchSchemas, A::Error> {
                let mut schemas = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let schema: PatchSchema = map.next_value()?;
                    if !schema.properties.0.is_empty() {
                        schemas.push((name, schema.properties.0));
                    }
                }
                Ok(PatchSchemas(schemas))
            }
        }
        deserializer.deserialize_map(V)
    }
}

#[derive(Deserialize)]
struct PatchSchema {
    #[serde(default)]
    properties: PatchProperties,
}

#[derive(Default)]
struct PatchProperties(Vec<(String, Patch)>);

#[derive(Deserialize)]
struct PatchProperty {
    #[serde(rename = "x-kubernetes-patch-strategy")]
    strategy: Option<String>,
    #[serde(rename = "x-kubernetes-patch-merge-key")]
    merge_key: Option<String>,
}

impl<'de> Deserialize<'de> for PatchProperties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = PatchProperties;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("properties by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PatchProperties, A::Error> {
                let mut properties = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let property: PatchProperty = map.next_value()?;
                    let Some(strategy) = property.strategy else {
                        continue;
                    };
                    let patch = Patch {
                        merge: strategy.split(',').any(|s| s == "merge"),
                        retain_keys: strategy.split(',').any(|s| s == "retainKeys"),
                        merge_key: property.merge_key.map(Into::into),
                    };
                    properties.push((name, patch));
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(PatchProperties(properties))
            }
        }
        deserializer.deserialize_map(V)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn decode(kind: &str, value: Value) -> Result<Decoded, String> {
        let schema = schema();
        schema.decode(schema.message(kind).expect("a kind"), &value)
    }

    const DEPLOYMENT: &str = "k8s.io.api.apps.v1.Deployment";
    const POD: &str = "k8s.io.api.core.v1.Pod";

    #[test]
    fn what_go_leaves_out_and_puts_in_is_left_out_and_put_in() {
        let decoded = decode(
            POD,
            json!({
                "spec": {"containers": [{"image": "i", "name": "c", "resources": {"limits": {"cpu": "1000m"}}}], "nodeSelector": {}},
                "metadata": {"labels": {"b": "1", "a": "2"}, "creationTimestamp": null, "name": "p"},
                "kind": "Pod", "apiVersion": "v1"
            }),
        )
        .expect("a pod");
        assert_eq!(
            decoded.value.to_string(),
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","labels":{"a":"2","b":"1"}},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1"}}}]},"status":{}}"#
        );
    }

    #[test]
    fn unknown_fields_are_named_with_their_path_at_any_depth() {
        let decoded = decode(
            DEPLOYMENT,
            json!({"spec": {"replica": 1, "template": {"spec": {"containers": [{"name": "a"}, {"nam": "b"}]}}}, "foo": 1}),
        )
        .expect("a deployment");
        assert_eq!(
            decoded.unknown,
            [
                r#"unknown field "spec.replica""#,
                r#"unknown field "spec.template.spec.containers[1].nam""#,
                r#"unknown field "foo""#
            ]
        );
    }

    #[rstest]
    #[case(json!({"spec": {"replicas": "2"}}), "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32")]
    #[case(json!({"spec": {"replicas": 1.5}}), "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32")]
    #[case(json!({"metadata": {"labels": {"a": 1}}}), "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string")]
    #[case(json!({"spec": {"template": {"spec": {"containers": {}}}}}), "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container")]
    #[case(json!({"spec": {"template": {"spec": {"restartPolicy": 5}}}}), "json: cannot unmarshal number into Go struct field PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy")]
    #[case(json!({"spec": {"template": {"spec": {"overhead": []}}}}), "json: cannot unmarshal array into Go struct field PodSpec.spec.template.spec.overhead of type v1.ResourceList")]
    #[case(json!({"spec": []}), "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec")]
    #[case(json!([]), "json: cannot unmarshal array into Go value of type v1.Deployment")]
    fn type_errors_are_in_gos_words(#[case] value: Value, #[case] error: &str) {
        assert_eq!(decode(DEPLOYMENT, value).err().as_deref(), Some(error));
    }

    /// What the corpus' patches made, encoded: nothing changes any more.
    #[test]
    fn encoding_twice_is_encoding_once() {
        let schema = schema();
        let mut encoded = 0;
        for line in include_str!("corpus/patches.jsonl").lines() {
            let case: Value = serde_json::from_str(line).expect("a case");
            let short = case["kind"].as_str().and_then(|k| k.rsplit('/').next());
            let kind = super::super::kind::KINDS
                .iter()
                .find(|k| Some(k.kind) == short)
                .expect("served");
            let message = schema.message(kind.message).expect("a type");
            let Ok(once) = schema.decode(message, &case["result"]) else {
                continue;
            };
            let twice = schema.decode(message, &once.value).expect("still readable");
            assert_eq!(once.value.to_string(), twice.value.to_string());
            assert!(twice.unknown.is_empty());
            encoded += 1;
        }
        assert!(encoded > 200, "{encoded}");
    }

    #[test]
    fn an_object_in_memory_is_refused_in_the_converters_words() {
        let schema = schema();
        let message = schema.message(DEPLOYMENT).expect("a kind");
        for (value, error) in [
            (
                json!({"spec": {"replicas": "2"}}),
                "unrecognized type: int32",
            ),
            (json!({"spec": "x"}), "cannot restore struct from: string"),
            (
                json!({"metadata": {"labels": []}}),
                "cannot restore map from slice",
            ),
            (
                json!({"metadata": {"finalizers": {}}}),
                "cannot restore slice from map",
            ),
        ] {
            let refused = schema.convert(message, &value).err();
            assert_eq!(refused.as_deref(), Some(error));
        }
        let unknown = schema
            .convert(message, &json!({"spec": {"z": 1}, "a": 1}))
            .expect("readable")
            .unknown;
        assert_eq!(unknown, ["unknown field \"a\"", "unknown field \"spec.z\""]);
    }

    #[test]
    fn patch_strategies_come_from_openapi() {
        let schema = schema();
        let pod_spec = schema
            .message("k8s.io.api.core.v1.PodSpec")
            .expect("a message");
        let containers = pod_spec.patch("containers").expect("a field");
        assert!(containers.merge && !containers.retain_keys);
        assert_eq!(containers.merge_key.as_deref(), Some("name"));
        let volumes = pod_spec.patch("volumes").expect("a field");
        assert!(volumes.merge && volumes.retain_keys);
        let strategy = schema
            .message("k8s.io.api.apps.v1.DeploymentSpec")
            .and_then(|m| m.patch("strategy"))
            .expect("a field");
        assert!(strategy.retain_keys && !strategy.merge);
        let all = schema
            .messages
            .iter()
            .flat_map(|m| &m.fields)
            .filter(|f| f.patch != Patch::default())
            .count();
        assert!(all >= 39, "{all}");
    }
}
