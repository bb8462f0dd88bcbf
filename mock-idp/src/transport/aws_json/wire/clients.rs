//! App clients.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Epoch, Word, pools, values, worded, words};
use crate::domain::client::{
    Client, ClientSettings, ExplicitAuthFlow, OAuthFlow, PreventUserExistenceErrors,
    RefreshRotation, TimeUnit, ValidityUnits,
};

worded!(ExplicitAuthFlow {
    AdminNoSrpAuth = "ADMIN_NO_SRP_AUTH",
    CustomAuthFlowOnly = "CUSTOM_AUTH_FLOW_ONLY",
    UserPasswordAuth = "USER_PASSWORD_AUTH",
    AllowAdminUserPasswordAuth = "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    AllowCustomAuth = "ALLOW_CUSTOM_AUTH",
    AllowUserPasswordAuth = "ALLOW_USER_PASSWORD_AUTH",
    AllowUserSrpAuth = "ALLOW_USER_SRP_AUTH",
    AllowRefreshTokenAuth = "ALLOW_REFRESH_TOKEN_AUTH",
    AllowUserAuth = "ALLOW_USER_AUTH",
});
worded!(OAuthFlow {
    Code = "code",
    Implicit = "implicit",
    ClientCredentials = "client_credentials",
});
worded!(PreventUserExistenceErrors { Legacy = "LEGACY", Enabled = "ENABLED" });
worded!(TimeUnit {
    Seconds = "seconds",
    Minutes = "minutes",
    Hours = "hours",
    Days = "days",
});
worded!(Feature { Enabled = "ENABLED", Disabled = "DISABLED" });

/// `RefreshTokenRotationType.Feature`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Feature {
    Enabled,
    Disabled,
}

/// What `CreateUserPoolClient` and `UpdateUserPoolClient` both take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
pub(crate) struct SettingsRequest {
    refresh_token_validity: Option<u32>,
    access_token_validity: Option<u32>,
    id_token_validity: Option<u32>,
    token_validity_units: Option<TokenValidityUnits>,
    read_attributes: Option<Vec<String>>,
    write_attributes: Option<Vec<String>>,
    explicit_auth_flows: Option<Vec<Word<ExplicitAuthFlow>>>,
    supported_identity_providers: Vec<String>,
    #[serde(rename = "CallbackURLs")]
    callback_urls: Vec<String>,
    #[serde(rename = "LogoutURLs")]
    logout_urls: Vec<String>,
    #[serde(rename = "DefaultRedirectURI")]
    default_redirect_uri: Option<String>,
    #[serde(rename = "AllowedOAuthFlows")]
    allowed_oauth_flows: Vec<Word<OAuthFlow>>,
    #[serde(rename = "AllowedOAuthScopes")]
    allowed_oauth_scopes: Vec<String>,
    #[serde(rename = "AllowedOAuthFlowsUserPoolClient")]
    oauth_enabled: bool,
    analytics_configuration: Option<Value>,
    prevent_user_existence_errors: Option<Word<PreventUserExistenceErrors>>,
    enable_token_revocation: Option<bool>,
    enable_propagate_additional_user_context_data: Option<bool>,
    auth_session_validity: Option<u32>,
    refresh_token_rotation: Option<RefreshTokenRotation>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TokenValidityUnits {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<Word<TimeUnit>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<Word<TimeUnit>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Word<TimeUnit>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RefreshTokenRotation {
    feature: Word<Feature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_grace_period_seconds: Option<u32>,
}

/// Settings without behaviour.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
struct VerbatimSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    analytics_configuration: Option<Value>,
}

impl SettingsRequest {
    pub(crate) fn into_settings(self) -> ClientSettings {
        ClientSettings {
            read_attributes: self.read_attributes,
            write_attributes: self.write_attributes,
            explicit_auth_flows: self.explicit_auth_flows.map(values),
            callback_urls: self.callback_urls,
            logout_urls: self.logout_urls,
            default_redirect_uri: self.default_redirect_uri,
            allowed_oauth_flows: values(self.allowed_oauth_flows),
            allowed_oauth_scopes: self.allowed_oauth_scopes,
            oauth_enabled: self.oauth_enabled,
            identity_providers: self.supported_identity_providers,
            access_validity: self.access_token_validity,
            id_validity: self.id_token_validity,
            refresh_validity: self.refresh_token_validity,
            units: self.token_validity_units.map(|units| ValidityUnits {
                access: units.access_token.map(|word| word.0),
                id: units.id_token.map(|word| word.0),
                refresh: units.refresh_token.map(|word| word.0),
            }),
            prevent_user_existence_errors: self.prevent_user_existence_errors.map(|word| word.0),
            token_revocation: self.enable_token_revocation,
            propagate_user_context: self.enable_propagate_additional_user_context_data,
            auth_session_minutes: self.auth_session_validity,
            rotation: self.refresh_token_rotation.map(|rotation| RefreshRotation {
                enabled: rotation.feature.0 == Feature::Enabled,
                grace_seconds: rotation.retry_grace_period_seconds,
            }),
            verbatim: pools::write(&VerbatimSettings {
                analytics_configuration: self.analytics_configuration,
            }),
        }
    }
}

/// What `CreateUserPoolClient` alone takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) client_name: &'a str,
    #[serde(default)]
    pub(crate) generate_secret: bool,
    pub(crate) client_secret: Option<String>,
}

