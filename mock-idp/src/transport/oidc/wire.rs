//! The spelling of OpenID Connect and OAuth 2.0 as Cognito speaks them.

use foundation::secret::Secret;
use serde::Serialize;

use crate::address::Endpoints;
use crate::domain::keys;
use crate::domain::token::TokenSet;

/// The provider's metadata (OpenID Connect Discovery 1.0 section 3).
///
/// Members stand in alphabetical order and no others are there, as in
/// Cognito's own documents. What is left out matters: without
/// `code_challenge_methods_supported` a client such as kubelogin does not use
/// PKCE by itself.
#[derive(Debug, Serialize)]
pub(crate) struct Discovery {
    pub authorization_endpoint: String,
    /// OpenID Connect RP-Initiated Logout 1.0 section 2.1; only with a domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<String>,
    pub id_token_signing_alg_values_supported: [&'static str; 1],
    pub issuer: String,
    pub jwks_uri: String,
    pub response_types_supported: [&'static str; 2],
    /// RFC 8414 section 2; only with a domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    pub scopes_supported: [&'static str; 4],
    pub subject_types_supported: [&'static str; 1],
    pub token_endpoint: String,
    pub token_endpoint_auth_methods_supported: [&'static str; 2],
    pub userinfo_endpoint: String,
}

/// What a pool without a domain names is the service host, and dead there.
impl From<Endpoints> for Discovery {
    fn from(endpoints: Endpoints) -> Self {
        Self {
            authorization_endpoint: endpoints.authorization,
            end_session_endpoint: endpoints.end_session,
            id_token_signing_alg_values_supported: ["RS256"],
            issuer: endpoints.issuer,
            jwks_uri: endpoints.jwks,
            response_types_supported: ["code", "token"],
            revocation_endpoint: endpoints.revocation,
            scopes_supported: ["openid", "email", "phone", "profile"],
            subject_types_supported: ["public"],
            token_endpoint: endpoints.token,
            token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
            userinfo_endpoint: endpoints.userinfo,
        }
    }
}

/// What Cognito's service host answers to a path that it does not know: the
/// base address of a pool, or the endpoints named by a pool without a domain.
#[derive(Debug, Serialize)]
pub(crate) struct NotUnderstood {
    code: &'static str,
    message: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl NotUnderstood {
    pub(crate) const BODY: Self = Self {
        code: "BadRequest",
        message: "The server did not understand the operation that was requested.",
        kind: "client",
    };
}

/// A set of public keys (RFC 7517 section 5).
#[derive(Debug, Serialize)]
pub(crate) struct KeySet {
    pub keys: Vec<Key>,
}

/// An RSA public key (RFC 7517 section 4, RFC 7518 section 6.3.1), members in
/// Cognito's order.
#[derive(Debug, Serialize)]
pub(crate) struct Key {
    pub alg: &'static str,
    pub e: String,
    pub kid: String,
    pub kty: &'static str,
    pub n: String,
    #[serde(rename = "use")]
    pub used_for: &'static str,
}

impl From<&keys::Key> for Key {
    fn from(key: &keys::Key) -> Self {
        Self {
            alg: "RS256",
            e: key.exponent().to_owned(),
            kid: key.kid().to_owned(),
            kty: "RSA",
            n: key.modulus().to_owned(),
            used_for: "sig",
        }
    }
}

/// A successful token response (RFC 6749 section 5.1, OpenID Connect Core 1.0
/// section 3.1.3.3). Cognito adds no `scope` member.
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    /// Only where `openid` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    pub access_token: String,
    /// Not repeated by a refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    pub token_type: &'static str,
}

impl From<TokenSet> for TokenResponse {
    fn from(tokens: TokenSet) -> Self {
        let exposed = |token: Secret<String>| token.expose().clone();
        Self {
            id_token: tokens.id.map(exposed),
            access_token: exposed(tokens.access),
            refresh_token: tokens.refresh.map(exposed),
            expires_in: tokens.expires_in.as_secs(),
            token_type: "Bearer",
        }
    }
}

/// A refusal by the token or revocation endpoint (RFC 6749 section 5.2,
/// RFC 7009 section 2.2.1). Cognito gives no `error_description` here.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorResponse {
    pub error: &'static str,
}

/// A refusal by the userInfo endpoint (OpenID Connect Core 1.0 section 5.3.3;
/// the same words stand in `WWW-Authenticate`, RFC 6750 section 3).
#[derive(Debug, Serialize)]
pub(crate) struct UserInfoError {
    pub error: &'static str,
    pub error_description: &'static str,
}

/// Why there is no such pool to describe; in the shape of the service host.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    pub message: String,
}
