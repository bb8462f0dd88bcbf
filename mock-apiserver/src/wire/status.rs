//! `meta/v1 Status`: how every refusal is spelt (apimachinery,
//! `pkg/api/errors` and `apis/meta/v1`).

use serde_json::{Map, Value, json};

use super::quote;

/// The largest request body that is read: 3 MiB, the API server's own limit.
pub const MAX_REQUEST_BODY: usize = 3 * 1024 * 1024;

/// An answer that is not an object: a refusal, or the success of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason; empty means that it is left out.
    pub reason: String,
    /// The sentence people read; empty means that it is left out.
    pub message: String,
    /// What the answer is about. Boxed, since a `Status` travels as an error.
    pub details: Option<Box<Details>>,
    /// Where a list goes on that has come too late; empty means that it is
    /// left out.
    pub continue_token: String,
}

/// What a [`Status`] is about. `kind` holds the *resource* name in most
/// refusals, as upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The object's name.
    pub name: String,
    /// The API group, empty for core.
    pub group: String,
    /// The resource, or the kind in validation errors.
    pub kind: String,
    /// The object's uid.
    pub uid: String,
    /// The single faults of an invalid object.
    pub causes: Vec<Cause>,
    /// Seconds after which to try again; zero means that it is left out.
    pub retry_after_seconds: u32,
}

/// One fault of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// For example `FieldValueInvalid`.
    pub reason: String,
    /// The fault without the field's path.
    pub message: String,
    /// The field's path.
    pub field: String,
}

/// How a field is at fault (apimachinery, `util/validation/field`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It must be given.
    Required,
    /// It has a wrong value.
    Invalid,
    /// It has a value that is not among those supported.
    NotSupported,
    /// It may not be given, or not changed so.
    Forbidden,
    /// It repeats another.
    Duplicate,
}

impl Cause {
    /// A fault with its value as JSON (`None` where Kubernetes prints none)
    /// and a sentence.
    pub fn new(field: &str, fault: Fault, value: Option<&Value>, detail: &str) -> Self {
        let (reason, title) = match fault {
            Fault::Required => ("FieldValueRequired", "Required value"),
            Fault::Invalid => ("FieldValueInvalid", "Invalid value"),
            Fault::NotSupported => ("FieldValueNotSupported", "Unsupported value"),
            Fault::Forbidden => ("FieldValueForbidden", "Forbidden"),
            Fault::Duplicate => ("FieldValueDuplicate", "Duplicate value"),
        };
        let mut message = title.to_owned();
        match value {
            Some(Value::String(text)) => {
                message.push_str(": ");
                message.push_str(&quote(text));
            }
            Some(value) => {
                message.push_str(": ");
                message.push_str(&String::from_utf8_lossy(&super::json::bare(value)));
            }
            None => {}
        }
        if !detail.is_empty() {
            message.push_str(": ");
            message.push_str(detail);
        }
        Self {
            reason: reason.to_owned(),
            message,
            field: field.to_owned(),
        }
    }
}

/// `resource.group`, or `resource` alone for the core group.
pub fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}

