//! The audit log: who asked for what, and what was decided (apiserver,
//! `pkg/audit` and `pkg/endpoints/filters/audit.go`).
//!
//! A [`Policy`] says which requests are recorded, how fully, and at which
//! stages of their lives. With the default one a request leaves one event at
//! stage `ResponseComplete`, a watch a second one, `ResponseStarted`, before
//! it, and a failed authentication one at `ResponseStarted` only. Tokens are
//! in events only as far as they are in objects: at level `Request` the body of
//! a TokenReview is recorded, as on a cluster.

mod event;
mod load;
mod policy;
mod sink;

pub(crate) use event::user;
pub use event::{Event, ObjectRef, Stage};
pub use load::PolicyError;
pub use policy::{Level, Policy, Recording, Stages, Unrecorded};
pub use sink::{AuditSink, File, Memory, Sink};

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::USER_AGENT;
use http::{HeaderMap, Uri};
use jiff::Timestamp;
use kube_authn::User;
use kube_rbac::Version;
use serde_json::{Value, json};

use crate::registry::schema::schema;
use crate::request::RequestInfo;
use crate::wire::json;
use event::Recorded;

/// The longest user agent that is written out.
const MAX_USER_AGENT: usize = 1024;

/// What is known of the request so far; handlers find it among the request's
/// extensions and may add to it.
#[derive(Clone, Debug)]
pub struct Context(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    event: Event,
    /// Decided once authentication is over; until then all is collected.
    recording: Recording,
}

impl Context {
    /// Starts the event of a request.
    pub(crate) fn new(
        id: String,
        received: Timestamp,
        info: &RequestInfo,
        uri: &Uri,
        headers: &HeaderMap,
        remote: Option<IpAddr>,
    ) -> Self {
        let object_ref = info.is_resource_request.then(|| ObjectRef {
            resource: info.resource.clone(),
            namespace: info.namespace.clone(),
            name: info.name.clone(),
            api_group: info.api_group.clone(),
            api_version: info.api_version.clone(),
            subresource: info.subresource.clone(),
            ..ObjectRef::default()
        });
        let event = Event {
            id,
            received,
            request_uri: uri
                .path_and_query()
                .map_or_else(|| uri.path().to_owned(), ToString::to_string),
            verb: info.verb.clone(),
            user_agent: user_agent(headers),
            source_ips: source_ips(headers, remote),
            object_ref,
            ..Event::default()
        };
        let recording = Recording {
            level: Level::Metadata,
            ..Recording::default()
        };
        Self(Arc::new(Mutex::new(State { event, recording })))
    }

    /// Says who is asking and how fully that is recorded, as the policy has
    /// it.
    pub(crate) fn begin(&self, user: Option<&User>, recording: Recording) {
        self.with(|state| {
            state.event.user = user.cloned();
            state.recording = recording;
        });
    }

