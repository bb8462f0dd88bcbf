//! Discovery: which groups, versions and resources there are, in the old form
//! (one document a group version) and the aggregated one (apiserver,
//! `pkg/endpoints/discovery`).

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use super::kind::{Action, KINDS, Kind, group_version};
use crate::wire::{self, Media};

/// Discovery of everything that Kubernetes serves by itself in stable versions,
/// stored here or not, in the aggregated form (apidiscovery.k8s.io/v2).
pub fn resources_of_kubernetes() -> Value {
    serde_json::from_str(include_str!("../../data/v1.37/resources.json"))
        .expect("the embedded discovery is JSON")
}

/// A review API: something that can be created and is not kept.
struct Review {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
}

const REVIEWS: [Review; 6] = [
    Review {
        group: "authentication.k8s.io",
        kind: "SelfSubjectReview",
        plural: "selfsubjectreviews",
        namespaced: false,
    },
    Review {
        group: "authentication.k8s.io",
        kind: "TokenReview",
        plural: "tokenreviews",
        namespaced: false,
    },
    Review {
        group: "authorization.k8s.io",
        kind: "LocalSubjectAccessReview",
        plural: "localsubjectaccessreviews",
        namespaced: true,
    },
    Review {
        group: "authorization.k8s.io",
        kind: "SelfSubjectAccessReview",
        plural: "selfsubjectaccessreviews",
        namespaced: false,
    },
    Review {
        group: "authorization.k8s.io",
        kind: "SelfSubjectRulesReview",
        plural: "selfsubjectrulesreviews",
        namespaced: false,
    },
    Review {
        group: "authorization.k8s.io",
        kind: "SubjectAccessReview",
        plural: "subjectaccessreviews",
        namespaced: false,
    },
];

/// The groups besides core, in the order of `/apis`. Each has one version.
const GROUPS: [&str; 4] = [
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "rbac.authorization.k8s.io",
];
const VERSION: &str = "v1";

/// Whether anything is served under this group and version.
pub fn has_version(group: &str, version: &str) -> bool {
    version == VERSION && (group.is_empty() || GROUPS.contains(&group))
}

/// Answers a discovery path (without a slash at its end).
pub fn respond(path: &str, parts: &Parts) -> Option<Response> {
    let parts_of_path: Vec<&str> = path.split('/').skip(1).collect();
    let document = match parts_of_path.as_slice() {
        ["api"] => {
            return Some(negotiated(parts, &api_versions(), &[""]));
        }
        ["apis"] => return Some(negotiated(parts, &groups(), &GROUPS)),
        ["api", VERSION] => resources(""),
        ["apis", group] if GROUPS.contains(group) => group_document(group, true),
        ["apis", group, VERSION] if GROUPS.contains(group) => resources(group),
        _ => return None,
    };
    Some(plain(parts, &document))
}

/// Upper-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02X}");
        out
    })
}

fn plain(parts: &Parts, document: &Value) -> Response {
    match wire::negotiate_with(&parts.headers, &parts.uri, |convert, _| convert.is_none()) {
        Ok(negotiated) => negotiated.object(StatusCode::OK, document),
        Err(status) => wire::status_response(&parts.headers, &parts.uri, &status),
    }
}

/// `/api` and `/apis` come in both forms; the client's `Accept` decides.
fn negotiated(parts: &Parts, document: &Value, groups: &[&str]) -> Response {
    let agreed = wire::negotiate_with(&parts.headers, &parts.uri, |convert, media| {
        convert.is_none_or(|c| {
            media == Media::Json
                && c.group == "apidiscovery.k8s.io"
                && c.version == "v2"
                && c.kind == "APIGroupDiscoveryList"
        })
    });
    let mut response = match agreed {
        Ok(agreed) if agreed.convert.is_some() => aggregated(parts, groups),
        Ok(agreed) => agreed.object(StatusCode::OK, document),
        Err(status) => wire::status_response(&parts.headers, &parts.uri, &status),
    };
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Accept"));
    response
}

fn aggregated(parts: &Parts, groups: &[&str]) -> Response {
    let items: Vec<Value> = groups.iter().map(|group| aggregated_group(group)).collect();
    let document = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    });
    let body = wire::json::compact(&document);
    let etag = format!("\"{}\"", hex(&Sha512::digest(&body)));
    let known = parts
        .headers
        .get(IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        == Some(etag.as_str());
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(body))
    };
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        ),
    );
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    response
}

