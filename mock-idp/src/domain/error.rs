//! Every refusal there is. Each front renders them in a table of its own.

use std::fmt;

use super::password::PasswordRule;

/// A refusal of the Cognito API, named after the exception it becomes there;
/// `Display` is Cognito's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the variants are Cognito's exceptions without the suffix, documented there"
)]
pub enum Error {
    #[error("{0}")]
    AliasExists(String),
    #[error("Invalid verification code provided, please try again.")]
    CodeMismatch,
    #[error("Invalid code provided, please request a code again.")]
    ExpiredCode,
    #[error("A group with the name already exists.")]
    GroupExists,
    #[error("{0}")]
    Internal(String),
    #[error("{0}")]
    InvalidOAuthFlow(String),
    #[error("{0}")]
    InvalidParameter(String),
    #[error("Password did not conform with policy: {0}")]
    InvalidPassword(PasswordRule),
    #[error("{0}")]
    LimitExceeded(String),
    #[error("{0}")]
    NotAuthorized(String),
    #[error("Password reset required for the user")]
    PasswordResetRequired,
    #[error("{0}")]
    RefreshTokenReuse(String),
    #[error("{0}")]
    ResourceNotFound(String),
    #[error("{0}")]
    ScopeDoesNotExist(String),
    #[error("{0}")]
    Unauthorized(String),
    #[error("{0}")]
    UnsupportedOperation(String),
    #[error("{0}")]
    UnsupportedTokenType(String),
    #[error("{0}")]
    UnsupportedUserState(String),
    #[error("User is not confirmed.")]
    UserNotConfirmed,
    #[error("User does not exist.")]
    UserNotFound,
    #[error("{0}")]
    UsernameExists(String),
    #[error("{0}")]
    UserPoolTagging(String),
}

impl Error {
    /// `User pool ID does not exist.`
    pub fn no_pool(id: impl fmt::Display) -> Self {
        Self::ResourceNotFound(format!("User pool {id} does not exist."))
    }

    /// `User pool client ID does not exist.`
    pub fn no_client(id: impl fmt::Display) -> Self {
        Self::ResourceNotFound(format!("User pool client {id} does not exist."))
    }

    /// `Group not found.`
    pub fn no_group() -> Self {
        Self::ResourceNotFound("Group not found.".into())
    }

    /// A [`Error::NotAuthorized`] with `message`.
    pub fn not_authorized(message: impl Into<String>) -> Self {
        Self::NotAuthorized(message.into())
    }

    /// A [`Error::InvalidParameter`] with `message`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidParameter(message.into())
    }

    /// The one answer to a wrong password, and to an unknown user where the
    /// client hides who exists.
    pub fn incorrect() -> Self {
        Self::not_authorized("Incorrect username or password.")
    }
}

/// A refusal of the OAuth 2.0 endpoints: the codes of RFC 6749 sections
/// 4.1.2.1 and 5.2, RFC 7009 section 2.2.1 and OpenID Connect Core section
/// 3.1.2.6 that Cognito uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the RFCs' error codes")]
pub enum OAuthError {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedTokenType,
    InvalidScope,
    LoginRequired,
    ServerError,
}
