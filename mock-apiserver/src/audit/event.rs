//! One audit event and its JSON (apiserver, `pkg/apis/audit/v1/types.go`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube_authn::User;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

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

/// An event as a stage of it is recorded. It is written straight into JSON: there
/// is one for every request.
pub(super) struct Recorded<'e> {
    pub(super) event: &'e Event,
    pub(super) level: Level,
    pub(super) stage: Stage,
    pub(super) at: Timestamp,
}

impl Serialize for Recorded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.event;
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("kind", "Event")?;
        out.serialize_entry("apiVersion", "audit.k8s.io/v1")?;
        out.serialize_entry("level", self.level.name())?;
        out.serialize_entry("auditID", &event.id)?;
        out.serialize_entry("stage", self.stage.name())?;
        out.serialize_entry("requestURI", &event.request_uri)?;
        out.serialize_entry("verb", &event.verb)?;
        out.serialize_entry("user", &UserInfo(event.user.as_ref()))?;
        if let Some(impersonated) = &event.impersonated {
            out.serialize_entry("impersonatedUser", &UserInfo(Some(impersonated)))?;
        }
        if !event.impersonation_constraint.is_empty() {
            let metadata = [("impersonationConstraint", &event.impersonation_constraint)];
            out.serialize_entry("authenticationMetadata", &BTreeMap::from(metadata))?;
        }
        if !event.source_ips.is_empty() {
            out.serialize_entry("sourceIPs", &event.source_ips)?;
        }
        if !event.user_agent.is_empty() {
            out.serialize_entry("userAgent", &event.user_agent)?;
        }
        if let Some(object_ref) = &event.object_ref {
            out.serialize_entry("objectRef", object_ref)?;
        }
        if !event.response_status.is_null() {
            out.serialize_entry("responseStatus", &event.response_status)?;
        }
        if let Some(object) = &event.request_object {
            out.serialize_entry("requestObject", object)?;
        }
        if let Some(object) = &event.response_object {
            out.serialize_entry("responseObject", object)?;
        }
        out.serialize_entry("requestReceivedTimestamp", &micro_time(event.received))?;
        out.serialize_entry("stageTimestamp", &micro_time(self.at))?;
        if !event.annotations.is_empty() {
            out.serialize_entry("annotations", &event.annotations)?;
        }
        out.end()
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        for (name, value) in [
            ("resource", &self.resource),
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("uid", &self.uid),
            ("apiGroup", &self.api_group),
            ("apiVersion", &self.api_version),
            ("resourceVersion", &self.resource_version),
            ("subresource", &self.subresource),
        ] {
            if !value.is_empty() {
                out.serialize_entry(name, value)?;
            }
        }
        out.end()
    }
}

/// `authentication/v1 UserInfo`, with what is empty left out.
struct UserInfo<'u>(Option<&'u User>);

impl Serialize for UserInfo<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        if let Some(user) = self.0 {
            if !user.username.is_empty() {
                out.serialize_entry("username", &user.username)?;
            }
            if !user.uid.is_empty() {
                out.serialize_entry("uid", &user.uid)?;
            }
            if !user.groups.is_empty() {
                out.serialize_entry("groups", &user.groups)?;
            }
            if !user.extra.is_empty() {
                out.serialize_entry("extra", &user.extra)?;
            }
        }
        out.end()
    }
}

/// `authentication/v1 UserInfo` as a value.
pub(crate) fn user(user: &User) -> Value {
    // Maps and strings always become a value.
    serde_json::to_value(UserInfo(Some(user))).unwrap_or_default()
}

/// `meta/v1 MicroTime`: cut to microseconds, never rounded.
fn micro_time(at: Timestamp) -> String {
    let micros = at.as_microsecond();
    let cut = Timestamp::from_microsecond(micros).unwrap_or(at);
    format!("{cut:.6}")
}
