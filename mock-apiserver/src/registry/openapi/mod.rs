//! `/openapi/v3`: the published schemas of the groups that are served, as
//! they ship with Kubernetes; and `/openapi/v2`, which is made of them.

mod gnostic;
mod v2;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};
use std::sync::OnceLock;

use crate::wire::Negotiated;

/// One group version's document.
pub struct Document {
    /// The path below `/openapi/v3/`.
    pub path: &'static str,
    /// The document.
    pub json: &'static str,
}

/// The documents that are served.
pub const DOCUMENTS: [Document; 5] = [
    Document {
        path: "api/v1",
        json: include_str!("../../../data/v1.37/openapi-api-v1.json"),
    },
    Document {
        path: "apis/apps/v1",
        json: include_str!("../../../data/v1.37/openapi-apps-v1.json"),
    },
    Document {
        path: "apis/authentication.k8s.io/v1",
        json: include_str!("../../../data/v1.37/openapi-authentication-v1.json"),
    },
    Document {
        path: "apis/authorization.k8s.io/v1",
        json: include_str!("../../../data/v1.37/openapi-authorization-v1.json"),
    },
    Document {
        path: "apis/rbac.authorization.k8s.io/v1",
        json: include_str!("../../../data/v1.37/openapi-rbac-v1.json"),
    },
];

/// `body`, or that the client has it already. It lives as long as the program:
/// nothing is copied.
fn tagged(parts: &Parts, hash: &str, media: &'static str, body: &'static [u8]) -> Response {
    let etag = format!("\"{hash}\"");
    let known = parts
        .headers
        .get(IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.split(',').any(|tag| tag.trim() == etag));
    let mut response = if known {
        with_code(StatusCode::NOT_MODIFIED)
    } else {
        Response::new(Body::from(body))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    response
}

fn with_code(code: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

fn sha512(bytes: impl AsRef<[u8]>) -> String {
    super::discovery::hex(&Sha512::digest(bytes))
}

/// Upper-case hexadecimal SHA-512, by which clients cache a document.
fn hash(document: &Document) -> String {
    static HASHES: OnceLock<Vec<String>> = OnceLock::new();
    let hashes = HASHES.get_or_init(|| DOCUMENTS.iter().map(|d| sha512(d.json)).collect());
    DOCUMENTS
        .iter()
        .position(|d| d.path == document.path)
        .and_then(|at| hashes.get(at).cloned())
        .unwrap_or_default()
}

/// Answers a path below `/openapi`.
pub fn respond(path: &str, parts: &Parts) -> Option<Response> {
    if path == "/openapi/v2" {
        return Some(v2::respond(parts));
    }
    let below = path.strip_prefix("/openapi/v3")?;
    if below.is_empty() {
        return Some(Negotiated::json().object(StatusCode::OK, &index()));
    }
    let document = DOCUMENTS
        .iter()
        .find(|d| below.strip_prefix('/') == Some(d.path))?;
    Some(serve(document, parts))
}

fn index() -> Value {
    let paths: Map<String, Value> = DOCUMENTS
        .iter()
        .map(|d| {
            let url = format!("/openapi/v3/{}?hash={}", d.path, hash(d));
            (d.path.to_owned(), json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({ "paths": paths })
}

fn serve(document: &Document, parts: &Parts) -> Response {
    let body = document.json.as_bytes();
    let mut response = tagged(parts, &hash(document), "application/json", body);
    let headers = response.headers_mut();
    // A document that was asked for by its hash will never be another one.
    let pinned = parts.uri.query().is_some_and(|q| q.contains("hash="));
    if pinned {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
    }
    response
}
