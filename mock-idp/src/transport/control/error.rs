//! Refusals → JSON.

use axum::Json;
use axum::response::{IntoResponse, Response};
use foundation::clock::CannotBeMoved;
use http::StatusCode;
use http::header::{HeaderValue, WWW_AUTHENTICATE};

use super::wire::Refusal;
use crate::domain::Error;

/// Why a control call did nothing.
pub(crate) enum ControlError {
    /// No control token, or a wrong one.
    Unauthorized,
    /// There is no such call.
    NoSuchCall,
    /// There is one, but not with this method.
    WrongMethod,
    /// The body is not what the call takes.
    BadBody(String),
    /// The clock is the system's own.
    CannotBeMoved(CannotBeMoved),
    /// The pools say no.
    Refused(Error),
}

impl From<Error> for ControlError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<CannotBeMoved> for ControlError {
    fn from(error: CannotBeMoved) -> Self {
        Self::CannotBeMoved(error)
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let (status, error, message) = match self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "control calls need the bearer token that ready.json holds".to_owned(),
            ),
            Self::NoSuchCall => (
                StatusCode::NOT_FOUND,
                "not_found",
                "there is no such control call".to_owned(),
            ),
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this control call takes another method".to_owned(),
            ),
            Self::BadBody(message) => (StatusCode::BAD_REQUEST, "bad_request", message),
            Self::CannotBeMoved(error) => {
                (StatusCode::CONFLICT, "clock_not_movable", error.to_string())
            }
            Self::Refused(error @ Error::ResourceNotFound(_)) => {
                (StatusCode::NOT_FOUND, "not_found", error.to_string())
            }
            Self::Refused(error @ (Error::InvalidParameter(_) | Error::NotAuthorized(_))) => {
                (StatusCode::BAD_REQUEST, "bad_request", error.to_string())
            }
            Self::Refused(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                error.to_string(),
            ),
        };
        let unauthorized = status == StatusCode::UNAUTHORIZED;
        let mut response = (status, Json(Refusal { error, message })).into_response();
        if unauthorized {
            response.headers_mut().insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"rolecall\""),
            );
        }
        response
    }
}
