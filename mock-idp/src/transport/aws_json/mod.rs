//! The API of Cognito user pools, AWS JSON 1.1: `POST /` with an
//! `X-Amz-Target`.
//!
//! This folder knows the wire and decides nothing: a request is held against
//! [`model`], read by [`wire`], handed to a flow by [`handlers`]; a refusal is
//! rendered by [`error`]. AWS credentials are asked for where AWS asks for
//! them, but any will do: their scope tells the region, their signature is
//! not checked.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW,
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use uuid::Uuid;

use crate::address::Host;
use crate::flow::Idp;
use error::Exception;
use handlers::{Call, Reply};
use model::Operation;

mod error;
mod handlers;
mod model;
mod paging;
mod wire;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const TARGET_PREFIX: &str = "AWSCognitoIdentityProviderService.";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// The longest body read. The longest that the model allows outside of
/// branding, which is not implemented, is a tenth of it.
const BODY_LIMIT: usize = 1024 * 1024;

/// The one route of the API.
pub(crate) fn router(idp: Idp) -> Router {
    Router::new().route("/", any(handle)).with_state(idp)
}

async fn handle(State(idp): State<Idp>, request: Request<Body>) -> Response {
    let mut response = match *request.method() {
        Method::POST => match answer(&idp, request).await {
            Ok(response) => response,
            Err(exception) => exception.into_response(),
        },
        Method::OPTIONS => preflight(request.headers()),
        _ => not_the_api(),
    };
    let headers = response.headers_mut();
    let id = Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"),
    );
    response
}

async fn answer(idp: &Idp, request: Request<Body>) -> Result<Response, Exception> {
    let (head, body) = request.into_parts();
    let operation = operation(&head.headers)?;
    let region = match (credential_region(&head.headers)?, head.extensions.get()) {
        (Some(region), _) => Some(region.to_owned()),
        (None, _) if operation.signed => return Err(Exception::unsigned()),
        // Each region has a host of its own at AWS.
        (None, Some(Host::Service { region })) => Some(region.clone()),
        (None, _) => None,
    };
    let body = read_body(body).await?;
    let mut input: Value =
        serde_json::from_slice(&body).map_err(|error| Exception::not_json(&error))?;
    model::check::check(operation.input, &mut input)?;
    let call = Call {
        idp,
        region: region.as_deref(),
        operation,
    };
    let body = match handlers::perform(&call, &input).await? {
        Reply::Json(body) => body,
        // An operation without an output shape answers with no body at all,
        // one whose shape has no members with an empty object.
        Reply::Nothing if operation.output.is_none() => Vec::new(),
        Reply::Nothing => b"{}".to_vec(),
    };
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, error::CONTENT);
    Ok(response)
}

/// The operation that `X-Amz-Target` names, exactly once.
fn operation(headers: &HeaderMap) -> Result<&'static Operation, Exception> {
    let mut targets = headers.get_all(TARGET).iter();
    let target = match (targets.next(), targets.next()) {
        (Some(target), None) => target.to_str().unwrap_or_default(),
        _ => "",
    };
    target
        .strip_prefix(TARGET_PREFIX)
        .and_then(Operation::named)
        .ok_or_else(|| Exception::unknown_operation(target))
}

/// The region of the credential scope (Signature Version 4, "Authorization
/// header"), none where there is no signature. Neither the key nor the
/// signature is looked at.
fn credential_region(headers: &HeaderMap) -> Result<Option<&str>, Exception> {
    let Some(authorization) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    authorization
        .to_str()
        .ok()
        .and_then(scope_region)
        .map(Some)
        .ok_or_else(Exception::incomplete_signature)
}

fn scope_region(authorization: &str) -> Option<&str> {
    let parameters = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let credential = parameters
        .split(',')
        .find_map(|parameter| parameter.trim().strip_prefix("Credential="))?;
    // A key may hold slashes in theory; the scope is the last four parts.
    let mut scope = credential.rsplit('/');
    let terminator = scope.next()?;
    let _service = scope.next()?;
    let region = scope.next()?;
    let well_formed = terminator == "aws4_request"
        && (1..=32).contains(&region.len())
        && region
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    well_formed.then_some(region)
}

async fn read_body(body: Body) -> Result<Bytes, Exception> {
    let body = Limited::new(body, BODY_LIMIT).collect().await;
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Exception::too_large(BODY_LIMIT)),
        Err(_) => Err(Exception::broken_body()),
    }
}

/// Browsers ask before they send `X-Amz-Target`.
fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST"),
    );
    if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("172800"));
    response
}

/// What Cognito's host says to a request that it has no operation for.
fn not_the_api() -> Response {
    let body = r#"{"code":"BadRequest","message":"The server did not understand the operation that was requested.","type":"client"}"#;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    response
}

#[cfg(test)]
mod tests;
