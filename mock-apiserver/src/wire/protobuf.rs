//! Kubernetes' protobuf bodies, read into and written from JSON values.
//!
//! A body is `k8s\0` and a `runtime.Unknown` that names the kind and holds
//! the object's own message (apimachinery, `serializer/protobuf`). The
//! messages' fields come from a table that is generated out of Kubernetes'
//! own types (`data/v1.37/protobuf.json`), so no kind is spelt out here.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

const MAGIC: &[u8] = b"k8s\0";

/// Deeper than any message Kubernetes has; it bounds the stack on hostile
/// input.
const MAX_DEPTH: usize = 64;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    // The file is our own and is read by a test; were it broken, protobuf
    // would be refused kind by kind.
    let table = include_str!("../../data/v1.37/protobuf.json");
    let mut table: Table = serde_json::from_str(table).unwrap_or_default();
    // The file has them in the order of the structs.
    for message in table.messages.values_mut() {
        message.fields.sort_by_key(|field| field.number);
    }
    table
});

/// An object out of a protobuf body.
#[derive(Debug, PartialEq)]
pub struct Envelope {
    /// The `apiVersion` in the envelope, possibly empty.
    pub api_version: String,
    /// The `kind` in the envelope, possibly empty.
    pub kind: String,
    raw: Vec<u8>,
}

