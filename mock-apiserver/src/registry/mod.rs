//! The objects: what is kept, what may be asked of it, and how it is
//! answered (apiserver, `pkg/endpoints/handlers` and `pkg/registry`).
//!
//! Requests arrive authenticated and authorised. Reads and writes of one
//! request happen under one lock, so that what it checks is what it changes;
//! RBAC objects change the policy under that lock too, and the next request
//! is decided by it.

mod admission;
mod defaults;
mod discovery;
mod json_patch;
mod kind;
pub(crate) mod names;
mod object;
mod openapi;
mod patch;
mod quantity;
mod query;
mod rbac;
mod read;
mod schema;
pub(crate) mod selector;
mod store;
mod strategic;
mod table;
mod validate;
mod watch;
mod write;

pub use discovery::resources_of_kubernetes;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use foundation::clock::Clock;
use http::request::Parts;
use http::{Method, StatusCode};
use jiff::Timestamp;
use kube_authn::User;
use serde_json::{Value, json};

use crate::authz::Authorizer;
use crate::request::RequestInfo;
use crate::wire::{self, Negotiated, Status};

use kind::{Action, Form, Id, Kind, SCALE, Subresource};
use query::Query;
use store::Store;

/// The objects of one cluster; a cheap handle.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    clock: Clock,
    authorizer: Authorizer,
    store: Store,
    /// When the cluster was made: the bootstrap objects' creation time.
    started: String,
}

/// One request on a resource, as far as it is the same for all verbs.
struct Call<'a> {
    kind: &'static Kind,
    subresource: Option<&'static Subresource>,
    /// Empty at the cluster scope, and for cluster-scoped kinds.
    namespace: &'a str,
    /// The name in the path; empty for collections.
    name: &'a str,
    info: &'a RequestInfo,
    user: &'a User,
    query: Query,
    parts: &'a Parts,
    negotiated: Negotiated,
    /// When the request came.
    now: Timestamp,
}

/// An answer before it is spelt: a status code, an object, and warnings.
struct Answer {
    code: StatusCode,
    body: Value,
    warnings: Vec<String>,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self {
            code: StatusCode::OK,
            body,
            warnings: Vec::new(),
        }
    }
}

impl Registry {
    /// The objects a cluster has from the start: the system's namespaces with
    /// what belongs in each, and, once somebody asks, the RBAC objects that
    /// `authorizer`'s policy was made of.
    pub fn new(clock: Clock, authorizer: Authorizer) -> Self {
        let inner = Inner {
            started: object::time(clock.now()),
            clock,
            authorizer,
            store: Store::new(),
        };
        inner.store.with(|state| {
            // The bootstrap objects get these when they are put in.
            state.reserve(rbac::BOOTSTRAP_REVISIONS);
            for name in admission::SYSTEM_NAMESPACES {
                let namespace = admission::namespace(name, &inner.started);
                state.put(Id::Namespace, namespace);
                admission::furnish_namespace(state, name, &inner.started);
            }
            let kubernetes = admission::kubernetes_service(&inner.started);
            state.put(Id::Service, kubernetes);
            state.compact();
        });
        Self(Arc::new(inner))
    }

    /// Answers a request for discovery, OpenAPI or a resource. It is
    /// authenticated, impersonated and authorised already.
    pub async fn handle(
        &self,
        info: RequestInfo,
        user: User,
        parts: Parts,
        body: Body,
    ) -> Response {
        if !info.is_resource_request {
            return non_resource(&info, &parts);
        }
        if is_list_of_definitions(&info) {
            return no_definitions(&parts);
        }
        let Some(kind) = Kind::find(&info.api_group, &info.api_version, &info.resource) else {
            return unknown_resource(&info, &parts);
        };
        let negotiated = match wire::negotiate(&parts.headers, &parts.uri) {
            Ok(negotiated) => negotiated,
            Err(status) => return wire::status_response(&parts.headers, &parts.uri, &status),
        };
        let call = match Call::new(kind, &info, &user, &parts, negotiated, self.0.clock.now()) {
            Ok(call) => call,
            Err(status) => return wire::status_response(&parts.headers, &parts.uri, &status),
        };
        match self.answer(&call, body).await {
            Ok(Reply::Answer(answer)) => call.respond(answer),
            Ok(Reply::Stream(response)) => response,
            Err(status) => call.negotiated.without_conversion().status(&status),
        }
    }

    async fn answer(&self, call: &Call<'_>, body: Body) -> Result<Reply, Status> {
        let inner = &self.0;
        if call.kind.id.is_rbac() {
            inner.bootstrap();
        }
        let answer = match (&call.parts.method, call.name.is_empty()) {
            (&Method::GET | &Method::HEAD, false) if call.info.verb != "watch" => {
                inner.get(call)?
            }
            (&Method::GET | &Method::HEAD, _) => {
                if call.info.verb == "watch" {
                    return watch::start(self, call).map(Reply::Stream);
                }
                inner.list(call)?
            }
            (&Method::POST, true) => inner.create(call, &wire::read_body(body).await?)?,
            (&Method::PUT, false) => inner.update(call, &wire::read_body(body).await?)?,
            (&Method::PATCH, false) => inner.patch(call, &wire::read_body(body).await?)?,
            (&Method::DELETE, false) => inner.delete(call, &wire::read_body(body).await?)?,
            (&Method::DELETE, true) => {
                inner.delete_collection(call, &wire::read_body(body).await?)?
            }
            _ => return Err(Status::generic_method_not_allowed()),
        };
        Ok(Reply::Answer(answer))
    }
}

