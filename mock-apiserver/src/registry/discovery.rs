//! Discovery: which groups, versions and resources there are, in the old form
//! (one document a group version) and the aggregated one (apiserver,
//! `pkg/endpoints/discovery`). All that Kubernetes serves by itself is there,
//! stored here or not: what is allowed is asked of everything.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use kube_rbac::Version;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use super::kind::group_version;
use super::release::PerMinor;
use super::served::{self, Group, Resource, Subresource};
use crate::wire::{self, Media, Route, Status};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers a discovery path (without a slash at its end) as `minor` does.
pub fn respond(minor: Version, path: &str, parts: &Parts) -> Option<Response> {
    let parts_of_path: Vec<&str> = path.split('/').skip(1).collect();
    match parts_of_path.as_slice() {
        ["api"] => Some(reading(parts, || {
            negotiated(parts, || api_versions(parts), aggregated_core(minor))
        })),
        // The aggregator answers the next two, whatever the method.
        // Behind a slash it has one form.
        ["apis"] if parts.uri.path().ends_with('/') => Some(plain(parts, &group_list(minor))),
        ["apis"] => {
            let list = || group_list(minor);
            Some(negotiated(parts, list, aggregated_groups(minor)))
        }
        ["apis", name] => {
            let group = named(minor, name)?;
            Some(plain(parts, &group_document(group, true)))
        }
        ["api", version] => {
            let core = served::group(minor, "")?;
            Some(version_document(core, version, parts))
        }
        ["apis", name, version] => {
            let group = named(minor, name)?;
            Some(version_document(group, version, parts))
        }
        _ => None,
    }
}

/// The paths of all these documents.
pub fn paths(minor: Version) -> Vec<String> {
    let mut paths = vec!["/api".to_owned(), "/apis".to_owned(), "/apis/".to_owned()];
    for group in served::groups(minor) {
        let base = match group.name() {
            "" => "/api".to_owned(),
            name => format!("/apis/{name}"),
        };
        let versions = group.versions.iter();
        paths.extend(versions.map(|v| format!("{base}/{}", v.version)));
        if !group.name().is_empty() {
            paths.push(base);
        }
    }
    paths
}

/// Upper-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02X}");
        out
    })
}

/// A group that is not the core group, which has no name in a path.
fn named(minor: Version, name: &str) -> Option<&'static Group> {
    Some(name)
        .filter(|name| !name.is_empty())
        .and_then(|name| served::group(minor, name))
}

fn version_document(group: &Group, version: &str, parts: &Parts) -> Response {
    match group.version(version) {
        Some(version) => reading(parts, || {
            plain(
                parts,
                &resource_list(group.name(), &version.version, &version.resources),
            )
        }),
        None => refused(parts, &Status::server_not_found()),
    }
}

/// The answer to GET; other methods are refused.
fn reading(parts: &Parts, respond: impl FnOnce() -> Response) -> Response {
    if parts.method != Method::GET {
        return refused(parts, &Status::generic_method_not_allowed());
    }
    match wire::route(&parts.headers, Route::PLAIN) {
        Ok(()) => respond(),
        Err(status) => refused(parts, &status),
    }
}

fn refused(parts: &Parts, status: &Status) -> Response {
    wire::status_response(&parts.headers, &parts.uri, status)
}

fn plain(parts: &Parts, document: &Value) -> Response {
    match wire::negotiate_with(&parts.headers, &parts.uri, |convert, _| convert.is_none()) {
        Ok(negotiated) => negotiated.object(StatusCode::OK, document),
        Err(status) => refused(parts, &status),
    }
}

/// `/api` and `/apis` come in both forms; the client's `Accept` decides.
fn negotiated(
    parts: &Parts,
    document: impl FnOnce() -> Value,
    aggregated: &'static Aggregated,
) -> Response {
    let agreed = wire::negotiate_with(&parts.headers, &parts.uri, |convert, media| {
        convert.is_none_or(|c| {
            media == Media::Json
                && c.group == "apidiscovery.k8s.io"
                && c.version == "v2"
                && c.kind == "APIGroupDiscoveryList"
        })
    });
    match agreed {
        Ok(agreed) if agreed.convert.is_some() => aggregated.respond(&parts.headers),
        Ok(agreed) => agreed.object(StatusCode::OK, &document()),
        Err(status) => refused(parts, &status),
    }
}

/// An `APIGroupDiscoveryList`, spelt once.
struct Aggregated {
    body: Vec<u8>,
    etag: HeaderValue,
}