/// Several messages as Go's `utilerrors.Aggregate` prints them: one as it
/// is, more in brackets, repetitions left out.
pub fn aggregate<S: AsRef<str>>(messages: impl IntoIterator<Item = S>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for message in messages {
        if !seen.iter().any(|s| s == message.as_ref()) {
            seen.push(message.as_ref().to_owned());
        }
    }
    match seen.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

impl Status {
    fn failure(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            details: None,
            continue_token: String::new(),
        }
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        self.details = Some(Box::new(Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            ..Details::default()
        }));
        self
    }

    /// 400: the request itself is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message)
    }

    /// 401, always with the same words: the reason is in the log and in
    /// TokenReview only.
    pub fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized")
    }

    /// 403 for `why`, which is already escaped where it must be.
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = if group.is_empty() && resource.is_empty() {
            format!("forbidden: {why}")
        } else if name.is_empty() {
            format!("{} is forbidden: {why}", qualified(group, resource))
        } else {
            format!(
                "{} {} is forbidden: {why}",
                qualified(group, resource),
                quote(name)
            )
        };
        Self::failure(403, "Forbidden", message).about(group, resource, name)
    }

    /// 404: no such object.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {} not found", qualified(group, resource), quote(name));
        Self::failure(404, "NotFound", message).about(group, resource, name)
    }

    /// 404: no such resource, group or version.
    pub fn server_not_found() -> Self {
        Self::failure(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
        .about("", "", "")
    }

    /// 405: the resource has no such verb.
    pub fn method_not_allowed(group: &str, resource: &str, verb: &str) -> Self {
        let message = format!(
            "{verb} is not supported on resources of kind {}",
            quote(&qualified(group, resource))
        );
        Self::failure(405, "MethodNotAllowed", message).about(group, resource, "")
    }

    /// 405 without more, as for a path that is known and a method that is not.
    pub fn generic_method_not_allowed() -> Self {
        Self::failure(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
        .about("", "", "")
    }

    /// 415 and 406 of the router, before any handler is asked.
    pub fn unroutable(code: u16, message: &str) -> Self {
        let reason = match code {
            415 => "UnsupportedMediaType",
            _ => "NotAcceptable",
        };
        Self::failure(code, reason, message).about("", "", "")
    }

    /// 406: nothing the client accepts can be had.
    pub fn not_acceptable(supported: &[&str]) -> Self {
        Self::failure(
            406,
            "NotAcceptable",
            format!(
                "only the following media types are accepted: {}",
                supported.join(", ")
            ),
        )
    }

    /// 409: the name is taken.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!(
            "{} {} already exists",
            qualified(group, resource),
            quote(name)
        );
        Self::failure(409, "AlreadyExists", message).about(group, resource, name)
    }

    /// 409: the name that was made up, or goes before a made-up one, is taken
    /// (`NewGenerateNameConflict`).
    pub fn generate_name_conflict(group: &str, resource: &str, name: &str) -> Self {
        let mut status = Self::already_exists(group, resource, name);
        let why = ", the server was not able to generate a unique name for the object";
        status.message.push_str(why);
        if let Some(details) = &mut status.details {
            details.retry_after_seconds = 1;
        }
        status
    }

    /// 409: somebody else was faster, or a precondition does not hold.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {}: {why}",
            qualified(group, resource),
            quote(name)
        );
        Self::failure(409, "Conflict", message).about(group, resource, name)
    }

    /// 410: a continue token or resource version is too old.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(410, "Expired", message)
    }

    /// 410 with the older reason.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::failure(410, "Gone", message)
    }

    /// 413: the body is larger than [`MAX_REQUEST_BODY`].
    pub fn request_entity_too_large(limit: usize) -> Self {
        Self::failure(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {limit}"),
        )
    }

    /// 415: the body is in no known format.
    pub fn unsupported_media_type(supported: &[&str]) -> Self {
        Self::failure(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {}",
                supported.join(", ")
            ),
        )
    }

    /// 422: the object is well-formed and wrong.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let head = format!("{} {} is invalid", qualified(group, kind), quote(name));
        let message = if causes.is_empty() {
            head
        } else {
            let faults = causes.iter().map(|c| format!("{}: {}", c.field, c.message));
            format!("{head}: {}", aggregate(faults))
        };
        let mut status = Self::failure(422, "Invalid", message).about(group, kind, name);
        if let Some(details) = &mut status.details {
            details.causes = causes;
        }
        status
    }

    /// 500: our own fault.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let mut status = Self::failure(
            500,
            "InternalError",
            format!("Internal error occurred: {message}"),
        )
        .about("", "", "");
        if let Some(details) = &mut status.details {
            details.causes.push(Cause {
                message,
                ..Cause::default()
            });
        }
        status
    }

    /// 500: an error that Kubernetes has no reason for.
    pub fn unclassified(message: impl Into<String>) -> Self {
        Self::failure(500, "", message)
    }

    /// 500: what the audit event says of a panic (`filters.WithAudit`).
    pub fn panicked(what: &str) -> Self {
        let message = format!("APIServer panic'd: {what}");
        Self::failure(500, "InternalError", message)
    }

    /// 503: not now.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::failure(503, "ServiceUnavailable", message)
    }

    /// 504: a resource version from the future (apiserver,
    /// `storage.NewTooLargeResourceVersionError`).
    pub fn too_large_resource_version(asked: u64, current: u64) -> Self {
        let mut status = Self::failure(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {asked}, current: {current}"),
        )
        .about("", "", "");
        if let Some(details) = &mut status.details {
            details.retry_after_seconds = 1;
            details.causes.push(Cause {
                reason: "ResourceVersionTooLarge".to_owned(),
                message: "Too large resource version".to_owned(),
                field: String::new(),
            });
        }
        status
    }

    /// 200 without an object: what a deletion answers.
    pub fn success(details: Option<Details>) -> Self {
        Self {
            code: 200,
            reason: String::new(),
            message: String::new(),
            details: details.map(Box::new),
            continue_token: String::new(),
        }
    }

    /// Whether this is a success.
    pub const fn is_success(&self) -> bool {
        self.code < 400
    }

    /// The object, its keys in Kubernetes' order. A success has no `code`.
    pub fn to_value(&self) -> Value {
        let mut out = Map::new();
        out.insert("kind".to_owned(), json!("Status"));
        out.insert("apiVersion".to_owned(), json!("v1"));
        let mut metadata = Map::new();
        put(&mut metadata, "continue", &self.continue_token);
        out.insert("metadata".to_owned(), metadata.into());
        let status = if self.is_success() {
            "Success"
        } else {
            "Failure"
        };
        out.insert("status".to_owned(), json!(status));
        put(&mut out, "message", &self.message);
        put(&mut out, "reason", &self.reason);
        if let Some(details) = &self.details {
            out.insert("details".to_owned(), details.to_value());
        }
        if !self.is_success() {
            out.insert("code".to_owned(), json!(self.code));
        }
        Value::Object(out)
    }
}

