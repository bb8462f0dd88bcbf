//! The filters every request goes through, outermost first (apiserver,
//! `server/config.go: DefaultBuildHandlerChain`): audit id, request
//! attributes, authentication, audit, impersonation, authorization, handler.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use foundation::clock::Clock;
use foundation::listen::Peer;
use futures_util::FutureExt;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, WARNING,
};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use kube_authn::User;
use serde_json::json;

use crate::audit::{self, AuditSink, Stage};
use crate::authn::Authenticated;
use crate::authz::{escape_html, forbidden};
use crate::impersonation::describe;
use crate::request::{RequestInfo, query_pairs};
use crate::wire::{
    ObjectSent, Status, no_sniff, plain_text, quote, read_object, status_response, warning,
};
use crate::{ApiServer, handler};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Answers one request.
pub async fn handle(server: ApiServer, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let id = match parts.headers.get(AUDIT_ID).filter(|id| !id.is_empty()) {
        Some(id) => id.clone(),
        None => new_audit_id(),
    };
    let head = parts.method == Method::HEAD;
    let mut response = match RequestInfo::new(&parts.method, &parts.uri) {
        Ok(info) => {
            let context = start_audit(&server, &id, &info, &parts);
            parts.extensions.insert(context.clone());
            with_authentication(&server, context, info, parts, body).await
        }
        Err(error) => internal_error(
            &parts.uri,
            &format!("failed to create RequestInfo: {error}"),
        ),
    };
    let headers = response.headers_mut();
    headers.insert(AUDIT_ID, id);
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache, private"));
    if head {
        without_body(response)
    } else {
        response
    }
}

async fn with_authentication(
    server: &ApiServer,
    context: audit::Context,
    info: RequestInfo,
    mut parts: Parts,
    body: Body,
) -> Response {
    let peer = parts.extensions.get::<Peer>().cloned();
    let found = server
        .authenticators()
        .request(&info.path, &mut parts.headers, peer.as_ref())
        .await;
    match found {
        Ok(Authenticated {
            user,
            warning: told,
        }) => {
            context.begin(Some(&user), server.recording(Some(&user), &info));
            let mut response = with_audit(server, context, info, user, parts, body).await;
            if let Some(told) = told.and_then(warning) {
                response.headers_mut().append(WARNING, told);
            }
            response
        }
        Err(error) => {
            tracing::warn!(err = %error, "Unable to authenticate the request");
            context.begin(None, server.recording(None, &info));
            let status = Status::unauthorized();
            let response = status_response(&parts.headers, &parts.uri, &status);
            let told = if response.extensions().get::<ObjectSent>().is_some() {
                answered(&context, response).await
            } else {
                context.answered(
                    status.code,
                    Some(json!({"metadata": {}, "message": tried(&parts)})),
                );
                response
            };
            context.emit(server.audit(), Stage::ResponseStarted, server.clock().now());
            told
        }
    }
}

/// How somebody tried to authenticate, which the audit event tells where the
/// refusal was not put into an object (`filters.getAuthMethods`).
fn tried(parts: &Parts) -> String {
    let authorization = parts.headers.get(AUTHORIZATION);
    let authorization = authorization.and_then(|v| v.to_str().ok());
    let scheme = authorization.unwrap_or_default().trim().split_once(' ');
    let is = |name: &str| scheme.is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(name));
    let mut query = query_pairs(parts.uri.query().unwrap_or_default());
    let token = query.any(|(key, value)| key == "access_token" && !value.trim().is_empty());
    let peer = parts.extensions.get::<Peer>();
    let certificate = peer.is_some_and(|peer| !peer.certificates.is_empty());
    let methods: Vec<&str> = [
        (is("basic"), "basic"),
        (is("bearer"), "bearer"),
        (token, "access_token"),
        (certificate, "x509"),
    ]
    .into_iter()
    .filter_map(|(tried, name)| tried.then_some(name))
    .collect();
    if methods.is_empty() {
        "Authentication failed, no credentials provided".to_owned()
    } else {
        format!("Authentication failed, attempted: {}", methods.join(", "))
    }
}

async fn with_audit(
    server: &ApiServer,
    context: audit::Context,
    info: RequestInfo,
    user: User,
    parts: Parts,
    body: Body,
) -> Response {
    let emit = |stage| context.emit(server.audit(), stage, server.clock().now());
    emit(Stage::RequestReceived);
    let long_running = info.is_long_running();
    let answer = with_impersonation(server, &context, info, user, parts, body);
    let response = match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let told = Status::panicked(panic_text(panic.as_ref()));
            context.answered(told.code, Some(told.to_value()));
            emit(Stage::Panic);
            let message = "This request caused apiserver to panic. Look in the logs for details.";
            return plain_text(StatusCode::INTERNAL_SERVER_ERROR, format!("{message}\n"));
        }
    };
    let response = answered(&context, response).await;
    if !long_running {
        emit(Stage::ResponseComplete);
        return response;
    }
    emit(Stage::ResponseStarted);
    let sink = server.audit().clone();
    let clock = server.clock().clone();
    response.map(|inner| {
        Body::new(Audited {
            inner,
            end: Some(End {
                context,
                sink,
                clock,
            }),
        })
    })
}

