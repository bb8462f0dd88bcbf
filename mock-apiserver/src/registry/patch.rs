//! Patches: their three formats, and what applying one gives (apiserver,
//! `handlers/patch.go`).

use bytes::Bytes;
use serde_json::Value;

use super::json_patch;
use super::query::FieldValidation;
use super::schema::{Message, Node, Schema};
use super::strategic::{self, Error, go_format};
use crate::wire::{Route, Status, json, parse_json};

/// More operations than this are too many for one JSON patch.
const MAX_OPERATIONS: usize = 10_000;

const SUPPORTED: [&str; 3] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// It takes server-side apply, too, which is refused further in.
pub const ROUTE: Route = Route {
    consumes: Some(&[
        SUPPORTED[0],
        SUPPORTED[1],
        SUPPORTED[2],
        "application/apply-patch+yaml",
    ]),
    ..Route::PLAIN
};

/// What was sent, as far as it is looked at before the object is there.
pub struct Sent {
    media: &'static str,
    value: Value,
    faults: Vec<String>,
}

/// The format of a patch.
///
/// # Errors
/// 415 for one that is not served (server-side apply is not).
pub fn media(content_type: Option<&str>) -> Result<&'static str, Status> {
    let media = content_type.unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    let found = SUPPORTED.into_iter().find(|supported| *supported == media);
    found.ok_or_else(|| Status::unsupported_media_type(&SUPPORTED))
}

impl Sent {
    /// # Errors
    /// 400 for what is no JSON.
    pub fn read(media: &'static str, body: &Bytes) -> Result<Self, Status> {
        let read = parse_json(body);
        let (value, faults) = read.map_err(|_| Status::bad_request("invalid JSON patch"))?;
        Ok(Self {
            media,
            value,
            faults,
        })
    }

    /// For the audit log.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// A patch that was read.
pub struct Patch {
    format: Format,
    /// What strict decoding says of the patch itself.
    faults: Vec<String>,
}

enum Format {
    Json(Vec<Value>),
    Merge(Value),
    Strategic(Value),
}

/// The outcome, before it is read back into the kind's type.
pub struct Patched {
    pub value: Value,
    pub faults: Vec<String>,
    /// How a refusal shows the patch; `None` where it shows the outcome.
    pub shown: Option<String>,
}

impl Patch {
    /// # Errors
    /// 400 for what is no patch of its format.
    pub fn decode(sent: Sent, validation: FieldValidation) -> Result<Self, Status> {
        let Sent {
            media,
            value,
            mut faults,
        } = sent;
        let format = match media {
            "application/json-patch+json" => {
                faults = faults
                    .into_iter()
                    .map(|fault| format!("json patch {fault}"))
                    .collect();
                if let Some(operations) = value.as_array()
                    && operations.len() > MAX_OPERATIONS
                {
                    let mut status = Status::request_entity_too_large(MAX_OPERATIONS);
                    status.message = format!(
                        "Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
                        operations.len()
                    );
                    return Err(status);
                }
                // `null` is a list of none.
                let value = match value {
                    Value::Null => Value::Array(Vec::new()),
                    value => value,
                };
                let Value::Array(operations) = value else {
                    return Err(match validation {
                        FieldValidation::Ignore => cannot_decode("", &value, "jsonpatch.Patch"),
                        _ => cannot_decode(DECODING, &value, "[]handlers.jsonPatchOp"),
                    });
                };
                for (index, operation) in operations.iter().enumerate() {
                    let fields = operation.as_object().into_iter().flatten();
                    let unknown = fields
                        .map(|(field, _)| field)
                        .filter(|f| !matches!(f.as_str(), "op" | "path" | "from" | "value"));
                    faults.extend(
                        unknown.map(|f| format!("json patch unknown field \"[{index}].{f}\"")),
                    );
                }
                Format::Json(operations)
            }
            "application/merge-patch+json" => {
                let ignored = validation == FieldValidation::Ignore;
                match &value {
                    Value::Object(_) => {}
                    // It takes the place of the object, which is then no object.
                    Value::Array(_) if ignored => {}
                    _ if ignored => return Err(Status::bad_request("Invalid JSON Patch")),
                    _ => return Err(cannot_decode(DECODING, &value, "map[string]interface {}")),
                }
                Format::Merge(value)
            }
            _ => {
                if !value.is_object() {
                    return Err(cannot_decode("", &value, "map[string]interface {}"));
                }
                Format::Strategic(value)
            }
        };
        Ok(Self { format, faults })
    }

    /// What `original` becomes. `message` is its type, out of `schema`.
    ///
    /// # Errors
    /// 400, 422 and 500 as upstream.
    pub fn apply(
        &self,
        original: &Value,
        schema: &Schema,
        message: Option<&Message>,
    ) -> Result<Patched, Status> {
        let mut shown = None;
        let value = match &self.format {
            Format::Json(operations) => {
                json_patch::apply(original, operations).map_err(|_| unprocessable())?
            }
            Format::Merge(patch @ Value::Array(_)) => json_patch::without_nulls(patch.clone()),
            Format::Merge(patch) => json_patch::merge(original.clone(), patch.clone()),
            Format::Strategic(patch) => {
                shown = Some(go_format(patch));
                let node = message.map_or(Node::Opaque, Node::Struct);
                strategic_merge(schema, node, original, patch)?
            }
        };
        Ok(Patched {
            value,
            faults: self.faults.clone(),
            shown,
        })
    }
}

fn strategic_merge(
    schema: &Schema,
    node: Node<'_>,
    original: &Value,
    patch: &Value,
) -> Result<Value, Status> {
    let (Value::Object(original), Value::Object(patch)) = (original, patch) else {
        return Err(Status::bad_request("invalid JSON document"));
    };
    strategic::apply(schema, node, original.clone(), patch.clone())
        .map(Value::Object)
        .map_err(|error| match error {
            Error::BadPatch(text) => Status::bad_request(text),
            Error::Unprocessable(_) => unprocessable(),
            Error::Other(text) => Status::unclassified(text),
        })
}

const DECODING: &str = "error decoding patch: ";

fn cannot_decode(what: &str, value: &Value, go_type: &str) -> Status {
    if value.is_null() {
        return Status::bad_request("Invalid JSON Patch");
    }
    let name = json::kind(value);
    Status::bad_request(format!(
        "{what}json: cannot unmarshal {name} into Go value of type {go_type}"
    ))
}

/// 422 as a patch gets it that cannot be applied.
fn unprocessable() -> Status {
    let mut status = Status::invalid("", "", "", Vec::new());
    "the server rejected our request due to an error in our request"
        .clone_into(&mut status.message);
    status
}