    /// Adds what the object in the request says of itself (the name that a
    /// creation's URL does not hold, above all) and, where the policy wants
    /// it, the object (`LogRequestObject`).
    pub fn object(&self, minor: Version, object: &Value) {
        let meta = |key: &str| {
            object
                .get("metadata")
                .and_then(|m| m.get(key))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        self.change(|event, recording| {
            let about = event.object_ref.get_or_insert_default();
            for (slot, key) in [
                (&mut about.namespace, "namespace"),
                (&mut about.name, "name"),
                (&mut about.uid, "uid"),
                (&mut about.resource_version, "resourceVersion"),
            ] {
                if slot.is_empty() {
                    meta(key).clone_into(slot);
                }
            }
            if recording.level >= Level::Request {
                event.request_object = Some(recording.shown(schema(minor).encoded(object)));
            }
        });
    }

    /// Adds a body that is no object of the kind in question, where the policy
    /// wants it: a patch (`LogRequestPatch`), or options of a deletion.
    pub fn body(&self, body: impl FnOnce() -> Value) {
        self.change(|event, recording| {
            if recording.level >= Level::Request {
                event.request_object = Some(body());
            }
        });
    }

    /// Adds an annotation; the first value of a key stays.
    pub fn annotate(&self, key: &str, value: &str) {
        self.change(|event, _| {
            event
                .annotations
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        });
    }

    pub(crate) fn impersonated(&self, user: &User, constraint: &str) {
        self.change(|event, _| {
            event.impersonated = Some(user.clone());
            constraint.clone_into(&mut event.impersonation_constraint);
        });
    }

    /// Adds the answer's code, and the answer where it is a `Status`, of which
    /// the type is not copied (`LogResponseObject`).
    pub(crate) fn answered(&self, code: u16, status: Option<Value>) {
        let mut fields = match status {
            Some(Value::Object(mut fields)) => {
                fields.shift_remove("kind");
                fields.shift_remove("apiVersion");
                Value::Object(fields)
            }
            _ => json!({"metadata": {}}),
        };
        fields["code"] = json!(code);
        self.change(|event, _| event.response_status = fields);
    }

    /// Whether the object that is answered is recorded.
    pub(crate) fn wants_response(&self) -> bool {
        self.with(|state| state.recording.level >= Level::RequestResponse)
    }

    pub(crate) fn response(&self, object: Value) {
        self.change(|event, recording| event.response_object = Some(recording.shown(object)));
    }

    pub(crate) fn emit(&self, sink: &dyn Sink, stage: Stage, now: Timestamp) {
        self.with(|State { event, recording }| {
            let recorded = recording.level > Level::None;
            if recorded && !recording.omit_stages.contains(stage) {
                // A request is received when it comes, not when it is looked at.
                let now = match stage {
                    Stage::RequestReceived => event.received,
                    _ => now,
                };
                let recorded = Recorded {
                    event,
                    level: recording.level,
                    stage,
                    at: now,
                };
                sink.write(&json::compact(&recorded));
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Event, Recording)) {
        self.with(|state| {
            if state.recording.level > Level::None {
                change(&mut state.event, state.recording);
            }
        });
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recording {
    /// `object` as it is recorded (`copyWithoutManagedFields`).
    fn shown(self, mut object: Value) -> Value {
        fn strip(object: &mut Value) {
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.shift_remove("managedFields");
            }
        }
        if self.omit_managed_fields {
            strip(&mut object);
            for (list, inner) in [("items", None), ("rows", Some("object"))] {
                let items = object.get_mut(list).and_then(Value::as_array_mut);
                for item in items.into_iter().flatten() {
                    match inner {
                        Some(inner) => item.get_mut(inner).into_iter().for_each(strip),
                        None => strip(item),
                    }
                }
            }
        }
        object
    }
}

fn user_agent(headers: &HeaderMap) -> String {
    let agent = headers
        .get(USER_AGENT)
        .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
        .unwrap_or_default();
    match agent
        .char_indices()
        .find(|(at, c)| at + c.len_utf8() > MAX_USER_AGENT)
    {
        Some((at, _)) => format!("{}...TRUNCATED", &agent[..at]),
        None => agent,
    }
}

/// Where the request came from: what proxies say first, the connection last
/// (apimachinery, `util/net: SourceIPs`). All but the last can be made up.
fn source_ips(headers: &HeaderMap, remote: Option<IpAddr>) -> Vec<String> {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let mut found: Vec<IpAddr> = header("x-forwarded-for")
        .into_iter()
        .flat_map(|list| list.split(','))
        .filter_map(|ip| ip.trim().parse().ok())
        .collect();
    if let Some(real) = header("x-real-ip").and_then(|ip| ip.parse().ok())
        && !found.contains(&real)
    {
        found.push(real);
    }
    if let Some(remote) = remote
        && found.last() != Some(&remote)
    {
        found.push(remote);
    }
    found.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
