//! The hosted pages of a domain: sign-in, new password, logout and errors.
//!
//! Pages, cookies, CSRF and redirects are here; what a password is worth, who
//! may sign in and where a code may go is [`crate::flow`]'s.

mod error;
mod handlers;
mod wire;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::get;

use crate::flow::Idp;

pub(crate) use error::no_such_page;

/// The pages, each below `/domains/DOMAIN`.
pub(crate) fn routes() -> Router<Idp> {
    Router::new()
        .route(
            "/domains/{domain}/oauth2/authorize",
            get(handlers::authorize),
        )
        .route("/domains/{domain}/authorize", get(handlers::authorize))
        .route(
            "/domains/{domain}/login",
            get(handlers::show_sign_in).post(handlers::sign_in),
        )
        .route(
            "/domains/{domain}/changePassword",
            get(handlers::show_new_password).post(handlers::set_new_password),
        )
        .route("/domains/{domain}/logout", get(handlers::logout))
        .route("/domains/{domain}/error", get(handlers::show_error))
        .method_not_allowed_fallback(handlers::not_allowed)
}