fn aggregated_core(minor: Version) -> &'static Aggregated {
    static CORE: PerMinor<Aggregated> = PerMinor::new();
    CORE.get(minor, || {
        Aggregated::new(minor, |group| group.name().is_empty())
    })
}

fn aggregated_groups(minor: Version) -> &'static Aggregated {
    static GROUPS: PerMinor<Aggregated> = PerMinor::new();
    GROUPS.get(minor, || {
        Aggregated::new(minor, |group| !group.name().is_empty())
    })
}

impl Aggregated {
    fn new(minor: Version, wanted: impl Fn(&Group) -> bool) -> Self {
        let groups: Vec<&Group> = served::groups(minor).iter().filter(|g| wanted(g)).collect();
        let items = serde_json::to_string(&groups).unwrap_or_default();
        let rest = format!(r#""metadata":{{}},"items":{items}}}"#);
        // The tag is of the document without its type (`calculateETag`).
        let etag = format!("\"{}\"", hex(&Sha512::digest(format!("{{{rest}"))));
        let body = format!(
            "{{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\",{rest}\n"
        );
        Self {
            body: body.into_bytes(),
            etag: HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("")),
        }
    }

    /// The document, or that the client has it already
    /// (`aggregated.ServeHTTPWithETag`).
    fn respond(&'static self, headers: &HeaderMap) -> Response {
        let known = headers.get(IF_NONE_MATCH) == Some(&self.etag);
        let mut response = if known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut response = Response::new(Body::from(self.body.as_slice()));
            let media = HeaderValue::from_static(AGGREGATED);
            response.headers_mut().insert(CONTENT_TYPE, media);
            let sent = wire::ObjectSent { status: None };
            response.extensions_mut().insert(sent);
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        response
    }
}

/// `APIVersions`. The server's address is the one that the client has.
fn api_versions(parts: &Parts) -> Value {
    let header = parts.headers.get(HOST).and_then(|v| v.to_str().ok());
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let host = authority.or(header).unwrap_or_default();
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
    })
}

fn group_list(minor: Version) -> Value {
    let groups: Vec<Value> = served::groups(minor)
        .iter()
        .filter(|group| !group.name().is_empty())
        .map(|group| group_document(group, false))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group_document(group: &Group, alone: bool) -> Value {
    let mut out = Map::new();
    if alone {
        out.insert("kind".to_owned(), "APIGroup".into());
        out.insert("apiVersion".to_owned(), "v1".into());
    }
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|v| json!({"groupVersion": group_version(group.name(), &v.version), "version": v.version}))
        .collect();
    let preferred = versions.first().cloned().unwrap_or_default();
    out.insert("name".to_owned(), group.name().into());
    out.insert("versions".to_owned(), versions.into());
    out.insert("preferredVersion".to_owned(), preferred);
    Value::Object(out)
}

/// `APIResourceList`.
fn resource_list(group: &str, version: &str, resources: &[Resource]) -> Value {
    let mut list = Vec::new();
    for resource in resources {
        list.push(resource_entry(resource));
        let subresources = resource.subresources.iter();
        list.extend(subresources.map(|s| subresource_entry(resource, s)));
    }
    let mut out = Map::new();
    out.insert("kind".to_owned(), "APIResourceList".into());
    if !group.is_empty() {
        out.insert("apiVersion".to_owned(), "v1".into());
    }
    out.insert(
        "groupVersion".to_owned(),
        group_version(group, version).into(),
    );
    out.insert("resources".to_owned(), list.into());
    Value::Object(out)
}

fn resource_entry(resource: &Resource) -> Value {
    let mut out = json!({
        "name": resource.resource,
        "singularName": resource.singular_resource,
        "namespaced": resource.namespaced(),
        "kind": resource.response_kind.kind,
        "verbs": resource.verbs,
    });
    for (key, names) in [
        ("shortNames", &resource.short_names),
        ("categories", &resource.categories),
    ] {
        if !names.is_empty() {
            out[key] = json!(names);
        }
    }
    if !resource.storage_version_hash.is_empty() {
        out["storageVersionHash"] = json!(resource.storage_version_hash);
    }
    out
}

fn subresource_entry(resource: &Resource, subresource: &Subresource) -> Value {
    let kind = &subresource.response_kind;
    let mut out = json!({
        "name": format!("{}/{}", resource.resource, subresource.subresource),
        "singularName": "",
        "namespaced": resource.namespaced(),
    });
    if !kind.group.is_empty() {
        out["group"] = json!(kind.group);
    }
    if !kind.version.is_empty() {
        out["version"] = json!(kind.version);
    }
    out["kind"] = json!(kind.kind);
    out["verbs"] = json!(subresource.verbs);
    out
}
