//! What each control call does.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use serde::de::DeserializeOwned;

use super::Control;
use super::error::ControlError;
use super::wire::{self, ClockState, Forge, Forged, Health, MoveClock, Outbox, Requests, Rotated};
use crate::domain::PoolId;

/// Longer than any body of a control call, two tokens in it.
const BODY_LIMIT: usize = 256 << 10;

/// Lets through who knows the control token, and nobody else near any path
/// under the prefix.
pub(crate) async fn authorize(
    State(control): State<Control>,
    request: Request,
    next: Next,
) -> Result<Response, ControlError> {
    let given = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let expected = control.idp.control_token();
    // An instance without a token has no control calls.
    if expected.expose().is_empty() || !given.is_some_and(|given| expected.matches(given)) {
        return Err(ControlError::Unauthorized);
    }
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /health`.
pub(crate) async fn health(State(control): State<Control>) -> Json<Health> {
    Json(Health {
        status: "ok",
        now: control.idp.clock().now(),
    })
}

/// `GET /clock`.
pub(crate) async fn clock(State(control): State<Control>) -> Json<ClockState> {
    let clock = control.idp.clock();
    Json(ClockState {
        now: clock.now(),
        movable: clock.is_movable(),
    })
}

/// `POST /clock`.
pub(crate) async fn move_clock(
    State(control): State<Control>,
    body: Body,
) -> Result<Json<ClockState>, ControlError> {
    let expected = r#"{"advance": "1h 30m"} or {"set": "2026-11-23T21:00:00Z"}"#;
    let wanted: MoveClock = read(body, expected).await?;
    match wanted {
        MoveClock::Advance(by) => {
            let by = Duration::try_from(by).map_err(|_| {
                ControlError::BadBody("the clock advances; to go back, set it".to_owned())
            })?;
            control.idp.clock().advance(by)?;
        }
        MoveClock::Set(to) => control.idp.clock().set(to)?,
    }
    Ok(clock(State(control)).await)
}

/// `POST /pools/POOL/keys/rotate`: new keys for both kinds of token; the old
/// ones stay published, so tokens signed with them stay good.
pub(crate) async fn rotate_keys(
    State(control): State<Control>,
    Path(pool): Path<String>,
) -> Result<Json<Rotated>, ControlError> {
    new_keys(&control, pool, true).await
}

/// `POST /pools/POOL/keys/replace`: as rotated, but the old ones are gone, and
/// what they signed is good for nothing.
pub(crate) async fn replace_keys(
    State(control): State<Control>,
    Path(pool): Path<String>,
) -> Result<Json<Rotated>, ControlError> {
    new_keys(&control, pool, false).await
}

async fn new_keys(
    control: &Control,
    pool: String,
    keep: bool,
) -> Result<Json<Rotated>, ControlError> {
    let pool = PoolId::from(pool);
    control.idp.rotate_keys(&pool, keep).await?;
    let keys = control.idp.keys(&pool).await?;
    Ok(Json(Rotated {
        id_token_kid: keys.id.kid().to_owned(),
        access_token_kid: keys.access.kid().to_owned(),
        retired: keys.retired.iter().map(|k| k.kid().to_owned()).collect(),
    }))
}

/// `POST /forge`: a real token in, forged ones out.
pub(crate) async fn forge(
    State(control): State<Control>,
    body: Body,
) -> Result<Json<Forged>, ControlError> {
    let wanted: Forge = read(body, r#"{"word": "expired", "token": "…"}"#).await?;
    let command = wanted.into_command();
    let command = command.map_err(|unknown| ControlError::BadBody(unknown.to_string()))?;
    let forged = control.idp.forge(command).await?;
    Ok(Json(Forged {
        tokens: forged.into_iter().map(wire::Variant::from).collect(),
    }))
}

/// Reads a body, or says what was expected.
async fn read<T: DeserializeOwned>(body: Body, expected: &str) -> Result<T, ControlError> {
    let bytes = axum::body::to_bytes(body, BODY_LIMIT)
        .await
        .map_err(|_| ControlError::BadBody("the body is too long".to_owned()))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| ControlError::BadBody(format!("{error}; expected {expected}")))
}

/// `GET /outbox`.
pub(crate) async fn outbox(State(control): State<Control>) -> Json<Outbox> {
    let messages = control.idp.outbox();
    Json(Outbox {
        messages: messages.iter().map(wire::Message::from).collect(),
    })
}

/// `DELETE /outbox`.
pub(crate) async fn clear_outbox(State(control): State<Control>) -> StatusCode {
    control.idp.clear_outbox();
    StatusCode::NO_CONTENT
}

/// `GET /requests`.
pub(crate) async fn requests(State(control): State<Control>) -> Json<Requests> {
    let requests = control.recorder.recorded();
    Json(Requests {
        requests: requests.into_iter().map(wire::Request::from).collect(),
    })
}

/// `POST /reset`: no pools, no messages, no requests; pins and the clock stay.
pub(crate) async fn reset(State(control): State<Control>) -> StatusCode {
    control.idp.reset();
    control.recorder.clear();
    StatusCode::NO_CONTENT
}

/// Any other path under the prefix.
pub(crate) async fn no_such_call() -> ControlError {
    ControlError::NoSuchCall
}

/// A known path with a method that it does not take.
pub(crate) async fn wrong_method() -> ControlError {
    ControlError::WrongMethod
}