/// Tells the event what is answered: its code, a `Status`, and where the policy
/// wants it the object, which is read back from the body.
async fn answered(context: &audit::Context, response: Response) -> Response {
    let sent = response.extensions().get::<ObjectSent>().cloned();
    let status = sent.as_ref().and_then(|sent| sent.status.clone());
    context.answered(response.status().as_u16(), status);
    if sent.is_none() || !context.wants_response() {
        return response;
    }
    let (parts, body) = response.into_parts();
    // The bodies of objects are in memory and whole.
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let media = parts.headers.get(CONTENT_TYPE);
    let media = media.and_then(|v| v.to_str().ok());
    // A `Status` is known, and need not be read.
    let object = sent.and_then(|sent| sent.status);
    if let Some(object) = object.or_else(|| read_object(media, &bytes)) {
        context.response(object);
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or_default()
}

async fn with_impersonation(
    server: &ApiServer,
    context: &audit::Context,
    info: RequestInfo,
    user: User,
    mut parts: Parts,
    body: Body,
) -> Response {
    let checked = server
        .impersonation()
        .check(&mut parts.headers, &user, &info);
    let user = match checked {
        Ok(None) => user,
        Ok(Some(other)) => {
            tracing::debug!(
                "{} is impersonating {}",
                describe(&user),
                describe(&other.user)
            );
            context.impersonated(&other.user, &other.constraint);
            other.user
        }
        Err(status) => return refusal(&parts.headers, &parts.uri, &status),
    };
    with_authorization(server, context, info, user, parts, body).await
}

async fn with_authorization(
    server: &ApiServer,
    context: &audit::Context,
    info: RequestInfo,
    user: User,
    parts: Parts,
    body: Body,
) -> Response {
    let decision = server.authorizer().authorize(&user, &info.authz());
    let word = if decision.allowed { "allow" } else { "forbid" };
    context.annotate("authorization.k8s.io/decision", word);
    context.annotate("authorization.k8s.io/reason", &decision.reason);
    if decision.allowed {
        return handler::handle(server, info, user, parts, body).await;
    }
    let status = forbidden(&user, &info.authz(), &decision.reason);
    refusal(&parts.headers, &parts.uri, &status)
}

fn start_audit(
    server: &ApiServer,
    id: &HeaderValue,
    info: &RequestInfo,
    parts: &Parts,
) -> audit::Context {
    let remote: Option<IpAddr> = parts.extensions.get::<Peer>().map(|peer| peer.addr.ip());
    audit::Context::new(
        String::from_utf8_lossy(id.as_bytes()).into_owned(),
        server.clock().now(),
        info,
        &parts.uri,
        &parts.headers,
        remote,
    )
}

fn new_audit_id() -> HeaderValue {
    // The operating system is asked for a seed, and not for each request.
    let id = uuid::Builder::from_random_bytes(rand::random())
        .into_uuid()
        .to_string();
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unknown"))
}

/// A refusal of the filters themselves (`responsewriters.RespondWithError`).
fn refusal(headers: &HeaderMap, uri: &Uri, status: &Status) -> Response {
    let mut response = status_response(headers, uri, status);
    no_sniff(&mut response);
    response
}

/// `responsewriters.InternalError`: plain text, which could be no HTML.
fn internal_error(uri: &Uri, error: &str) -> Response {
    let uri = uri
        .path_and_query()
        .map_or_else(|| uri.path().to_owned(), ToString::to_string);
    let text = format!("Internal Server Error: {}: {error}", quote(&uri));
    plain_text(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("{}\n", escape_html(&text)),
    )
}

/// The answer to HEAD: that to GET without its body.
fn without_body(response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let mut response = response.map(|_| Body::empty());
    if let Some(length) = length {
        response
            .headers_mut()
            .entry(CONTENT_LENGTH)
            .or_insert(HeaderValue::from(length));
    }
    response
}

/// A body whose end, however it comes, is the end of its request.
struct Audited {
    inner: Body,
    end: Option<End>,
}

struct End {
    context: audit::Context,
    sink: AuditSink,
    clock: Clock,
}

impl HttpBody for Audited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end.context
                .emit(&end.sink, Stage::ResponseComplete, end.clock.now());
        }
    }
}
