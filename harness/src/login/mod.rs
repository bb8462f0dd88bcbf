//! Ways to log in, behind one trait; they must agree on the claims.

use foundation::secret::Secret;
use futures_util::future::BoxFuture;

pub mod browser;
mod code_flow;
pub mod http;
pub mod kubelogin;

use crate::client::Broken;

/// Which way to log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// The form driver: the pages without a browser.
    #[default]
    Http,
    /// A headless Chromium.
    Browser,
    /// The real kubelogin.
    Kubelogin,
}

/// Where an issuer says what it has (OpenID Connect Discovery 1.0, section 4).
pub(crate) fn discovery_url(issuer: &str) -> String {
    let issuer = issuer.trim_end_matches('/');
    format!("{issuer}/.well-known/openid-configuration")
}

/// A way to log in.
pub trait Login: Send + Sync {
    /// Logs somebody in.
    fn login<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Session, Refusal>>;
}

/// Who logs in where, and with what.
#[derive(Clone, Debug)]
pub struct Request {
    /// The issuer's URL; everything else is discovered.
    pub issuer: String,
    /// The app client.
    pub client_id: String,
    /// What is typed into the first field.
    pub username: String,
    /// What is typed into the second.
    pub password: Secret<String>,
    /// What is chosen when a new password is asked for.
    pub new_password: Secret<String>,
    /// Default `openid`, as kubelogin asks.
    pub scope: String,
    /// Default kubelogin's first.
    pub redirect_uri: String,
}

/// What a login leaves behind.
#[derive(Clone, Debug)]
pub struct Session {
    /// The ID token.
    pub id_token: Secret<String>,
    /// The access token, if the driver gets to see one.
    pub access_token: Option<Secret<String>>,
    /// The refresh token, if one came.
    pub refresh_token: Option<Secret<String>>,
    /// Whether a new password was asked for and set.
    pub password_changed: bool,
    /// The requests on the way, without queries and bodies.
    pub trace: Vec<String>,
}

/// Why there is no session.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The provider said no, in these words.
    #[error("{because}")]
    Refused {
        /// The provider's words.
        because: String,
        /// The requests on the way.
        trace: Vec<String>,
    },
    /// The driver cannot do what was asked of it.
    #[error("{0}")]
    Unable(String),
    /// The rig failed.
    #[error(transparent)]
    Broken(#[from] Broken),
}