impl Details {
    fn to_value(&self) -> Value {
        let mut out = Map::new();
        put(&mut out, "name", &self.name);
        put(&mut out, "group", &self.group);
        put(&mut out, "kind", &self.kind);
        put(&mut out, "uid", &self.uid);
        if !self.causes.is_empty() {
            let causes = self.causes.iter().map(|cause| {
                let mut out = Map::new();
                put(&mut out, "reason", &cause.reason);
                put(&mut out, "message", &cause.message);
                put(&mut out, "field", &cause.field);
                Value::Object(out)
            });
            out.insert("causes".to_owned(), causes.collect());
        }
        if self.retry_after_seconds > 0 {
            out.insert(
                "retryAfterSeconds".to_owned(),
                json!(self.retry_after_seconds),
            );
        }
        Value::Object(out)
    }
}

fn put(out: &mut Map<String, Value>, key: &str, value: &str) {
    if !value.is_empty() {
        out.insert(key.to_owned(), Value::String(value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::json::compact;
    use super::*;

    fn text(status: &Status) -> String {
        String::from_utf8(compact(&status.to_value())).expect("UTF-8")
    }

    #[test]
    fn unauthorized_is_the_same_bytes_whatever_the_cause() {
        assert_eq!(
            text(&Status::unauthorized()),
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}\n"
        );
    }

    #[rstest]
    #[case(
        Status::forbidden("", "nodes", "", "why"),
        "nodes is forbidden: why",
        r#"{"kind":"nodes"}"#
    )]
    #[case(
        Status::forbidden("apps", "deployments", "d", "why"),
        r#"deployments.apps \"d\" is forbidden: why"#,
        r#"{"name":"d","group":"apps","kind":"deployments"}"#
    )]
    #[case(Status::forbidden("", "", "", "why"), "forbidden: why", "{}")]
    fn forbidden_names_what_was_asked(
        #[case] status: Status,
        #[case] message: &str,
        #[case] details: &str,
    ) {
        assert_eq!(
            text(&status),
            format!(
                "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Failure\",\"message\":\"{message}\",\"reason\":\"Forbidden\",\"details\":{details},\"code\":403}}\n"
            )
        );
    }

    #[test]
    fn one_fault_stands_alone_and_several_in_brackets() {
        let one = Cause::new(
            "spec.user",
            Fault::Invalid,
            Some(&json!("")),
            "at least one of user or group must be specified",
        );
        let two = Cause::new("metadata", Fault::Required, None, "");
        assert_eq!(
            Status::invalid("g", "K", "", vec![one.clone()]).message,
            r#"K.g "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified"#
        );
        assert_eq!(
            Status::invalid("", "K", "n", vec![one, two]).message,
            r#"K "n" is invalid: [spec.user: Invalid value: "": at least one of user or group must be specified, metadata: Required value]"#
        );
    }

    #[test]
    fn a_success_has_no_code() {
        assert_eq!(
            text(&Status::success(None)),
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\"}\n"
        );
    }
}
