//! The filters every request goes through, outermost first (apiserver,
//! `server/config.go: DefaultBuildHandlerChain`): audit id, request
//! attributes, authentication, audit, impersonation, authorization, handler.

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
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue, WARNING};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use kube_authn::User;

use crate::audit::{self, AuditSink, Stage};
use crate::authn::Authenticated;
use crate::authz::{escape_html, forbidden};
use crate::impersonation::describe;
use crate::request::RequestInfo;
use crate::wire::{Status, no_sniff, plain_text, quote, status_response, warning};
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
            context.user(&user);
            let mut response = with_audit(server, context, info, user, parts, body).await;
            if let Some(told) = told.and_then(warning) {
                response.headers_mut().append(WARNING, told);
            }
            response
        }
        Err(error) => {
            tracing::warn!(err = %error, "Unable to authenticate the request");
            let status = Status::unauthorized();
            let response = status_response(&parts.headers, &parts.uri, &status);
            context.answered(status.code, Some(&status));
            context.emit(server.audit(), Stage::ResponseStarted, server.clock().now());
            response
        }
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
    let long_running = info.is_long_running();
    let answer = with_impersonation(server, &context, info, user, parts, body);
    let Ok(response) = AssertUnwindSafe(answer).catch_unwind().await else {
        let message = "This request caused apiserver to panic. Look in the logs for details.";
        context.answered(500, None);
        context.emit(server.audit(), Stage::Panic, server.clock().now());
        return plain_text(StatusCode::INTERNAL_SERVER_ERROR, format!("{message}\n"));
    };
    let status = response.extensions().get::<Status>();
    context.answered(response.status().as_u16(), status);
    if !long_running {
        context.emit(
            server.audit(),
            Stage::ResponseComplete,
            server.clock().now(),
        );
        return response;
    }
    context.emit(server.audit(), Stage::ResponseStarted, server.clock().now());
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
    let id = uuid::Uuid::new_v4().to_string();
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
