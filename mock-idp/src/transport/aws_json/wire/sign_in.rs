//! Signing in and out, and what a signed-in user asks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::users::AttributeList;
use super::{Word, worded};
use crate::domain::token::TokenSet;
use crate::flow::sign_in::AuthFlow;

worded!(AuthFlow {
    UserSrp = "USER_SRP_AUTH",
    Refresh = "REFRESH_TOKEN_AUTH",
    Refresh = "REFRESH_TOKEN",
    Custom = "CUSTOM_AUTH",
    AdminUserPassword = "ADMIN_USER_PASSWORD_AUTH",
    AdminUserPassword = "ADMIN_NO_SRP_AUTH",
    UserPassword = "USER_PASSWORD_AUTH",
    UserAuth = "USER_AUTH",
});

/// The one challenge there is.
pub(crate) const NEW_PASSWORD_REQUIRED: &str = "NEW_PASSWORD_REQUIRED";

/// `InitiateAuth` and, with a pool, `AdminInitiateAuth`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InitiateRequest<'a> {
    pub(crate) user_pool_id: Option<&'a str>,
    pub(crate) client_id: &'a str,
    pub(crate) auth_flow: Word<AuthFlow>,
    #[serde(default, borrow)]
    pub(crate) auth_parameters: Parameters<'a>,
}

/// `RespondToAuthChallenge` and, with a pool, `AdminRespondToAuthChallenge`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RespondRequest<'a> {
    pub(crate) user_pool_id: Option<&'a str>,
    pub(crate) client_id: &'a str,
    pub(crate) challenge_name: &'a str,
    pub(crate) session: Option<&'a str>,
    #[serde(default, borrow)]
    pub(crate) challenge_responses: Parameters<'a>,
}

/// A map of strings, not in order of anything.
#[derive(Default, Deserialize)]
pub(crate) struct Parameters<'a>(#[serde(borrow)] BTreeMap<&'a str, &'a str>);

impl Parameters<'_> {
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| (*value).to_owned())
    }

    /// The attributes among the responses: `userAttributes.NAME`.
    pub(crate) fn user_attributes(&self) -> Vec<(String, String)> {
        self.0
            .iter()
            .filter_map(|(name, value)| {
                let name = name.strip_prefix("userAttributes.")?;
                Some((name.to_owned(), (*value).to_owned()))
            })
            .collect()
    }
}

/// The answer that carries tokens.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TokensAnswer<'a> {
    challenge_parameters: Empty,
    authentication_result: AuthenticationResult<'a>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AuthenticationResult<'a> {
    access_token: &'a str,
    expires_in: u64,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
}

impl<'a> TokensAnswer<'a> {
    pub(crate) fn of(tokens: &'a TokenSet) -> Self {
        Self {
            challenge_parameters: Empty {},
            authentication_result: AuthenticationResult {
                access_token: tokens.access.expose(),
                expires_in: tokens.expires_in.as_secs(),
                token_type: "Bearer",
                refresh_token: tokens.refresh.as_ref().map(|token| token.expose().as_str()),
                id_token: tokens.id.as_ref().map(|token| token.expose().as_str()),
            },
        }
    }
}

/// The answer that asks for something more.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChallengeAnswer<'a> {
    pub(crate) challenge_name: &'static str,
    pub(crate) session: &'a str,
    pub(crate) challenge_parameters: NewPasswordParameters<'a>,
}

/// Two of the values are JSON within a string.
#[derive(Serialize)]
pub(crate) struct NewPasswordParameters<'a> {
    #[serde(rename = "USER_ID_FOR_SRP")]
    pub(crate) user_id: &'a str,
    #[serde(rename = "requiredAttributes")]
    pub(crate) required_attributes: String,
    #[serde(rename = "userAttributes")]
    pub(crate) user_attributes: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RefreshRequest<'a> {
    pub(crate) refresh_token: String,
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: Option<&'a str>,
}

/// The answer of `GetTokensFromRefreshToken`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RefreshAnswer<'a> {
    authentication_result: AuthenticationResult<'a>,
}

impl<'a> RefreshAnswer<'a> {
    pub(crate) fn of(tokens: &'a TokenSet) -> Self {
        Self {
            authentication_result: TokensAnswer::of(tokens).authentication_result,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RevokeRequest<'a> {
    pub(crate) token: String,
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: Option<&'a str>,
}

/// `GetUser` and `GlobalSignOut`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessTokenRequest<'a> {
    pub(crate) access_token: &'a str,
}

/// The answer of `GetUser`: no status and no dates.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetUserAnswer<'a> {
    pub(crate) username: &'a str,
    pub(crate) user_attributes: AttributeList<'a>,
}