/// What `UpdateUserPoolClient` alone takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) client_name: Option<&'a str>,
}

/// `DescribeUserPoolClient` and `DeleteUserPoolClient`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ClientRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) client_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) max_results: Option<u32>,
    pub(crate) next_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ClientAnswer<'a> {
    user_pool_client: UserPoolClientType<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserPoolClientType<'a> {
    user_pool_id: &'a str,
    client_name: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    last_modified_date: Epoch,
    creation_date: Epoch,
    refresh_token_validity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_validity: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token_validity: Option<u32>,
    token_validity_units: TokenValidityUnits,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_attributes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_attributes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_auth_flows: Option<Vec<Word<ExplicitAuthFlow>>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    supported_identity_providers: &'a [String],
    #[serde(rename = "CallbackURLs", skip_serializing_if = "<[_]>::is_empty")]
    callback_urls: &'a [String],
    #[serde(rename = "LogoutURLs", skip_serializing_if = "<[_]>::is_empty")]
    logout_urls: &'a [String],
    #[serde(rename = "DefaultRedirectURI", skip_serializing_if = "Option::is_none")]
    default_redirect_uri: Option<&'a str>,
    #[serde(rename = "AllowedOAuthFlows", skip_serializing_if = "Vec::is_empty")]
    allowed_oauth_flows: Vec<Word<OAuthFlow>>,
    #[serde(rename = "AllowedOAuthScopes", skip_serializing_if = "<[_]>::is_empty")]
    allowed_oauth_scopes: &'a [String],
    #[serde(rename = "AllowedOAuthFlowsUserPoolClient")]
    oauth_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    prevent_user_existence_errors: Option<Word<PreventUserExistenceErrors>>,
    enable_token_revocation: bool,
    enable_propagate_additional_user_context_data: bool,
    auth_session_validity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_rotation: Option<RefreshTokenRotation>,
    #[serde(flatten)]
    verbatim: VerbatimSettings,
}

impl<'a> ClientAnswer<'a> {
    pub(crate) fn of(client: &'a Client) -> Self {
        let settings = &client.settings;
        let units = settings.units.unwrap_or_default();
        Self {
            user_pool_client: UserPoolClientType {
                user_pool_id: client.pool.as_str(),
                client_name: &client.name,
                client_id: client.id.as_str(),
                client_secret: client.secret.as_ref().map(|s| s.expose().as_str()),
                last_modified_date: Epoch(client.modified),
                creation_date: Epoch(client.created),
                refresh_token_validity: settings
                    .refresh_validity
                    .filter(|validity| *validity != 0)
                    .unwrap_or(30),
                access_token_validity: settings.access_validity,
                id_token_validity: settings.id_validity,
                token_validity_units: TokenValidityUnits {
                    access_token: units.access.map(Word),
                    id_token: units.id.map(Word),
                    refresh_token: units.refresh.map(Word),
                },
                read_attributes: settings.read_attributes.as_deref(),
                write_attributes: settings.write_attributes.as_deref(),
                explicit_auth_flows: settings.explicit_auth_flows.as_deref().map(words),
                supported_identity_providers: &settings.identity_providers,
                callback_urls: &settings.callback_urls,
                logout_urls: &settings.logout_urls,
                default_redirect_uri: settings.default_redirect_uri.as_deref(),
                allowed_oauth_flows: words(&settings.allowed_oauth_flows),
                allowed_oauth_scopes: &settings.allowed_oauth_scopes,
                oauth_enabled: settings.oauth_enabled,
                prevent_user_existence_errors: settings.prevent_user_existence_errors.map(Word),
                enable_token_revocation: client.revokes(),
                enable_propagate_additional_user_context_data: settings
                    .propagate_user_context
                    .unwrap_or(false),
                auth_session_validity: settings.auth_session_minutes.unwrap_or(3),
                refresh_token_rotation: settings.rotation.map(|rotation| RefreshTokenRotation {
                    feature: Word(if rotation.enabled {
                        Feature::Enabled
                    } else {
                        Feature::Disabled
                    }),
                    retry_grace_period_seconds: rotation.grace_seconds,
                }),
                verbatim: pools::read(&settings.verbatim),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListAnswer<'a> {
    pub(crate) user_pool_clients: Vec<UserPoolClientDescription<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserPoolClientDescription<'a> {
    client_id: &'a str,
    user_pool_id: &'a str,
    client_name: &'a str,
}

impl<'a> UserPoolClientDescription<'a> {
    pub(crate) fn of(client: &'a Client) -> Self {
        Self {
            client_id: client.id.as_str(),
            user_pool_id: client.pool.as_str(),
            client_name: &client.name,
        }
    }
}
