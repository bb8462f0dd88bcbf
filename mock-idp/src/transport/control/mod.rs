//! What a test needs and no real provider has: the clock, key rotation, forged
//! tokens, the outbox, the last requests, a fresh start. All of it is under one reserved
//! prefix and behind one bearer token.

mod error;
mod handlers;
mod wire;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};

use super::recorder::Recorder;
use crate::flow::Idp;

/// What the handlers work on.
#[derive(Clone)]
pub(crate) struct Control {
    idp: Idp,
    recorder: Recorder,
}

/// The control calls. No pool id begins with an underscore, so the prefix is
/// nobody's.
pub(crate) fn routes(idp: Idp, recorder: Recorder) -> Router {
    let control = Control { idp, recorder };
    Router::new()
        .route("/_rolecall/health", get(handlers::health))
        .route(
            "/_rolecall/clock",
            get(handlers::clock).post(handlers::move_clock),
        )
        .route(
            "/_rolecall/pools/{pool}/keys/rotate",
            post(handlers::rotate_keys),
        )
        .route(
            "/_rolecall/pools/{pool}/keys/replace",
            post(handlers::replace_keys),
        )
        .route("/_rolecall/forge", post(handlers::forge))
        .route(
            "/_rolecall/outbox",
            get(handlers::outbox).delete(handlers::clear_outbox),
        )
        .route("/_rolecall/requests", get(handlers::requests))
        .route("/_rolecall/reset", post(handlers::reset))
        .method_not_allowed_fallback(handlers::wrong_method)
        .route("/_rolecall", any(handlers::no_such_call))
        .route("/_rolecall/", any(handlers::no_such_call))
        .route("/_rolecall/{*rest}", any(handlers::no_such_call))
        .layer(from_fn_with_state(control.clone(), handlers::authorize))
        .with_state(control)
}
