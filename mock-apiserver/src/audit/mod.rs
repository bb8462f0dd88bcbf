//! The audit log: who asked for what, and what was decided
//! (apiserver, `pkg/audit` and `endpoints/filters/audit.go`).
//!
//! The policy is fixed, and is what this file would say in Kubernetes:
//!
//! ```yaml
//! apiVersion: audit.k8s.io/v1
//! kind: Policy
//! omitStages: [RequestReceived]
//! rules: [{level: Metadata}]
//! ```
//!
//! So a request leaves one event at stage `ResponseComplete`, a watch a
//! second one, `ResponseStarted`, before it, and a failed authentication one
//! at `ResponseStarted` only. Tokens are in none of them.

mod event;
mod sink;

pub(crate) use event::user;
pub use event::{Event, ObjectRef, Stage};
pub use sink::{AuditSink, Discard, File, Memory, Sink};

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::USER_AGENT;
use http::{HeaderMap, Uri};
use jiff::Timestamp;
use kube_authn::User;
use serde_json::Value;

use crate::request::RequestInfo;
use crate::wire::Status;

/// The longest user agent that is written out.
const MAX_USER_AGENT: usize = 1024;

/// What is known of the request so far; handlers find it among the request's
/// extensions and may add to it.
#[derive(Clone, Debug)]
pub struct Context(Arc<Mutex<Event>>);

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
        Self(Arc::new(Mutex::new(Event {
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
        })))
    }

    /// Adds what the object in the request says of itself: the name that a
    /// creation's URL does not hold, above all.
    pub fn object(&self, object: &Value) {
        let meta = |key: &str| {
            object
                .get("metadata")
                .and_then(|m| m.get(key))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        self.change(|event| {
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
        });
    }

    /// Adds an annotation; the first value of a key stays.
    pub fn annotate(&self, key: &str, value: &str) {
        self.change(|event| {
            event
                .annotations
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        });
    }

    pub(crate) fn user(&self, user: &User) {
        self.change(|event| event.user = Some(user.clone()));
    }

    pub(crate) fn impersonated(&self, user: &User, constraint: &str) {
        self.change(|event| {
            event.impersonated = Some(user.clone());
            constraint.clone_into(&mut event.impersonation_constraint);
        });
    }

    pub(crate) fn answered(&self, code: u16, status: Option<&Status>) {
        self.change(|event| {
            event.code = code;
            event.status = status.cloned();
        });
    }

    pub(crate) fn emit(&self, sink: &dyn Sink, stage: Stage, now: Timestamp) {
        let event = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sink.write(&event.to_value(stage, now));
    }

    fn change(&self, change: impl FnOnce(&mut Event)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
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
mod tests {
    use http::{HeaderValue, Method};
    use serde_json::json;

    use super::*;

    fn context(method: &Method, uri: &'static str, headers: &HeaderMap) -> Context {
        let uri = Uri::from_static(uri);
        let info = RequestInfo::new(method, &uri).expect("a target");
        Context::new(
            "id".to_owned(),
            "2026-11-23T10:00:00.123456789Z".parse().expect("a time"),
            &info,
            &uri,
            headers,
            Some([127, 0, 0, 1].into()),
        )
    }

    fn line(context: &Context) -> String {
        let sink = Memory::default();
        let now = "2026-11-23T10:00:01Z".parse().expect("a time");
        context.emit(&sink, Stage::ResponseComplete, now);
        let events = sink.events();
        String::from_utf8(crate::wire::json::bare(&events[0])).expect("UTF-8")
    }

    #[test]
    fn an_event_has_kubernetes_fields_in_kubernetes_order() {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_static("kubectl/v1.37"));
        let context = context(
            &Method::POST,
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?x=1",
            &headers,
        );
        context.user(&User {
            username: "oidc:jane".to_owned(),
            groups: vec!["system:authenticated".to_owned()],
            ..User::default()
        });
        context.impersonated(
            &User {
                username: "bob".to_owned(),
                ..User::default()
            },
            "impersonate:user-info",
        );
        context.object(&json!({"metadata": {"name": "b"}}));
        context.annotate("authorization.k8s.io/decision", "allow");
        context.annotate("authorization.k8s.io/reason", "");
        context.answered(201, None);
        assert_eq!(
            line(&context),
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"id","stage":"ResponseComplete","requestURI":"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?x=1","verb":"create","user":{"username":"oidc:jane","groups":["system:authenticated"]},"impersonatedUser":{"username":"bob"},"authenticationMetadata":{"impersonationConstraint":"impersonate:user-info"},"sourceIPs":["127.0.0.1"],"userAgent":"kubectl/v1.37","objectRef":{"resource":"clusterrolebindings","name":"b","apiGroup":"rbac.authorization.k8s.io","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":201},"requestReceivedTimestamp":"2026-11-23T10:00:00.123456Z","stageTimestamp":"2026-11-23T10:00:01.000000Z","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}}"#
        );
    }

    #[test]
    fn a_refusal_is_written_with_its_reason() {
        let context = context(&Method::GET, "/api/v1/pods", &HeaderMap::new());
        let status = Status::forbidden("", "pods", "", "why");
        context.answered(403, Some(&status));
        assert!(line(&context).contains(
            r#""responseStatus":{"metadata":{},"status":"Failure","message":"pods is forbidden: why","reason":"Forbidden","details":{"kind":"pods"},"code":403}"#
        ));
    }

    #[test]
    fn proxies_are_listed_before_the_connection() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-forwarded-for",
            HeaderValue::from_static("10.0.0.1, nonsense, 10.0.0.2"),
        );
        headers.insert("x-real-ip", HeaderValue::from_static("10.0.0.1"));
        assert_eq!(
            source_ips(&headers, Some([127, 0, 0, 1].into())),
            ["10.0.0.1", "10.0.0.2", "127.0.0.1"]
        );
    }

    #[test]
    fn a_long_user_agent_is_cut() {
        let mut headers = HeaderMap::new();
        let long = "é".repeat(600);
        headers.insert(
            "user-agent",
            HeaderValue::from_bytes(long.as_bytes()).expect("a value"),
        );
        let cut = user_agent(&headers);
        assert!(cut.ends_with("...TRUNCATED"));
        assert_eq!(cut.len(), MAX_USER_AGENT + "...TRUNCATED".len());
    }
}