fn api_versions() -> Value {
    json!({
        "kind": "APIVersions",
        "versions": [VERSION],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
    })
}

fn groups() -> Value {
    let groups: Vec<Value> = GROUPS
        .iter()
        .map(|group| group_document(group, false))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group_document(group: &str, alone: bool) -> Value {
    let mut out = Map::new();
    if alone {
        out.insert("kind".to_owned(), "APIGroup".into());
        out.insert("apiVersion".to_owned(), "v1".into());
    }
    let version = json!({"groupVersion": group_version(group, VERSION), "version": VERSION});
    out.insert("name".to_owned(), group.into());
    out.insert("versions".to_owned(), json!([version]));
    out.insert("preferredVersion".to_owned(), version);
    Value::Object(out)
}

fn kinds(group: &str) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(move |k| k.group == group)
}

fn reviews(group: &str) -> impl Iterator<Item = &'static Review> {
    REVIEWS.iter().filter(move |r| r.group == group)
}

/// The kind that a subresource speaks, with its group and version where they
/// are not the resource's.
fn subresource_kind(kind: &Kind, action: Action) -> (&'static str, &'static str, &'static str) {
    match action {
        Action::Scale => ("autoscaling", "v1", "Scale"),
        Action::Status | Action::Finalize => ("", "", kind.kind),
    }
}

fn resources(group: &str) -> Value {
    let mut list = Vec::new();
    for kind in kinds(group) {
        let mut out = json!({
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": kind.verbs,
        });
        for (key, names) in [
            ("shortNames", kind.short_names),
            ("categories", kind.categories),
        ] {
            if !names.is_empty() {
                out[key] = json!(names);
            }
        }
        out["storageVersionHash"] = kind.storage_version_hash.into();
        list.push(out);
        for subresource in kind.subresources {
            let (group, version, name) = subresource_kind(kind, subresource.action);
            let mut out = json!({
                "name": format!("{}/{}", kind.plural, subresource.name),
                "singularName": "",
                "namespaced": kind.namespaced,
            });
            if !group.is_empty() {
                out["group"] = group.into();
                out["version"] = version.into();
            }
            out["kind"] = name.into();
            out["verbs"] = json!(subresource.verbs);
            list.push(out);
        }
    }
    list.extend(reviews(group).map(|review| {
        json!({
            "name": review.plural,
            "singularName": review.kind.to_lowercase(),
            "namespaced": review.namespaced,
            "kind": review.kind,
            "verbs": ["create"],
        })
    }));
    let mut out = Map::new();
    out.insert("kind".to_owned(), "APIResourceList".into());
    if !group.is_empty() {
        out.insert("apiVersion".to_owned(), "v1".into());
    }
    out.insert(
        "groupVersion".to_owned(),
        group_version(group, VERSION).into(),
    );
    out.insert("resources".to_owned(), list.into());
    Value::Object(out)
}

fn aggregated_group(group: &str) -> Value {
    let scope = |namespaced: bool| if namespaced { "Namespaced" } else { "Cluster" };
    let mut resources = Vec::new();
    for kind in kinds(group) {
        let mut out = json!({
            "resource": kind.plural,
            "responseKind": {"group": "", "version": "", "kind": kind.kind},
            "scope": scope(kind.namespaced),
            "singularResource": kind.singular,
            "verbs": kind.verbs,
        });
        for (key, names) in [
            ("shortNames", kind.short_names),
            ("categories", kind.categories),
        ] {
            if !names.is_empty() {
                out[key] = json!(names);
            }
        }
        if !kind.subresources.is_empty() {
            let subresources: Vec<Value> = kind
                .subresources
                .iter()
                .map(|subresource| {
                    let (group, version, name) = subresource_kind(kind, subresource.action);
                    json!({
                        "subresource": subresource.name,
                        "responseKind": {"group": group, "version": version, "kind": name},
                        "verbs": subresource.verbs,
                    })
                })
                .collect();
            out["subresources"] = subresources.into();
        }
        resources.push(out);
    }
    resources.extend(reviews(group).map(|review| {
        json!({
            "resource": review.plural,
            "responseKind": {"group": "", "version": "", "kind": review.kind},
            "scope": scope(review.namespaced),
            "singularResource": review.kind.to_lowercase(),
            "verbs": ["create"],
        })
    }));
    let metadata = if group.is_empty() {
        json!({})
    } else {
        json!({"name": group})
    };
    json!({
        "metadata": metadata,
        "versions": [{"version": VERSION, "resources": resources, "freshness": "Current"}],
    })
}
