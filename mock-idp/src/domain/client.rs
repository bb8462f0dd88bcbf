//! App clients: who asks for tokens, and what they may ask.

use std::time::Duration;

use foundation::secret::Secret;
use jiff::Timestamp;
use url::Url;

use super::error::Error;
use super::id::{ClientId, PoolId};
use super::pool::Verbatim;

/// An app client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Its pool.
    pub pool: PoolId,
    /// Its name, for people.
    pub name: String,
    /// Its secret; a public client has none.
    pub secret: Option<Secret<String>>,
    /// What `UpdateUserPoolClient` replaces as a whole.
    pub settings: ClientSettings,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
}

/// What `UpdateUserPoolClient` sets, and resets where omitted. An `Option` is
/// `None` where the call left it out; the methods of [`Client`] know the
/// defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// Attributes that reach claims.
    pub read_attributes: Option<Vec<String>>,
    /// Attributes that users can set through it.
    pub write_attributes: Option<Vec<String>>,
    /// Sign-in flows of the API.
    pub explicit_auth_flows: Option<Vec<ExplicitAuthFlow>>,
    /// Where codes may be sent, compared as strings.
    pub callback_urls: Vec<String>,
    /// Where `/logout` may send, compared as strings.
    pub logout_urls: Vec<String>,
    /// The callback URL used where a request names none.
    pub default_redirect_uri: Option<String>,
    /// OAuth flows.
    pub allowed_oauth_flows: Vec<OAuthFlow>,
    /// OAuth scopes.
    pub allowed_oauth_scopes: Vec<String>,
    /// `AllowedOAuthFlowsUserPoolClient`: whether OAuth works at all.
    pub oauth_enabled: bool,
    /// Identity providers of the hosted pages; local users need `COGNITO`.
    pub identity_providers: Vec<String>,
    /// Validity of access tokens in its unit.
    pub access_validity: Option<u32>,
    /// Validity of ID tokens in its unit.
    pub id_validity: Option<u32>,
    /// Validity of refresh tokens in its unit; 0 is 30 days.
    pub refresh_validity: Option<u32>,
    /// The units, as far as given.
    pub units: Option<ValidityUnits>,
    /// Whether it hides which users exist.
    pub prevent_user_existence_errors: Option<PreventUserExistenceErrors>,
    /// Whether tokens can be revoked and carry `origin_jti` and `jti`.
    pub token_revocation: Option<bool>,
    /// `EnablePropagateAdditionalUserContextData`; no behaviour.
    pub propagate_user_context: Option<bool>,
    /// Minutes a challenge's session lives, 3 to 15.
    pub auth_session_minutes: Option<u32>,
    /// Rotation of refresh tokens.
    pub rotation: Option<RefreshRotation>,
    /// Settings without behaviour here.
    pub verbatim: Verbatim,
}

/// `ExplicitAuthFlows`, today's and the legacy values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are AWS's values")]
pub enum ExplicitAuthFlow {
    AdminNoSrpAuth,
    CustomAuthFlowOnly,
    UserPasswordAuth,
    AllowAdminUserPasswordAuth,
    AllowCustomAuth,
    AllowUserPasswordAuth,
    AllowUserSrpAuth,
    AllowRefreshTokenAuth,
    AllowUserAuth,
}

/// `AllowedOAuthFlows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are AWS's values")]
pub enum OAuthFlow {
    Code,
    Implicit,
    ClientCredentials,
}

/// `PreventUserExistenceErrors`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are AWS's values")]
pub enum PreventUserExistenceErrors {
    Legacy,
    Enabled,
}

/// `RefreshTokenRotation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshRotation {
    /// Whether each refresh makes a new refresh token.
    pub enabled: bool,
    /// Seconds for which the former one still works, 0 to 60.
    pub grace_seconds: Option<u32>,
}

/// `TokenValidityUnits`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields say it")]
pub struct ValidityUnits {
    pub access: Option<TimeUnit>,
    pub id: Option<TimeUnit>,
    pub refresh: Option<TimeUnit>,
}