/// Opens the envelope of a protobuf body.
///
/// # Errors
/// Kubernetes' text where the body is not one.
pub fn open(bytes: &[u8]) -> Result<Envelope, String> {
    if bytes.is_empty() {
        return Err("empty data".to_owned());
    }
    let Some(data) = bytes.strip_prefix(MAGIC) else {
        return Err(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
                .to_owned(),
        );
    };
    if data.is_empty() {
        return Err("empty body".to_owned());
    }
    let mut envelope = Envelope {
        api_version: String::new(),
        kind: String::new(),
        raw: Vec::new(),
    };
    for field in Fields(data) {
        match field? {
            (1, Wire::Bytes(meta)) => {
                for field in Fields(meta) {
                    match field? {
                        (1, Wire::Bytes(text)) => envelope.api_version = utf8(text),
                        (2, Wire::Bytes(text)) => envelope.kind = utf8(text),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(raw)) => envelope.raw = raw.to_vec(),
            _ => {}
        }
    }
    Ok(envelope)
}

impl Envelope {
    /// The message as the kind `api_version`, `kind`; `None` where the kind
    /// is not in the table.
    ///
    /// # Errors
    /// What is wrong with the message.
    pub fn decode_as(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Option<Result<Map<String, Value>, String>> {
        let name = TABLE.message_of(api_version, kind)?;
        let mut object = Map::new();
        object.insert("kind".to_owned(), kind.into());
        object.insert("apiVersion".to_owned(), api_version.into());
        Some(match TABLE.decode(name, &self.raw, 0) {
            Ok(Value::Object(fields)) => {
                object.extend(fields);
                Ok(object)
            }
            Ok(_) => Err("not an object".to_owned()),
            Err(error) => Err(error),
        })
    }
}

/// Whether `api_version`, `kind` is a kind this server has messages for.
pub fn knows(api_version: &str, kind: &str) -> bool {
    TABLE.kinds.contains_key(&format!("{api_version}/{kind}"))
}

/// The API versions in which `kind` is known.
pub fn versions_of(kind: &str) -> impl Iterator<Item = &'static str> + '_ {
    TABLE
        .kinds
        .keys()
        .filter_map(|key| key.rsplit_once('/'))
        .filter_map(move |(version, known)| (known == kind).then_some(version))
}

/// The fields of `object` that its kind does not have, as strict decoding
/// names them: `unknown field "spec.x"`. A kind that is not in the table has
/// none.
pub fn unknown_fields(api_version: &str, kind: &str, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(name) = TABLE.message_of(api_version, kind) {
        TABLE.unknown_fields(name, object, "", &mut found);
    }
    found
}

/// `object` in an envelope; `None` where its kind is not in the table.
pub fn encode(object: &Value) -> Option<Vec<u8>> {
    let api_version = object.get("apiVersion")?.as_str()?;
    let kind = object.get("kind")?.as_str()?;
    let name = TABLE.message_of(api_version, kind)?;
    let mut raw = Vec::new();
    TABLE.encode(name, object, &mut raw, 0);
    let mut meta = Vec::new();
    put_bytes(&mut meta, 1, api_version.as_bytes());
    put_bytes(&mut meta, 2, kind.as_bytes());
    let mut out = MAGIC.to_vec();
    put_bytes(&mut out, 1, &meta);
    put_bytes(&mut out, 2, &raw);
    put_bytes(&mut out, 3, b"");
    put_bytes(&mut out, 4, b"");
    Some(out)
}

#[derive(Default, Deserialize)]
struct Table {
    kinds: HashMap<String, String>,
    messages: HashMap<String, Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    special: Option<Special>,
    fields: Vec<Field>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
enum Special {
    Quantity,
    IntOrString,
    Time,
    MicroTime,
    FieldsV1,
    RawExtension,
    StringList,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    number: u64,
    #[serde(default)]
    json_name: String,
    #[serde(rename = "type")]
    kind: Kind,
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

#[derive(Clone, Deserialize)]
#[serde(from = "String")]
enum Kind {
    Text,
    Bytes,
    Bool,
    Integer,
    Double,
    Message(String),
    Map(Box<Kind>),
}

impl From<String> for Kind {
    fn from(text: String) -> Self {
        if let Some(name) = text.strip_prefix("message:") {
            return Self::Message(name.to_owned());
        }
        if let Some((value, _)) = text
            .strip_prefix("map<string,")
            .and_then(|rest| rest.rsplit_once('>'))
        {
            return Self::Map(Box::new(Self::from(value.to_owned())));
        }
        match text.as_str() {
            "bytes" => Self::Bytes,
            "bool" => Self::Bool,
            "int32" | "int64" => Self::Integer,
            "double" => Self::Double,
            _ => Self::Text,
        }
    }
}

impl Table {
    /// The message of a kind. Options (`DeleteOptions` and its kin) are sent
    /// with whatever apiVersion the client's group has.
    fn message_of(&self, api_version: &str, kind: &str) -> Option<&str> {
        self.kinds
            .get(&format!("{api_version}/{kind}"))
            .or_else(|| {
                kind.ends_with("Options")
                    .then(|| self.kinds.get(&format!("v1/{kind}")))
                    .flatten()
            })
            .map(String::as_str)
    }

    fn unknown_fields(&self, name: &str, value: &Value, path: &str, found: &mut Vec<String>) {
        let (Some(message), Some(object)) = (self.messages.get(name), value.as_object()) else {
            return;
        };
        if message.special.is_some() {
            return;
        }
        for (key, value) in object {
            let dot = if path.is_empty() { "" } else { "." };
            let here = format!("{path}{dot}{key}");
            match self.kind_of(message, key) {
                Some(kind) => self.unknown_below(kind, value, &here, found),
                None if path.is_empty() && matches!(key.as_str(), "kind" | "apiVersion") => {}
                None => found.push(format!("unknown field {}", super::quote(&here))),
            }
        }
    }

    fn unknown_below(&self, kind: &Kind, value: &Value, path: &str, found: &mut Vec<String>) {
        match (kind, value) {
            (Kind::Message(_), Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    self.unknown_below(kind, item, &format!("{path}[{at}]"), found);
                }
            }
            (Kind::Message(name), value) => self.unknown_fields(name, value, path, found),
            (Kind::Map(kind), Value::Object(entries)) => {
                for (key, value) in entries {
                    self.unknown_below(kind, value, &format!("{path}.{key}"), found);
                }
            }
            _ => {}
        }
    }

    /// The type of the field `key`, which may be one of an inlined message.
    fn kind_of<'a>(&'a self, message: &'a Message, key: &str) -> Option<&'a Kind> {
        message.fields.iter().find_map(|field| match &field.kind {
            Kind::Message(inner) if field.inline => self.kind_of(self.messages.get(inner)?, key),
            kind if field.json_name == key => Some(kind),
            _ => None,
        })
    }

    fn decode(&self, name: &str, bytes: &[u8], depth: usize) -> Result<Value, String> {
        let message = self
            .messages
            .get(name)
            .ok_or_else(|| format!("no message {name}"))?;
        if depth > MAX_DEPTH {
            return Err("message nested too deeply".to_owned());
        }
        if let Some(special) = message.special {
            return decode_special(special, bytes);
        }
        let mut values: Vec<Option<Value>> = vec![None; message.fields.len()];
        for found in Fields(bytes) {
            let (number, wire) = found?;
            let Some(at) = message.fields.iter().position(|f| f.number == number) else {
                continue;
            };
            let field = &message.fields[at];
            if let Kind::Map(value_kind) = &field.kind {
                let (key, value) = self.decode_entry(value_kind, wire, depth)?;
                let slot = values[at].get_or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(map) = slot {
                    map.insert(key, value);
                }
                continue;
            }
            let value = self.decode_value(&field.kind, wire, depth)?;
            if field.repeated {
                let slot = values[at].get_or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(items) = slot {
                    items.push(value);
                }
            } else {
                values[at] = Some(value);
            }
        }
        let mut object = Map::new();
        for (field, value) in message.fields.iter().zip(values) {
            let Some(value) = value else { continue };
            match value {
                Value::Object(inner) if field.inline => object.extend(inner),
                value if field.is_left_out(&value) => {}
                value => {
                    object.insert(field.json_name.clone(), value);
                }
            }
        }
        Ok(Value::Object(object))
    }

    fn decode_value(&self, kind: &Kind, wire: Wire<'_>, depth: usize) -> Result<Value, String> {
        Ok(match (kind, wire) {
            (Kind::Text, Wire::Bytes(text)) => Value::String(utf8(text)),
            (Kind::Bytes, Wire::Bytes(bytes)) => Value::String(BASE64.encode(bytes)),
            (Kind::Bool, Wire::Varint(value)) => Value::Bool(value != 0),
            (Kind::Integer, Wire::Varint(value)) => Value::from(value.cast_signed()),
            (Kind::Double, Wire::Fixed64(bits)) => {
                Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number)
            }
            (Kind::Message(name), Wire::Bytes(bytes)) => self.decode(name, bytes, depth + 1)?,
            _ => return Err("proto: wrong wireType".to_owned()),
        })
    }

    fn decode_entry(
        &self,
        kind: &Kind,
        wire: Wire<'_>,
        depth: usize,
    ) -> Result<(String, Value), String> {
        let Wire::Bytes(bytes) = wire else {
            return Err("proto: wrong wireType".to_owned());
        };
        let mut key = String::new();
        let mut value = None;
        for field in Fields(bytes) {
            match field? {
                (1, Wire::Bytes(text)) => key = utf8(text),
                (2, wire) => value = Some(self.decode_value(kind, wire, depth + 1)?),
                _ => {}
            }
        }
        let value = match value {
            Some(value) => value,
            None => self.zero(kind, depth + 1)?,
        };
        Ok((key, value))
    }

    fn zero(&self, kind: &Kind, depth: usize) -> Result<Value, String> {
        Ok(match kind {
            Kind::Text | Kind::Bytes => Value::String(String::new()),
            Kind::Bool => Value::Bool(false),
            Kind::Integer | Kind::Double => Value::from(0),
            Kind::Message(name) => self.decode(name, &[], depth)?,
            Kind::Map(_) => Value::Object(Map::new()),
        })
    }

    /// Writes `value` as message `name`. Like gogo's encoder it writes every
    /// field that is not a pointer, zero or not.
    fn encode(&self, name: &str, value: &Value, out: &mut Vec<u8>, depth: usize) {
        let Some(message) = self.messages.get(name) else {
            return;
        };
        if depth > MAX_DEPTH {
            return;
        }
        if let Some(special) = message.special {
            encode_special(special, value, out);
            return;
        }
        for field in &message.fields {
            let given = if field.inline {
                Some(value)
            } else {
                value.get(&field.json_name).filter(|v| !v.is_null())
            };
            match (&field.kind, given) {
                (Kind::Map(kind), Some(Value::Object(entries))) => {
                    let mut keys: Vec<&String> = entries.keys().collect();
                    keys.sort();
                    for key in keys {
                        let mut entry = Vec::new();
                        put_bytes(&mut entry, 1, key.as_bytes());
                        self.encode_value(kind, 2, Some(&entries[key]), &mut entry, depth);
                        put_bytes(out, field.number, &entry);
                    }
                }
                (kind, Some(Value::Array(items))) if field.repeated => {
                    for item in items {
                        self.encode_value(kind, field.number, Some(item), out, depth);
                    }
                }
                (Kind::Map(_), _) => {}
                _ if field.repeated => {}
                (_, None) if field.pointer => {}
                // A nil slice of bytes is not written, an empty string is.
                (Kind::Bytes, None) => {}
                (kind, given) => self.encode_value(kind, field.number, given, out, depth),
            }
        }
    }

    fn encode_value(
        &self,
        kind: &Kind,
        number: u64,
        value: Option<&Value>,
        out: &mut Vec<u8>,
        depth: usize,
    ) {
        match kind {
            Kind::Text => {
                let text = value.and_then(Value::as_str).unwrap_or_default();
                put_bytes(out, number, text.as_bytes());
            }
            Kind::Bytes => {
                let text = value.and_then(Value::as_str).unwrap_or_default();
                put_bytes(out, number, &BASE64.decode(text).unwrap_or_default());
            }
            Kind::Bool => {
                let set = value.and_then(Value::as_bool).unwrap_or_default();
                put_varint_field(out, number, u64::from(set));
            }
            Kind::Integer => {
                let number_given = value.and_then(Value::as_i64).unwrap_or_default();
                put_varint_field(out, number, number_given.cast_unsigned());
            }
            Kind::Double => {
                put_varint(out, number << 3 | 1);
                let double = value.and_then(Value::as_f64).unwrap_or_default();
                out.extend_from_slice(&double.to_le_bytes());
            }
            Kind::Message(name) => {
                let mut inner = Vec::new();
                self.encode(name, value.unwrap_or(&Value::Null), &mut inner, depth + 1);
                put_bytes(out, number, &inner);
            }
            Kind::Map(_) => {}
        }
    }
}

impl Field {
    /// Whether Go's JSON encoder would leave `value` out.
    fn is_left_out(&self, value: &Value) -> bool {
        let empty = match value {
            Value::Null => true,
            Value::Bool(set) => !set,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            // Go leaves out empty maps, but never empty structs.
            Value::Object(map) => map.is_empty() && matches!(self.kind, Kind::Map(_)),
        };
        // A pointer that is there is never empty, whatever it points at; the
        // one exception is a zero time, which Kubernetes prints as null.
        (self.omitempty && empty && (!self.pointer || value.is_null()))
            || (self.omitzero && (empty || value.as_object().is_some_and(Map::is_empty)))
    }
}

fn decode_special(special: Special, bytes: &[u8]) -> Result<Value, String> {
    let mut numbers = [0_i64; 4];
    let mut texts: Vec<(u64, &[u8])> = Vec::new();
    for field in Fields(bytes) {
        match field? {
            (number @ 1..=3, Wire::Varint(value)) => {
                numbers[usize::try_from(number).unwrap_or(0)] = value.cast_signed();
            }
            (number, Wire::Bytes(text)) => texts.push((number, text)),
            _ => {}
        }
    }
    let text_of = |number| {
        texts
            .iter()
            .rev()
            .find(|(n, _)| *n == number)
            .map(|(_, text)| *text)
    };
    Ok(match special {
        Special::Quantity => Value::String(text_of(1).map(utf8).unwrap_or_default()),
        Special::IntOrString if numbers[1] == 0 => Value::from(numbers[2]),
        Special::IntOrString => Value::String(text_of(3).map(utf8).unwrap_or_default()),
        Special::Time | Special::MicroTime if numbers[1] == 0 && numbers[2] == 0 => Value::Null,
        Special::Time => Timestamp::from_second(numbers[1])
            .map(|at| Value::String(at.to_string()))
            .map_err(|e| e.to_string())?,
        Special::MicroTime => {
            let nanos = i32::try_from(numbers[2]).unwrap_or_default();
            Timestamp::new(numbers[1], nanos)
                .map(|at| Value::String(format!("{at:.6}")))
                .map_err(|e| e.to_string())?
        }
        Special::FieldsV1 | Special::RawExtension => match text_of(1) {
            Some(raw) if !raw.is_empty() => {
                serde_json::from_slice(raw).map_err(|e| e.to_string())?
            }
            _ => Value::Null,
        },
        Special::StringList => texts
            .iter()
            .filter(|(number, _)| *number == 1)
            .map(|(_, text)| Value::String(utf8(text)))
            .collect(),
    })
}

fn encode_special(special: Special, value: &Value, out: &mut Vec<u8>) {
    match special {
        Special::Quantity => {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Null => "0".to_owned(),
                other => other.to_string(),
            };
            put_bytes(out, 1, text.as_bytes());
        }
        Special::IntOrString => {
            let text = value.as_str();
            put_varint_field(out, 1, u64::from(text.is_some()));
            put_varint_field(out, 2, value.as_i64().unwrap_or_default().cast_unsigned());
            put_bytes(out, 3, text.unwrap_or_default().as_bytes());
        }
        Special::Time | Special::MicroTime => {
            let Some(at) = value.as_str().and_then(|t| t.parse::<Timestamp>().ok()) else {
                return;
            };
            let nanos = if special == Special::Time {
                0
            } else {
                at.subsec_nanosecond()
            };
            put_varint_field(out, 1, at.as_second().cast_unsigned());
            put_varint_field(out, 2, i64::from(nanos).cast_unsigned());
        }
        Special::FieldsV1 | Special::RawExtension => {
            if !value.is_null() {
                put_bytes(out, 1, &super::json::bare(value));
            }
        }
        Special::StringList => {
            for item in value.as_array().into_iter().flatten() {
                put_bytes(out, 1, item.as_str().unwrap_or_default().as_bytes());
            }
        }
    }
}

/// A field's value as it stands on the wire.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// A 32-bit field, of which Kubernetes has none.
    Fixed32,
}

/// The fields of one message, in the order they stand.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Wire<'a>), String> {
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 {
            return Err("proto: illegal tag 0".to_owned());
        }
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                let bytes: [u8; 8] = bytes.try_into().map_err(|_| unexpected_eof())?;
                Wire::Fixed64(u64::from_le_bytes(bytes))
            }
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Wire::Fixed32
            }
            other => return Err(format!("proto: illegal wireType {other}")),
        };
        Ok((number, wire))
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or_else(unexpected_eof)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("proto: integer overflow".to_owned())
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let length = usize::try_from(length).map_err(|_| unexpected_eof())?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(unexpected_eof)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn unexpected_eof() -> String {
    "unexpected EOF".to_owned()
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a whole number as the field `number`.
pub fn put_varint_field(out: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(out, number << 3);
    put_varint(out, value);
}

/// Writes bytes as the field `number`.
pub fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn round_trip(object: &Value) -> Value {
        let bytes = encode(object).expect("a kind in the table");
        let envelope = open(&bytes).expect("an envelope");
        let (api_version, kind) = (envelope.api_version.clone(), envelope.kind.clone());
        Value::Object(
            envelope
                .decode_as(&api_version, &kind)
                .expect("a kind in the table")
                .expect("a message"),
        )
    }

    #[test]
    fn the_table_is_read_and_every_message_it_names_is_there() {
        assert!(TABLE.kinds.len() >= 20);
        for name in TABLE.kinds.values() {
            assert!(TABLE.messages.contains_key(name), "{name}");
        }
        for message in TABLE.messages.values() {
            for field in &message.fields {
                let mut kind = &field.kind;
                while let Kind::Map(inner) = kind {
                    kind = inner;
                }
                if let Kind::Message(name) = kind {
                    assert!(TABLE.messages.contains_key(name), "{name}");
                }
            }
        }
    }

    #[rstest]
    #[case(json!({"kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "oidc:admins", "creationTimestamp": "2026-11-23T00:00:00Z", "labels": {"a": "b"}},
        "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "oidc:admins"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}}))]
    #[case(json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": {"resourceAttributes": {"namespace": "default", "verb": "list", "resource": "pods"}},
        "status": {"allowed": false}}))]
    #[case(json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": {"nonResourceAttributes": {"path": "/x"}, "user": "u", "extra": {"k": ["1", "2"]}},
        "status": {"allowed": true, "reason": "r"}}))]
    #[case(json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s", "namespace": "n"},
        "data": {"k": "AAEC"}, "type": "Opaque"}))]
    #[case(json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "100m"}},
            "livenessProbe": {"httpGet": {"path": "/", "port": "web"}, "initialDelaySeconds": 3}}],
            "terminationGracePeriodSeconds": 0}, "status": {}}))]
    fn an_object_survives_the_way_there_and_back(#[case] object: Value) {
        assert_eq!(round_trip(&object), object);
    }

    #[test]
    fn fields_a_kind_does_not_have_are_named() {
        let object = json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadat": {},
            "metadata": {"labels": {"any": "x"}, "labls": 1},
            "spec": {"resourceAttributes": {"verbs": "get", "verb": "get"}, "extra": {"k": ["v"]}}});
        assert_eq!(
            unknown_fields("authorization.k8s.io/v1", "SubjectAccessReview", &object),
            [
                r#"unknown field "metadat""#,
                r#"unknown field "metadata.labls""#,
                r#"unknown field "spec.resourceAttributes.verbs""#
            ]
        );
        let pod = json!({"spec": {"containers": [{"name": "c"}, {"nam": "c"}], "volumes": [{"name": "v", "emptyDir": {}, "emptydir": {}}]}});
        assert_eq!(
            unknown_fields("v1", "Pod", &pod),
            [
                r#"unknown field "spec.containers[1].nam""#,
                r#"unknown field "spec.volumes[0].emptydir""#
            ]
        );
    }

    #[test]
    fn a_status_can_be_written() {
        let status = crate::wire::Status::unauthorized().to_value();
        let bytes = encode(&status).expect("Status is in the table");
        assert!(bytes.starts_with(b"k8s\0"));
        let back = round_trip(&status);
        assert_eq!(back["code"], 401);
        assert_eq!(back["reason"], "Unauthorized");
    }

    #[rstest]
    #[case(b"", "empty data")]
    #[case(
        b"{}",
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    #[case(b"k8s\0", "empty body")]
    #[case(b"k8s\0\x0a\xff", "unexpected EOF")]
    fn what_is_not_an_envelope_is_refused(#[case] bytes: &[u8], #[case] error: &str) {
        assert_eq!(open(bytes), Err(error.to_owned()));
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let good = encode(
            &json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c"}]}}),
        )
        .expect("a kind in the table");
        for at in 4..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                if let Ok(envelope) = open(&bad) {
                    let _ = envelope.decode_as("v1", "Pod");
                }
            }
            if let Ok(envelope) = open(&good[..at]) {
                let _ = envelope.decode_as("v1", "Pod");
            }
        }
    }
}
