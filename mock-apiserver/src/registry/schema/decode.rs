//! From a JSON value to the one that the API server's typed struct is encoded
//! as (`sigs.k8s.io/json` and apimachinery's `pkg/runtime`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_authn::base64::decode_std;
use serde_json::{Map, Value};

use super::{Field, Message, Schema, Special, Type};
use crate::registry::quantity;
use crate::wire::json;

/// Kubernetes stops counting the faults of one object here
/// (`sigs.k8s.io/json`).
const STRICT_LIMIT: usize = 100;

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

impl Schema {
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
                    json::kind(other),
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
        match decode_std(text.as_bytes()) {
            Ok(bytes) => Some(Value::String(STANDARD.encode(bytes))),
            Err(corrupt) => {
                self.fail(corrupt.to_string());
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
                    json::kind(value)
                ));
                None
            }
            (Special::Time | Special::MicroTime, _) => {
                self.fail(format!(
                    "json: cannot unmarshal {} into Go value of type string",
                    json::kind(value)
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
        let kind = json::kind(value);
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
