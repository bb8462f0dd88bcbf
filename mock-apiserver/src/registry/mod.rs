//! The objects: what is kept, what may be asked of it, and how it is
//! answered (apiserver, `pkg/endpoints/handlers` and `pkg/registry`).
//!
//! Requests arrive authenticated and authorised. Reads and writes of one
//! request happen under one lock, so that what it checks is what it changes;
//! RBAC objects change the policy under that lock too, and the next request
//! is decided by it.

mod addresses;
mod admission;
mod body;
mod cursor;
mod defaults;
mod delete;
mod discovery;
mod json_patch;
mod kind;
mod object;
mod openapi;
mod patch;
mod quantity;
pub(crate) mod query;
mod rbac;
mod read;
mod release;
pub(crate) mod schema;
pub(crate) mod selector;
mod served;
mod store;
mod strategic;
mod table;
mod unstored;
mod validate;
mod watch;
mod write;

pub(crate) use body::decode as decode_body;
pub(crate) use discovery::paths as discovery_paths;
pub(crate) use kind::Form;
pub use release::PerMinor;
pub use served::resources_of_kubernetes;

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::Response;
use foundation::clock::Clock;
use http::header::WARNING;
use http::request::Parts;
use http::{Method, StatusCode};
use jiff::Timestamp;
use kube_authn::User;
use kube_rbac::Version;
use serde_json::Value;

use crate::authz::Authorizer;
use crate::request::RequestInfo;
use crate::wire::{self, Negotiated, Status};

use kind::{Action, EVICTION, Id, Kind, SCALE};
use query::{Query, WriteOptions};
use store::Store;

/// What a review's query asks for.
///
/// # Errors
/// 422 for what it cannot.
pub(crate) fn create_options(parts: &Parts) -> Result<WriteOptions, Status> {
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    query.write_options("CreateOptions")
}

/// What is done with a collection, and with one object.
const COLLECTION_VERBS: [&str; 4] = ["create", "deletecollection", "list", "watch"];
const OBJECT_VERBS: [&str; 5] = ["delete", "get", "patch", "update", "watch"];

/// The objects of one cluster; a cheap handle.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    clock: Clock,
    authorizer: Authorizer,
    store: Store,
    /// When the cluster was made: the bootstrap objects' creation time.
    started: String,
    /// For pods, in every namespace.
    cluster_ca_pem: String,
}

/// One request on a resource, as far as it is the same for all verbs.
struct Call<'a> {
    /// The Kubernetes minor that is imitated.
    minor: Version,
    kind: &'static Kind,
    /// What the subresource does; `None` for the object itself.
    action: Option<Action>,
    /// Empty at the cluster scope, and for cluster-scoped kinds.
    namespace: &'a str,
    /// The name in the path; empty for collections.
    name: &'a str,
    info: &'a RequestInfo,
    user: &'a User,
    query: Query,
    parts: &'a Parts,
    negotiated: Negotiated,
    /// What was let pass, for the client to know, also where it is refused.
    warnings: Mutex<Vec<String>>,
    /// When the request came.
    now: Timestamp,
}

/// An answer before it is spelt: a status code and an object.
struct Answer {
    code: StatusCode,
    body: Value,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self {
            code: StatusCode::OK,
            body,
        }
    }
}

