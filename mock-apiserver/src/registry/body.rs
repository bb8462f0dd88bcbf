//! Bodies, and what patches made, as objects of the call's kind: decoded,
//! checked as strictly as asked, defaults put in (apiserver,
//! `handlers/{create,patch}.go`).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use kube_rbac::Version;
use serde_json::{Value, json};

use super::kind::Form;
use super::query::{FieldValidation, WriteOptions};
use super::schema::{Decoded, Message, Schema, schema};
use super::{Call, defaults, patch};
use crate::wire::{self, Cause, Fault, Status};

/// A body that was read as an object of the call's kind, defaults put in.
pub struct Input {
    pub object: Value,
    /// Whether nothing is to be kept of it.
    pub dry_run: bool,
}

/// Reads the body of a write, and notes it for the audit log. `options` is the
/// kind of what the query says, such as `CreateOptions`.
pub fn read_object(call: &Call<'_>, body: &Bytes, options: &str) -> Result<Input, Status> {
    let WriteOptions {
        dry_run,
        validation,
    } = call.query.write_options(options)?;
    let form = call.form();
    let warn = |faults| call.warn(faults);
    let content_type = call.header(CONTENT_TYPE);
    let object = decode(call.minor, content_type, body, form, validation, warn)?;
    let object = defaulted(call, object);
    call.audit(&object);
    Ok(Input { object, dry_run })
}

/// Decodes a body as a typed decoder of `minor` does. `warn` hears of what is let
/// pass.
///
/// # Errors
/// 400 and 415 in Kubernetes' words.
pub fn decode(
    minor: Version,
    content_type: Option<&str>,
    body: &Bytes,
    form: Form,
    validation: FieldValidation,
    warn: impl FnOnce(Vec<String>),
) -> Result<Value, Status> {
    let decoded = wire::decode_body(content_type, body, form.kind)?;
    let cannot = |why: &str| wire::cannot_be_handled(form.kind, why);
    let mut faults = decoded.duplicates;
    let schema = schema(minor);
    // Of a kind that is not stored, no more is known than that it is one.
    let object = match schema.message(form.message) {
        Some(message) => {
            let typed = schema.decode(message, &decoded.object);
            let typed = typed.map_err(|why| cannot(&why))?;
            // Protobuf has numbers for fields: what no type has is passed over.
            if wire::Media::of_content_type(content_type) != Some(wire::Media::Protobuf) {
                faults.extend(typed.unknown);
            }
            typed.value
        }
        None => decoded.object,
    };
    match validation {
        FieldValidation::Strict if !faults.is_empty() => {
            return Err(cannot(&strict_error(&faults)));
        }
        FieldValidation::Warn => warn(faults),
        _ => {}
    }
    Ok(object)
}

/// What was read, with its type and the kind's defaults put in.
fn defaulted(call: &Call<'_>, object: Value) -> Value {
    let form = call.form();
    let mut object = wire::with_type(object, form.kind);
    if form.message == call.kind.message {
        defaults::apply(call.kind.id, &mut object);
    }
    object
}

fn strict_error(faults: &[String]) -> String {
    format!("strict decoding error: {}", faults.join(", "))
}

/// Reads the outcome of a patch back into the kind's type.
pub fn decode_patched(
    call: &Call<'_>,
    patched: patch::Patched,
    validation: FieldValidation,
) -> Result<Value, Status> {
    let form = call.form();
    let schema = schema(call.minor);
    let message = schema
        .message(form.message)
        .ok_or_else(Status::generic_method_not_allowed)?;
    let refused = |why: &str| {
        // Strategic patches are shown themselves, the others as what they
        // made of the object.
        let shown = patched.shown.clone().unwrap_or_else(|| {
            String::from_utf8_lossy(&wire::json::bare(&patched.value)).into_owned()
        });
        Status::invalid(
            "",
            "",
            "",
            vec![Cause::new(
                "patch",
                Fault::Invalid,
                Some(&shown.into()),
                why,
            )],
        )
    };
    let typed = match &patched.shown {
        Some(_) => schema.convert(message, &patched.value),
        None => decode_typed(form, schema, message, &patched.value),
    }
    .map_err(|why| refused(&why))?;
    let mut faults = patched.faults.clone();
    faults.extend(typed.unknown);
    match validation {
        FieldValidation::Strict if !faults.is_empty() => {
            return Err(refused(&strict_error(&faults)));
        }
        FieldValidation::Warn => call.warn(faults),
        _ => {}
    }
    Ok(defaulted(call, typed.value))
}

/// Reads the text that a patch left, going by the type it says it is.
///
/// # Errors
/// The first fault, in Kubernetes' words.
fn decode_typed(
    form: Form,
    schema: &Schema,
    message: &Message,
    value: &Value,
) -> Result<Decoded, String> {
    let (kind, api_version) = wire::type_of(value)?;
    // Without a version, upstream reads into its internal type, none of whose
    // fields has a JSON name.
    if api_version.is_empty() {
        let fields = value.as_object().into_iter().flatten();
        let unknown = fields
            .filter(|(key, _)| *key != "kind" && *key != "apiVersion")
            .map(|(key, _)| format!("unknown field \"{key}\""));
        return Ok(Decoded {
            value: json!({}),
            unknown: unknown.collect(),
        });
    }
    let kind = if kind.is_empty() {
        form.kind.kind
    } else {
        kind
    };
    wire::check_conversion(kind, api_version, form.kind)?;
    schema.decode(message, value)
}
