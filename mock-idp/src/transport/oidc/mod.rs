//! OpenID Connect and OAuth 2.0: discovery and keys at the issuer, tokens,
//! userInfo and revocation at the domain.
//!
//! Every endpoint here is for programs, those in browsers included, so all of
//! them answer to other origins (CORS), refusals too.

mod error;
mod handlers;
mod wire;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{any, get};

use crate::flow::Idp;

pub(crate) use handlers::not_understood;

/// The endpoints, the issuer's below `/POOL_ID` and the domain's below
/// `/domains/DOMAIN`.
pub(crate) fn routes() -> Router<Idp> {
    Router::new()
        .route(
            "/{pool}/.well-known/openid-configuration",
            get(handlers::discovery),
        )
        .route("/{pool}/.well-known/jwks.json", get(handlers::keys))
        .route("/domains/{domain}/oauth2/token", any(handlers::token))
        .route(
            "/domains/{domain}/oauth2/userInfo",
            get(handlers::user_info).post(handlers::user_info),
        )
        .route("/domains/{domain}/oauth2/revoke", any(handlers::revoke))
        .layer(axum::middleware::from_fn(handlers::cross_origin))
}
