//! `/openapi/v3`: the published schemas of all groups, as they ship with
//! Kubernetes (kube-openapi, `pkg/handler3`); and `/openapi/v2`, which is made
//! of them.

mod documents;
mod gnostic;
mod v2;

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, VARY};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use kube_rbac::Version;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use crate::request::query_pairs;
use crate::wire;
use documents::{Document, Documents};

const JSON: &str = "application/json";

/// `body`, or that the client has it already.
fn tagged(parts: &Parts, hash: &str, media: &'static str, body: impl FnOnce() -> Body) -> Response {
    let etag = format!("\"{hash}\"");
    let known = parts
        .headers
        .get(IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.split(',').any(|tag| tag.trim() == etag));
    let mut response = if known {
        with_code(StatusCode::NOT_MODIFIED)
    } else {
        Response::new(body())
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

/// Answers a path below `/openapi` as `minor` does, whatever the method.
pub fn respond(minor: Version, path: &str, parts: &Parts) -> Option<Response> {
    if path == "/openapi/v2" {
        return Some(v2::respond(minor, parts));
    }
    let below = path.strip_prefix("/openapi/v3")?;
    let documents = Documents::of(minor);
    if below.is_empty() {
        return Some(index(documents));
    }
    let path = below.strip_prefix('/')?;
    Some(match documents.find(path) {
        Some(document) => serve(documents, path, document, parts),
        None => with_code(StatusCode::NOT_FOUND),
    })
}

fn index(documents: &Documents) -> Response {
    let paths: Map<String, Value> = documents
        .all()
        .map(|(path, _)| {
            let url = url(documents, path);
            (path.to_owned(), json!({"serverRelativeURL": url}))
        })
        .collect();
    let body = wire::json::bare(&json!({ "paths": paths }));
    let mut response = Response::new(Body::from(body));
    // Go guesses it.
    let media = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

fn url(documents: &Documents, path: &str) -> String {
    format!("/openapi/v3/{path}?hash={}", documents.hash())
}

fn serve(documents: &Documents, path: &str, document: &Document<'_>, parts: &Parts) -> Response {
    let accept = parts.headers.get(ACCEPT).and_then(|v| v.to_str().ok());
    let asked = query_pairs(parts.uri.query().unwrap_or_default())
        .find(|(key, _)| key == "hash")
        .map(|(_, hash)| hash)
        .filter(|hash| !hash.is_empty());
    let hash = documents.hash();
    let mut response = if wire::first_accepted(accept, &[JSON]).is_none() {
        with_code(StatusCode::NOT_ACCEPTABLE)
    } else if asked.as_deref().is_some_and(|asked| asked != hash) {
        elsewhere(&url(documents, path))
    } else {
        tagged(parts, hash, JSON, || Body::from(documents.text(document)))
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    // A document that was asked for by its hash will never be another one.
    if asked.as_deref() == Some(hash) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
    }
    response
}

fn elsewhere(url: &str) -> Response {
    let mut response = with_code(StatusCode::MOVED_PERMANENTLY);
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(LOCATION, url);
    }
    response
}
