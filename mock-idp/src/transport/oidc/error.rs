//! [`OAuthError`] → what the OAuth endpoints answer.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, WWW_AUTHENTICATE};

use super::handlers::json;
use super::wire::{ErrorResponse, UserInfoError};
use crate::domain::OAuthError;
use crate::flow::authorize::error_code;

/// The token endpoint's refusal. Cognito answers 400 where RFC 6749 section
/// 5.2 would let it answer 401.
pub(crate) fn token(error: OAuthError) -> Response {
    let status = match error {
        OAuthError::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    json(
        status,
        &ErrorResponse {
            error: error_code(error),
        },
    )
}

/// The revocation endpoint's refusal: here a client that cannot prove itself
/// gets 401 (Cognito developer guide, revocation endpoint).
pub(crate) fn revocation(error: OAuthError) -> Response {
    match error {
        OAuthError::InvalidClient => json(
            StatusCode::UNAUTHORIZED,
            &ErrorResponse {
                error: error_code(error),
            },
        ),
        _ => token(error),
    }
}

/// Why userInfo says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserInfoRefusal {
    /// No access token, or none that is meant for this endpoint.
    BadRequest,
    /// A token that is no longer good, or never was.
    InvalidToken,
}

impl IntoResponse for UserInfoRefusal {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                UserInfoError {
                    error: "invalid_request",
                    error_description: "Bad OAuth2 request at UserInfo Endpoint",
                },
            ),
            Self::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                UserInfoError {
                    error: "invalid_token",
                    error_description: "Access token is expired, disabled, or deleted, \
                                        or the user has globally signed out.",
                },
            ),
        };
        let challenge = format!(
            "error=\"{}\", error_description=\"{}\"",
            body.error, body.error_description
        );
        let mut response = json(status, &body);
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