impl Registry {
    /// The objects a cluster has from the start: the system's namespaces with
    /// what belongs in each, and, once somebody asks, the RBAC objects that
    /// `authorizer`'s policy was made of.
    pub fn new(clock: Clock, authorizer: Authorizer, cluster_ca_pem: String) -> Self {
        let inner = Inner {
            cluster_ca_pem,
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
                inner.furnish_namespace(state, name, &inner.started);
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
        let minor = self.0.authorizer.version();
        if !info.is_resource_request {
            return non_resource(minor, &info, &parts);
        }
        let (group, version) = (info.api_group.as_str(), info.api_version.as_str());
        let Some(kind) = Kind::find(minor, group, version, &info.resource) else {
            return unknown_resource(minor, &info, &parts);
        };
        let call = match Call::new(minor, kind, &info, &user, &parts, self.0.clock.now()) {
            Ok(call) => call,
            Err(status) => return wire::status_response(&parts.headers, &parts.uri, &status),
        };
        let mut response = match self.answer(&call, body).await {
            Ok(Reply::Answer(answer)) => call.respond(&answer),
            Ok(Reply::Stream(response)) => response,
            Err(status) => call.refuse(&status),
        };
        for warning in call
            .take_warnings()
            .iter()
            .filter_map(|text| wire::warning(text))
        {
            response.headers_mut().append(WARNING, warning);
        }
        unstored::warned(&call, response)
    }

    async fn answer(&self, call: &Call<'_>, body: Body) -> Result<Reply, Status> {
        let inner = &self.0;
        if call.kind.id.is_rbac() {
            inner.bootstrap();
        }
        if call.action == Some(Action::Unserved) {
            // What is sent is read first, where it is of the kind itself.
            let subresource = call.info.subresource.as_str();
            let is_of_kind = subresource != "scale" && !unstored::streams(subresource);
            if call.parts.method == Method::PUT && is_of_kind {
                write::read_update(call, &wire::read_body(body).await?)?;
            }
            inner.store.with(|state| write::existing(state, call))?;
            return Err(unstored::refusal(call));
        }
        if call.kind.id == Id::Unstored && call.parts.method == Method::POST {
            return Err(unstored::refusal(call));
        }
        let answer = match (&call.parts.method, call.name.is_empty()) {
            (&Method::GET, false) if call.info.verb != "watch" => inner.get(call)?,
            (&Method::GET, _) => {
                if call.info.verb == "watch" {
                    return watch::start(self, call).map(Reply::Stream);
                }
                inner.list(call)?
            }
            (&Method::POST, false) if call.action == Some(Action::Evict) => {
                inner.evict(call, &wire::read_body(body).await?)?
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
        minor: Version,
        kind: &'static Kind,
        info: &'a RequestInfo,
        user: &'a User,
        parts: &'a Parts,
        now: Timestamp,
    ) -> Result<Self, Status> {
        let name = info.parts.get(1).map_or("", String::as_str);
        let of_namespace = kind.id == Id::Namespace;
        let in_namespace = !info.namespace.is_empty() && !of_namespace;
        let elsewhere = of_namespace && !info.namespace.is_empty() && name != info.namespace;
        if elsewhere || (in_namespace && !kind.namespaced) {
            return Err(Status::server_not_found());
        }
        let served = served::find(minor, kind.group, kind.version, kind.plural)
            .ok_or_else(Status::server_not_found)?;
        // Without a namespace, objects of a namespaced kind can only be read
        // together.
        let all_namespaces = kind.namespaced && info.namespace.is_empty();
        let (action, verbs) = match info.parts.get(2..).unwrap_or_default() {
            [] if all_namespaces && !name.is_empty() => return Err(Status::server_not_found()),
            [] if all_namespaces => (None, served.verbs_among(&["list", "watch"])),
            [] if name.is_empty() => (None, served.verbs_among(&COLLECTION_VERBS)),
            [] => (None, served.verbs_among(&OBJECT_VERBS)),
            _ if all_namespaces => return Err(Status::server_not_found()),
            // Behind `proxy` is a path of another server.
            [name, rest @ ..] if rest.is_empty() || name == "proxy" => {
                (Some(kind.action(name)), served.subresource_verbs(name))
            }
            _ => return Err(Status::server_not_found()),
        };
        // A path without any verb is no path.
        if verbs.is_empty() {
            return Err(Status::server_not_found());
        }
        // No route is for HEAD, which counts as a `get` until here.
        if !verbs.contains(&info.verb.as_str()) || parts.method == Method::HEAD {
            return Err(Status::generic_method_not_allowed());
        }
        if !info
            .parts
            .get(2)
            .is_some_and(|part| unstored::streams(part))
        {
            let route = match parts.method {
                Method::PATCH => patch::ROUTE,
                Method::GET if name.is_empty() => wire::Route::LIST,
                _ => wire::Route::PLAIN,
            };
            wire::route(&parts.headers, route)?;
        }
        Ok(Self {
            negotiated: wire::negotiate(&parts.headers, &parts.uri)?,
            warnings: Mutex::default(),
            minor,
            kind,
            action,
            namespace: if in_namespace { &info.namespace } else { "" },
            name,
            info,
            user,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            parts,
            now,
        })
    }

    /// What the call's bodies are.
    fn form(&self) -> Form {
        match self.action {
            Some(Action::Scale) => SCALE,
            Some(Action::Evict) => EVICTION,
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

    /// Tells the client whatever comes of the call.
    fn warn(&self, warnings: Vec<String>) {
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(warnings);
    }

    fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn respond(&self, answer: &Answer) -> Response {
        let Some(convert) = &self.negotiated.convert else {
            return self.negotiated.object(answer.code, &answer.body);
        };
        match table::convert(self, convert, &answer.body) {
            Ok(body) => {
                let plain = Negotiated {
                    convert: None,
                    ..self.negotiated.clone()
                };
                plain.object(answer.code, &body)
            }
            Err(status) => self.refuse(&status),
        }
    }

    /// A refusal is negotiated anew: it has no other form.
    fn refuse(&self, status: &Status) -> Response {
        wire::status_response(&self.parts.headers, &self.parts.uri, status)
    }
}

fn non_resource(minor: Version, info: &RequestInfo, parts: &Parts) -> Response {
    discovery::respond(minor, info.path.trim_end_matches('/'), parts)
        .or_else(|| openapi::respond(minor, &info.path, parts))
        .unwrap_or_else(wire::plain_not_found)
}

/// A group that is served and has no such version or resource refuses with a
/// `Status`; any other path is nobody's.
fn unknown_resource(minor: Version, info: &RequestInfo, parts: &Parts) -> Response {
    if served::group(minor, &info.api_group).is_some() {
        wire::status_response(&parts.headers, &parts.uri, &Status::server_not_found())
    } else {
        wire::plain_not_found()
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
    wire::json::object([
        ("kind", list_kind(kind).into()),
        ("apiVersion", kind.api_version().into()),
        ("metadata", metadata),
        ("items", items.into()),
    ])
}

#[cfg(test)]
mod tests;
