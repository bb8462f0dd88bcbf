//! What is behind the filters: the paths that are no resources, the reviews,
//! and the registry for all else.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, WARNING};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use kube_authn::User;
use serde_json::{Value, json};

use crate::ApiServer;
use crate::registry::discovery_paths;
use crate::request::{RequestInfo, query_pairs};
use crate::review::{Review, Reviewer};
use crate::wire::{
    Route, Status, json, negotiate, plain_not_found, plain_text, quote, read_body, route,
    status_response, warning,
};

/// The health checks there are; each is passed as soon as requests are
/// answered at all.
const CHECKS: [&str; 2] = ["ping", "poststarthook/rbac/bootstrap-roles"];

/// What `/` lists besides discovery and health.
const PATHS: [&str; 4] = ["/openapi/v2", "/openapi/v3", "/openapi/v3/", "/version"];

/// Answers a request that is authenticated and authorised.
pub async fn handle(
    server: &ApiServer,
    info: RequestInfo,
    user: User,
    parts: Parts,
    body: Body,
) -> Response {
    // Attributes come from a path with its slashes trimmed; routes do not.
    if info.path.starts_with("//") {
        return plain_not_found();
    }
    if let Some(kind) = Review::of(&info) {
        return review(server, kind, &info, &user, &parts, body).await;
    }
    if info.is_resource_request {
        return server.registry().handle(info, user, parts, body).await;
    }
    let path = info.path.clone();
    let first = path.trim_start_matches('/').split('/').next();
    match first.unwrap_or_default() {
        "api" | "apis" | "openapi" => server.registry().handle(info, user, parts, body).await,
        "version" if matches!(path.as_str(), "/version" | "/version/") => version(server, &parts),
        "version" => status_response(&parts.headers, &parts.uri, &Status::server_not_found()),
        name @ ("healthz" | "livez" | "readyz") => health(name, &path, &parts),
        "" => index(server),
        _ => plain_not_found(),
    }
}

async fn review(
    server: &ApiServer,
    kind: Review,
    info: &RequestInfo,
    user: &User,
    parts: &Parts,
    body: Body,
) -> Response {
    let mut warnings = Vec::new();
    let answered = async {
        if info.verb != "create" || !info.name.is_empty() {
            return Err(if info.name.is_empty() {
                Status::generic_method_not_allowed()
            } else {
                Status::server_not_found()
            });
        }
        route(&parts.headers, Route::PLAIN)?;
        let negotiated = negotiate(&parts.headers, &parts.uri)?;
        let body = read_body(body).await?;
        let reviewer = Reviewer {
            authenticators: server.authenticators(),
            authorizer: server.authorizer(),
            now: server.clock().now(),
            user,
            info,
        };
        let answer = reviewer.answer(kind, parts, &body, &mut warnings).await?;
        Ok(negotiated.object(StatusCode::CREATED, &answer))
    };
    let answered: Result<Response, Status> = answered.await;
    let mut response =
        answered.unwrap_or_else(|status| status_response(&parts.headers, &parts.uri, &status));
    for warning in warnings.iter().filter_map(|text| warning(text)) {
        response.headers_mut().append(WARNING, warning);
    }
    response
}

/// `GET /version`: the shape and the number of the release that is imitated,
/// with our name behind it.
fn version(server: &ApiServer, parts: &Parts) -> Response {
    if parts.method != Method::GET {
        let status = Status::generic_method_not_allowed();
        return status_response(&parts.headers, &parts.uri, &status);
    }
    if let Err(status) = route(&parts.headers, Route::JSON) {
        return status_response(&parts.headers, &parts.uri, &status);
    }
    let version = server.authorizer().version();
    let (major, minor) = version.minor().split_once('.').unwrap_or_default();
    // What a release can be emulated as goes back by one.
    let before = minor.parse::<u32>().unwrap_or_default().saturating_sub(1);
    raw_json(&json!({
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": before.to_string(),
        "gitVersion": format!("{}+rolecall", version.release()),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, go_arch()),
    }))
}

fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `/healthz`, `/livez`, `/readyz` and what is below them (apiserver,
/// `server/healthz`).
fn health(name: &str, path: &str, parts: &Parts) -> Response {
    let below = path.trim_start_matches('/').strip_prefix(name);
    match below.unwrap_or_default().strip_prefix('/') {
        None => {}
        Some(check) if CHECKS.contains(&check) => return plain_text(StatusCode::OK, "ok"),
        Some(_) => return plain_not_found(),
    }
    let query = parts.uri.query().unwrap_or_default();
    if !query_pairs(query).any(|(key, _)| key == "verbose") {
        return plain_text(StatusCode::OK, "ok");
    }
    let excluded: Vec<String> = query_pairs(query)
        .filter(|(key, _)| key == "exclude")
        .map(|(_, value)| value)
        .collect();
    let mut text = String::new();
    for check in CHECKS {
        let how = if excluded.iter().any(|e| e == check) {
            " excluded: ok"
        } else {
            " ok"
        };
        text.push_str(&format!("[+]{check}{how}\n"));
    }
    let unknown: Vec<String> = excluded
        .iter()
        .filter(|e| !CHECKS.contains(&e.as_str()))
        .map(|e| quote(e))
        .collect();
    if !unknown.is_empty() {
        text.push_str(&format!(
            "warn: some health checks cannot be excluded: no matches for {}\n",
            unknown.join(",")
        ));
    }
    text.push_str(&format!("{name} check passed\n"));
    plain_text(StatusCode::OK, text)
}

/// The list of paths.
fn index(server: &ApiServer) -> Response {
    let mut paths = discovery_paths(server.authorizer().version());
    paths.extend(PATHS.map(str::to_owned));
    for name in ["healthz", "livez", "readyz"] {
        paths.push(format!("/{name}"));
        paths.extend(CHECKS.map(|check| format!("/{name}/{check}")));
    }
    paths.sort_unstable();
    raw_json(&json!({ "paths": paths }))
}

fn raw_json(value: &Value) -> Response {
    let mut response = Response::new(Body::from(json::pretty(value)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
