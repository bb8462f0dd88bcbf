//! The protocols that the pools speak: the AWS API, the hosted pages, OpenID
//! Connect, and rolecall's own control calls.
//!
//! Each has a folder with the same four files: `mod.rs` (routes), `wire.rs`
//! (the protocol's exact spelling), `handlers.rs` (wire → command → wire) and
//! `error.rs` (refusals → this protocol's errors). Nothing is decided here.

mod aws_json;
mod control;
mod hosted_ui;
mod oidc;
mod params;
mod recorder;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use http::Uri;

use crate::flow::Idp;
use recorder::{Recorder, record};

/// Everything that one origin answers to.
pub(crate) fn router(idp: Idp) -> Router {
    let recorder = Recorder::new(idp.clock().clone());
    let pages = hosted_ui::routes().merge(oidc::routes());
    Router::new()
        .merge(pages.with_state(idp.clone()))
        .merge(aws_json::router(idp.clone()))
        .fallback(unknown)
        .layer(from_fn_with_state(recorder.clone(), record))
        .merge(control::routes(idp, recorder))
}

/// People get a page; programs get what Cognito's service host says to a path
/// that it has no operation for, the base address of a pool among them.
async fn unknown(uri: Uri) -> Response {
    if uri.path().starts_with("/domains/") {
        hosted_ui::no_such_page()
    } else {
        oidc::not_understood()
    }
}
