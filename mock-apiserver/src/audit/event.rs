//! One audit event and its JSON (apiserver, `pkg/apis/audit/v1/types.go`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube_authn::User;
use serde_json::{Map, Value, json};

use super::policy::Level;

/// When, in a request's life, an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It came, and is authenticated.
    RequestReceived,
    /// The head of the answer is out: for watches, and for failed
    /// authentication.
    ResponseStarted,
    /// The answer is complete.
    ResponseComplete,
    /// The handler panicked.
    Panic,
}

impl Stage {
    /// All of them, in the order of a request's life.
    pub(super) const ALL: [Self; 4] = [
        Self::RequestReceived,
        Self::ResponseStarted,
        Self::ResponseComplete,
        Self::Panic,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }
}

/// What is known of a request.
#[derive(Clone, Debug, Default)]
pub struct Event {
    pub(super) id: String,
    pub(super) received: Timestamp,
    pub(super) request_uri: String,
    pub(super) verb: String,
    pub(super) user: Option<User>,
    pub(super) impersonated: Option<User>,
    pub(super) impersonation_constraint: String,
    pub(super) source_ips: Vec<String>,
    pub(super) user_agent: String,
    pub(super) object_ref: Option<ObjectRef>,
    /// What is known of the answer; `null` until there is one.
    pub(super) response_status: Value,
    pub(super) request_object: Option<Value>,
    pub(super) response_object: Option<Value>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// What a request is about.
#[derive(Clone, Debug, Default)]
pub struct ObjectRef {
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) api_group: String,
    pub(super) api_version: String,
    pub(super) resource_version: String,
    pub(super) subresource: String,
}

impl Event {
    pub(super) fn to_value(&self, level: Level, stage: Stage, now: Timestamp) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("kind", json!("Event"));
        put("apiVersion", json!("audit.k8s.io/v1"));
        put("level", json!(level.name()));
        put("auditID", json!(self.id));
        put("stage", json!(stage.name()));
        put("requestURI", json!(self.request_uri));
        put("verb", json!(self.verb));
        put("user", self.user.as_ref().map_or_else(|| json!({}), user));
        if let Some(impersonated) = &self.impersonated {
            put("impersonatedUser", user(impersonated));
        }
        if !self.impersonation_constraint.is_empty() {
            put(
                "authenticationMetadata",
                json!({"impersonationConstraint": self.impersonation_constraint}),
            );
        }
        if !self.source_ips.is_empty() {
            put("sourceIPs", json!(self.source_ips));
        }
        if !self.user_agent.is_empty() {
            put("userAgent", json!(self.user_agent));
        }
        if let Some(object_ref) = &self.object_ref {
            put("objectRef", object_ref.to_value());
        }
        if !self.response_status.is_null() {
            put("responseStatus", self.response_status.clone());
        }
        for (key, object) in [
            ("requestObject", &self.request_object),
            ("responseObject", &self.response_object),
        ] {
            if let Some(object) = object {
                put(key, object.clone());
            }
        }
        put("requestReceivedTimestamp", micro_time(self.received));
        put("stageTimestamp", micro_time(now));
        if !self.annotations.is_empty() {
            put("annotations", json!(self.annotations));
        }
        Value::Object(out)
    }
}

impl ObjectRef {
    fn to_value(&self) -> Value {
        [
            ("resource", &self.resource),
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("uid", &self.uid),
            ("apiGroup", &self.api_group),
            ("apiVersion", &self.api_version),
            ("resourceVersion", &self.resource_version),
            ("subresource", &self.subresource),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
    }
}

/// `authentication/v1 UserInfo`, with what is empty left out.
pub(crate) fn user(user: &User) -> Value {
    let mut out = Map::new();
    if !user.username.is_empty() {
        out.insert("username".to_owned(), json!(user.username));
    }
    if !user.uid.is_empty() {
        out.insert("uid".to_owned(), json!(user.uid));
    }
    if !user.groups.is_empty() {
        out.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        out.insert("extra".to_owned(), json!(user.extra));
    }
    Value::Object(out)
}

/// `meta/v1 MicroTime`: cut to microseconds, never rounded.
fn micro_time(at: Timestamp) -> Value {
    let micros = at.as_microsecond();
    let cut = Timestamp::from_microsecond(micros).unwrap_or(at);
    json!(format!("{cut:.6}"))
}