/// A unit of [`ValidityUnits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum TimeUnit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl TimeUnit {
    fn times(self, count: u32) -> Duration {
        let seconds = match self {
            Self::Seconds => 1,
            Self::Minutes => 60,
            Self::Hours => 3600,
            Self::Days => 86_400,
        };
        Duration::from_secs(u64::from(count) * seconds)
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl Client {
    /// Whether claims may show `attribute` to it: all standard ones by
    /// default, custom ones only where listed, and `sub` always.
    pub fn reads(&self, attribute: &str) -> bool {
        attribute == "sub" || listed(self.settings.read_attributes.as_deref(), attribute)
    }

    /// Whether users may set `attribute` through it.
    pub fn writes(&self, attribute: &str) -> bool {
        listed(self.settings.write_attributes.as_deref(), attribute)
    }

    /// Whether it may use `flow` of the API.
    pub fn allows(&self, flow: ExplicitAuthFlow) -> bool {
        use ExplicitAuthFlow as F;
        let Some(flows) = self.settings.explicit_auth_flows.as_deref() else {
            return matches!(
                flow,
                F::AllowRefreshTokenAuth | F::AllowUserSrpAuth | F::AllowCustomAuth
            );
        };
        // The legacy values name the same flows, and with them refreshing
        // needs no value of its own.
        let legacy = |old: F| flows.contains(&old);
        flows.contains(&flow)
            || match flow {
                F::AllowAdminUserPasswordAuth => legacy(F::AdminNoSrpAuth),
                F::AllowUserPasswordAuth => legacy(F::UserPasswordAuth),
                F::AllowCustomAuth => legacy(F::CustomAuthFlowOnly),
                F::AllowRefreshTokenAuth => {
                    flows.is_empty()
                        || legacy(F::AdminNoSrpAuth)
                        || legacy(F::UserPasswordAuth)
                        || legacy(F::CustomAuthFlowOnly)
                }
                F::AllowUserSrpAuth => flows.is_empty(),
                _ => false,
            }
    }

    /// Whether it may use `flow` of the OAuth endpoints.
    pub fn allows_oauth(&self, flow: OAuthFlow) -> bool {
        self.settings.oauth_enabled && self.settings.allowed_oauth_flows.contains(&flow)
    }

    /// Whether local users can use the hosted pages with it.
    pub fn signs_in_local_users(&self) -> bool {
        self.settings
            .identity_providers
            .iter()
            .any(|provider| provider == "COGNITO")
    }

    /// Whether it hides which users exist.
    pub fn hides_users(&self) -> bool {
        self.settings.prevent_user_existence_errors == Some(PreventUserExistenceErrors::Enabled)
    }

    /// Whether its tokens can be revoked: yes by default.
    pub fn revokes(&self) -> bool {
        self.settings.token_revocation.unwrap_or(true)
    }

    /// Whether a refresh makes a new refresh token.
    pub fn rotates(&self) -> bool {
        self.settings.rotation.is_some_and(|r| r.enabled)
    }

    /// How long access tokens are valid.
    pub fn access_validity(&self) -> Duration {
        self.settings.access_validity()
    }

    /// How long ID tokens are valid.
    pub fn id_validity(&self) -> Duration {
        self.settings.id_validity()
    }

    /// How long refresh tokens are valid.
    pub fn refresh_validity(&self) -> Duration {
        self.settings.refresh_validity()
    }

    /// How long the session of a challenge is valid.
    pub fn session_validity(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.auth_session_minutes.unwrap_or(3)) * 60)
    }
}

impl ClientSettings {
    fn access_validity(&self) -> Duration {
        let unit = self.units.and_then(|u| u.access).unwrap_or(TimeUnit::Hours);
        self.access_validity.map_or(HOUR, |n| unit.times(n))
    }

    fn id_validity(&self) -> Duration {
        let unit = self.units.and_then(|u| u.id).unwrap_or(TimeUnit::Hours);
        self.id_validity.map_or(HOUR, |n| unit.times(n))
    }

    fn refresh_validity(&self) -> Duration {
        let unit = self.units.and_then(|u| u.refresh).unwrap_or(TimeUnit::Days);
        match self.refresh_validity {
            None | Some(0) => 30 * DAY,
            Some(n) => unit.times(n),
        }
    }

    /// Checks the rules that need no pool.
    ///
    /// # Errors
    /// Cognito's refusals of `CreateUserPoolClient` and
    /// `UpdateUserPoolClient`.
    pub fn check(&self, has_secret: bool) -> Result<(), Error> {
        self.check_validities()?;
        self.check_oauth(has_secret)?;
        for url in self.callback_urls.iter().chain(&self.logout_urls) {
            check_redirect(url)?;
        }
        match &self.default_redirect_uri {
            Some(url) if !self.callback_urls.contains(url) => Err(Error::invalid(
                "DefaultRedirectURI must be in the CallbackURLs list.",
            )),
            _ => Ok(()),
        }
    }

    fn check_validities(&self) -> Result<(), Error> {
        let short = 300..=86_400;
        let long = 3600..=3650 * 86_400;
        let fine = short.contains(&self.access_validity().as_secs())
            && short.contains(&self.id_validity().as_secs())
            && long.contains(&self.refresh_validity().as_secs());
        if fine {
            Ok(())
        } else {
            Err(Error::invalid("Invalid range for token validity."))
        }
    }

    fn check_oauth(&self, has_secret: bool) -> Result<(), Error> {
        let flows = &self.allowed_oauth_flows;
        if self.oauth_enabled && (flows.is_empty() || self.allowed_oauth_scopes.is_empty()) {
            return Err(Error::invalid(
                "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is \
                 allowed to use OAuth flows.",
            ));
        }
        if flows.contains(&OAuthFlow::ClientCredentials) {
            let problem = if flows.len() > 1 {
                "along with code flow or implicit flow."
            } else if !has_secret {
                "if client does not have a client secret."
            } else {
                return Ok(());
            };
            return Err(Error::InvalidOAuthFlow(format!(
                "client_credentials flow can not be selected {problem}"
            )));
        }
        Ok(())
    }
}

fn listed(list: Option<&[String]>, attribute: &str) -> bool {
    match list {
        Some(list) => list.iter().any(|entry| entry == attribute),
        None => !attribute.starts_with("custom:") && !attribute.starts_with("dev:"),
    }
}

/// HTTPS, or HTTP at this machine, or a scheme of an app's own; never a
/// fragment (service model, `CallbackURLs`).
fn check_redirect(text: &str) -> Result<(), Error> {
    let url =
        Url::parse(text).map_err(|_| Error::invalid(format!("{text} is not an absolute URI.")))?;
    if url.fragment().is_some() {
        return Err(Error::invalid(format!("{text} cannot contain a fragment.")));
    }
    if matches!(url.scheme(), "javascript" | "data" | "file" | "vbscript") {
        return Err(Error::invalid(format!(
            "{text} cannot use the {} scheme.",
            url.scheme()
        )));
    }
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "http" && !local {
        return Err(Error::invalid(format!(
            "{text} cannot use the HTTP protocol."
        )));
    }
    Ok(())
}