enum Reply {
    Answer(Answer),
    Stream(Response),
}

impl<'a> Call<'a> {
    /// # Errors
    /// 404 and 405 for paths and verbs that the kind has not.
    fn new(
        kind: &'static Kind,
        info: &'a RequestInfo,
        user: &'a User,
        parts: &'a Parts,
        negotiated: Negotiated,
        now: Timestamp,
    ) -> Result<Self, Status> {
        let name = info.parts.get(1).map_or("", String::as_str);
        let in_namespace = !info.namespace.is_empty() && kind.id != Id::Namespace;
        if in_namespace && !kind.namespaced {
            return Err(Status::server_not_found());
        }
        let subresource = match info.parts.get(2..).unwrap_or_default() {
            [] => None,
            [sub] => Some(kind.subresource(sub).ok_or_else(Status::server_not_found)?),
            _ => return Err(Status::server_not_found()),
        };
        // Without a namespace, objects of a namespaced kind can only be read
        // together.
        let all_namespaces = kind.namespaced && info.namespace.is_empty();
        if all_namespaces && !name.is_empty() {
            return Err(Status::server_not_found());
        }
        let verbs = subresource.map_or(kind.verbs, |s| s.verbs);
        let known = verbs.contains(&info.verb.as_str());
        if !known || (all_namespaces && !matches!(info.verb.as_str(), "list" | "watch")) {
            return Err(Status::generic_method_not_allowed());
        }
        Ok(Self {
            kind,
            subresource,
            namespace: if in_namespace { &info.namespace } else { "" },
            name,
            info,
            user,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            parts,
            negotiated,
            now,
        })
    }

    fn action(&self) -> Option<Action> {
        self.subresource.map(|s| s.action)
    }

    /// What the call's bodies are.
    fn form(&self) -> Form {
        match self.action() {
            Some(Action::Scale) => SCALE,
            _ => self.kind.form(),
        }
    }

    fn key(&self) -> String {
        store::key(self.namespace, self.name)
    }

    fn not_found(&self) -> Status {
        Status::not_found(self.kind.group, self.kind.plural, self.name)
    }

    fn header(&self, name: http::HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|v| v.to_str().ok())
    }

    fn respond(&self, answer: Answer) -> Response {
        let (body, negotiated) = match &self.negotiated.convert {
            Some(convert) => match table::convert(self, convert, &answer.body) {
                Ok(body) => (body, self.negotiated.without_conversion()),
                Err(status) => return self.negotiated.without_conversion().status(&status),
            },
            None => (answer.body, self.negotiated.clone()),
        };
        let mut response = negotiated.object(answer.code, &body);
        for warning in &answer.warnings {
            if let Some(value) = wire::warning(warning) {
                response.headers_mut().append(http::header::WARNING, value);
            }
        }
        response
    }
}

trait WithoutConversion {
    /// The same spelling for a body that is not converted.
    fn without_conversion(&self) -> Negotiated;
}

impl WithoutConversion for Negotiated {
    fn without_conversion(&self) -> Negotiated {
        Negotiated {
            convert: None,
            ..self.clone()
        }
    }
}

fn non_resource(info: &RequestInfo, parts: &Parts) -> Response {
    let get = matches!(parts.method, Method::GET | Method::HEAD);
    let path = info.path.trim_end_matches('/');
    let found = discovery::respond(path, parts).or_else(|| openapi::respond(path, parts));
    match found {
        Some(response) if get => response,
        Some(_) => wire::status_response(
            &parts.headers,
            &parts.uri,
            &Status::generic_method_not_allowed(),
        ),
        None => wire::plain_not_found(),
    }
}

/// A group that is served and has no such resource refuses with a `Status`;
/// any other path is nobody's.
fn unknown_resource(info: &RequestInfo, parts: &Parts) -> Response {
    if discovery::has_version(&info.api_group, &info.api_version) {
        wire::status_response(&parts.headers, &parts.uri, &Status::server_not_found())
    } else {
        wire::plain_not_found()
    }
}

/// Custom resources are not served, and discovery does not know of them. But
/// kubectl lists their definitions before it says that it knows no kind, and
/// gives up where it cannot.
fn is_list_of_definitions(info: &RequestInfo) -> bool {
    (info.api_group.as_str(), info.api_version.as_str()) == ("apiextensions.k8s.io", "v1")
        && info.resource == "customresourcedefinitions"
        && info.verb == "list"
}

fn no_definitions(parts: &Parts) -> Response {
    let list = json!({
        "kind": "CustomResourceDefinitionList",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"resourceVersion": "1"},
        "items": [],
    });
    match wire::negotiate_with(&parts.headers, &parts.uri, |convert, _| convert.is_none()) {
        Ok(negotiated) => negotiated.object(StatusCode::OK, &list),
        Err(status) => wire::status_response(&parts.headers, &parts.uri, &status),
    }
}

/// What kind of list `kind`'s objects come in.
fn list_kind(kind: &Kind) -> String {
    format!("{}List", kind.kind)
}

/// `object` as an item of a list: without its type, which the list says.
fn as_item(object: &Value) -> Value {
    let Some(map) = object.as_object() else {
        return object.clone();
    };
    Value::Object(
        map.iter()
            .filter(|(key, _)| *key != "kind" && *key != "apiVersion")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    )
}

/// A list of `items` at a revision.
fn list_of(kind: &Kind, metadata: Value, items: Vec<Value>) -> Value {
    json!({
        "kind": list_kind(kind),
        "apiVersion": kind.api_version(),
        "metadata": metadata,
        "items": items,
    })
}

#[cfg(test)]
mod tests;
