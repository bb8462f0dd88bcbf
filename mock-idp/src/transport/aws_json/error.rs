//! Refusals as this protocol writes them: HTTP 400 with `__type` and
//! `message`, and the same again in headers.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{StatusCode, header};
use serde::Serialize;

use super::model::check::Refusal;
use crate::domain::Error;

pub(super) const CONTENT: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-amzn-errormessage");
/// A message in a header is cut here, so that no client chokes on it.
const LONGEST_HEADER: usize = 1024;

/// A refusal, ready to be sent.
#[derive(Debug)]
pub(super) struct Exception {
    status: StatusCode,
    /// Unqualified, as Cognito sends it.
    kind: &'static str,
    message: Cow<'static, str>,
}

impl Exception {
    fn bad_request(kind: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind,
            message: message.into(),
        }
    }

    /// No operation of the service by that name.
    pub(super) fn unknown_operation(target: &str) -> Self {
        Self::bad_request(
            "UnknownOperationException",
            format!(
                "No operation {target:?}: X-Amz-Target names one as \
                 AWSCognitoIdentityProviderService.OPERATION, once"
            ),
        )
    }

    /// Cognito has it and we do not. Nothing of AWS answers like this, so
    /// that nobody takes it for something else.
    pub(super) fn not_implemented(what: impl std::fmt::Display) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            kind: "NotImplementedException",
            message: format!("rolecall's mock of Cognito does not implement {what} yet").into(),
        }
    }

    /// A signed operation without a signature.
    pub(super) fn unsigned() -> Self {
        Self::bad_request(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    }

    /// An `Authorization` header that is no Signature Version 4.
    pub(super) fn incomplete_signature() -> Self {
        Self::bad_request(
            "IncompleteSignatureException",
            "Authorization header requires 'Credential' parameter with the scope \
             DATE/REGION/cognito-idp/aws4_request.",
        )
    }

    /// A body that is no JSON document. AWS says nothing more than the type;
    /// we say where.
    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        Self::serialization(format!("The body is not a JSON document: {error}"))
    }

    fn serialization(message: String) -> Self {
        Self::bad_request("SerializationException", message)
    }

    /// A body beyond the limit.
    pub(super) fn too_large(limit: usize) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            kind: "RequestEntityTooLargeException",
            message: format!("The body is longer than {limit} bytes").into(),
        }
    }

    /// A body that ended before it was whole.
    pub(super) fn broken_body() -> Self {
        Self::serialization("The body could not be read to its end".to_owned())
    }

    /// A mistake of ours.
    pub(super) fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "InternalErrorException",
            message: message.into(),
        }
    }
}

impl From<Refusal> for Exception {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Type(message) => Self::serialization(message),
            Refusal::Constraints(message) => {
                Self::bad_request("InvalidParameterException", message)
            }
        }
    }
}

impl From<Error> for Exception {
    fn from(error: Error) -> Self {
        if let Error::Internal(message) = error {
            return Self::internal(message);
        }
        Self::bad_request(kind(&error), error.to_string())
    }
}

/// The exception a refusal of the domain is called here.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::AliasExists(_) => "AliasExistsException",
        Error::CodeMismatch => "CodeMismatchException",
        Error::ExpiredCode => "ExpiredCodeException",
        Error::GroupExists => "GroupExistsException",
        Error::Internal(_) => "InternalErrorException",
        Error::InvalidOAuthFlow(_) => "InvalidOAuthFlowException",
        Error::InvalidParameter(_) => "InvalidParameterException",
        Error::InvalidPassword(_) => "InvalidPasswordException",
        Error::LimitExceeded(_) => "LimitExceededException",
        Error::NotAuthorized(_) => "NotAuthorizedException",
        Error::PasswordResetRequired => "PasswordResetRequiredException",
        Error::RefreshTokenReuse(_) => "RefreshTokenReuseException",
        Error::ResourceNotFound(_) => "ResourceNotFoundException",
        Error::ScopeDoesNotExist(_) => "ScopeDoesNotExistException",
        Error::Unauthorized(_) => "UnauthorizedException",
        Error::UnsupportedOperation(_) => "UnsupportedOperationException",
        Error::UnsupportedTokenType(_) => "UnsupportedTokenTypeException",
        Error::UnsupportedUserState(_) => "UnsupportedUserStateException",
        Error::UserNotConfirmed => "UserNotConfirmedException",
        Error::UserNotFound => "UserNotFoundException",
        Error::UsernameExists(_) => "UsernameExistsException",
        Error::UserPoolTagging(_) => "UserPoolTaggingException",
    }
}

impl IntoResponse for Exception {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Wire<'a> {
            #[serde(rename = "__type")]
            kind: &'a str,
            message: &'a str,
        }

        let wire = Wire {
            kind: self.kind,
            message: &self.message,
        };
        // Two strings always serialise.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, CONTENT);
        if let Ok(kind) = HeaderValue::from_str(&format!("{}:", self.kind)) {
            headers.insert(ERROR_TYPE, kind);
        }
        headers.insert(ERROR_MESSAGE, for_header(&self.message));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// `message` without what a header cannot hold.
fn for_header(message: &str) -> HeaderValue {
    let safe: String = message
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { ' ' })
        .take(LONGEST_HEADER)
        .collect();
    HeaderValue::from_str(safe.trim()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::super::model::OPERATIONS;
    use super::*;
    use crate::domain::password::PasswordRule;

    #[test]
    fn every_refusal_of_the_domain_is_an_exception_of_the_service_model() {
        let text = String::new;
        let refusals = [
            Error::AliasExists(text()),
            Error::CodeMismatch,
            Error::ExpiredCode,
            Error::GroupExists,
            Error::Internal(text()),
            Error::InvalidOAuthFlow(text()),
            Error::InvalidParameter(text()),
            Error::InvalidPassword(PasswordRule::Length),
            Error::LimitExceeded(text()),
            Error::NotAuthorized(text()),
            Error::PasswordResetRequired,
            Error::RefreshTokenReuse(text()),
            Error::ResourceNotFound(text()),
            Error::ScopeDoesNotExist(text()),
            Error::Unauthorized(text()),
            Error::UnsupportedOperation(text()),
            Error::UnsupportedTokenType(text()),
            Error::UnsupportedUserState(text()),
            Error::UserNotConfirmed,
            Error::UserNotFound,
            Error::UsernameExists(text()),
            Error::UserPoolTagging(text()),
        ];
        for refusal in refusals {
            let kind = kind(&refusal);
            assert!(
                OPERATIONS.iter().any(|o| o.errors.contains(&kind)),
                "{kind} is no exception of Cognito's"
            );
            let expected = if matches!(refusal, Error::Internal(_)) {
                500
            } else {
                400
            };
            assert_eq!(Exception::from(refusal).status, expected);
        }
    }

    #[test]
    fn a_message_that_no_header_can_hold_is_made_to_fit() {
        let value = for_header(&format!("{}\r\nSet-Cookie: x=y{}", "ü", "z".repeat(5000)));
        let text = value.to_str().expect("visible ASCII");
        assert!(text.starts_with("Set-Cookie: x=y"));
        assert!(text.len() <= LONGEST_HEADER);
    }
}
