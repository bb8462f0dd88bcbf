//! The authorize request: checked, and once somebody has signed in, answered.

use std::sync::Arc;
use std::time::Duration;

use super::sign_in::Authenticated;
use super::{Idp, after, ids};
use crate::domain::client::OAuthFlow;
use crate::domain::grant::{CodeGrant, Grant, SecretKey, Via};
use crate::domain::scope::{OPENID, Scopes};
use crate::domain::{Client, ClientId, Error, OAuthError, Pool, PoolId};

/// The parameters of an authorize request, as sent (RFC 6749 section 4.1.1,
/// RFC 7636 section 4.3, OpenID Connect Core section 3.1.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the RFCs")]
pub struct AuthorizeParams {
    pub response_type: Option<String>,
    pub client_id: Option<String>,
    pub redirect_uri: Option<String>,
    pub state: Option<String>,
    pub scope: Option<String>,
    pub nonce: Option<String>,
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
}

/// An authorize request found to be in order.
#[derive(Clone, Debug)]
pub struct AuthorizeRequest {
    /// The pool.
    pub pool: Arc<Pool>,
    /// The client.
    pub client: Arc<Client>,
    /// Code or tokens.
    pub response: Response,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Given back as it came.
    pub state: Option<String>,
    /// What is granted.
    pub scopes: Scopes,
    /// Goes into the ID token.
    pub nonce: Option<String>,
    /// The S256 challenge.
    pub pkce: Option<String>,
}

impl AuthorizeRequest {
    fn answer(&self, params: &[(&str, &str)]) -> String {
        answer(
            &self.redirect_uri,
            self.response,
            params,
            self.state.as_deref(),
        )
    }
}

/// `response_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// An authorization code, in the query.
    Code,
    /// Tokens, in the fragment.
    Token,
}

/// Why an authorize request is not in order, and who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizeRefusal {
    /// The person, on a page: the redirect URI cannot be trusted.
    Page {
        /// What is wrong.
        error: PageError,
        /// The client as named.
        client_id: Option<String>,
    },
    /// The client, by a redirect to this location.
    Redirect {
        /// The value of `Location`.
        location: String,
        /// What is wrong.
        error: OAuthError,
    },
}

/// What an error page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError {
    /// A parameter is missing or makes no sense.
    InvalidRequest,
    /// The pool has no such client.
    ClientDoesNotExist,
    /// The URI is not among the client's.
    RedirectMismatch,
    /// The client lets nobody sign in: `SupportedIdentityProviders` is empty.
    NoIdentityProvider,
}

/// The parameters of `/logout`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as Cognito names them")]
pub struct LogoutParams {
    pub client_id: Option<String>,
    pub logout_uri: Option<String>,
    pub redirect_uri: Option<String>,
    pub response_type: Option<String>,
}

/// Where `/logout` leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutTarget {
    /// To one of the client's logout URLs.
    Uri(String),
    /// To the login page, with the parameters of the request.
    Login,
}

/// How long a code is valid (Cognito developer guide, "Authorize endpoint").
const CODE: Duration = Duration::from_secs(300);

impl Idp {
    /// Checks an authorize request at the domain of `pool`.
    ///
    /// # Errors
    /// [`AuthorizeRefusal::Page`] as long as client and redirect URI are in
    /// doubt, and then [`AuthorizeRefusal::Redirect`].
    pub fn validate_authorize(
        &self,
        pool: &PoolId,
        params: &AuthorizeParams,
    ) -> Result<AuthorizeRequest, AuthorizeRefusal> {
        let (client, redirect_uri) = self.trusted(pool, params).map_err(|error| {
            let client_id = params.client_id.clone();
            AuthorizeRefusal::Page { error, client_id }
        })?;
        let page = |error| AuthorizeRefusal::Page {
            error,
            client_id: params.client_id.clone(),
        };
        let response = match params.response_type.as_deref() {
            Some("token") => Response::Token,
            Some("code") | None => Response::Code,
            Some(_) => return Err(page(PageError::InvalidRequest)),
        };
        check(&client, response, params)
            .map_err(|error| AuthorizeRefusal::Redirect {
                location: answer(
                    &redirect_uri,
                    response,
                    &[("error", error_code(error))],
                    params.state.as_deref(),
                ),
                error,
            })
            .and_then(|scopes| {
                Ok(AuthorizeRequest {
                    pool: self
                        .pool(pool)
                        .map_err(|_| page(PageError::ClientDoesNotExist))?,
                    response,
                    redirect_uri: redirect_uri.clone(),
                    state: params.state.clone(),
                    scopes,
                    nonce: params.nonce.clone(),
                    pkce: params.code_challenge.clone(),
                    client,
                })
            })
    }

    /// The client and the redirect URI, if both are known.
    fn trusted(
        &self,
        pool: &PoolId,
        params: &AuthorizeParams,
    ) -> Result<(Arc<Client>, String), PageError> {
        let id = params.client_id.as_deref();
        let id = id.filter(|id| !id.is_empty());
        let client = self.known_client(pool, id.ok_or(PageError::InvalidRequest)?)?;
        let uri = params.redirect_uri.as_ref();
        let uri = uri.or(client.settings.default_redirect_uri.as_ref());
        let uri = uri.ok_or(PageError::InvalidRequest)?.clone();
        if !client.settings.callback_urls.contains(&uri) {
            return Err(PageError::RedirectMismatch);
        }
        if !client.signs_in_local_users() {
            return Err(PageError::NoIdentityProvider);
        }
        Ok((client, uri))
    }

    fn known_client(&self, pool: &PoolId, id: &str) -> Result<Arc<Client>, PageError> {
        self.client_in(pool, &ClientId::from(id))
            .map_err(|_| PageError::ClientDoesNotExist)
    }

    /// Answers the request for somebody who has signed in: the location to
    /// redirect to, with a code in the query or tokens in the fragment.
    ///
    /// # Errors
    /// [`Error::Internal`], as [`Idp::keys`].
    pub async fn authorized(
        &self,
        request: &AuthorizeRequest,
        who: &Authenticated,
    ) -> Result<String, Error> {
        let grant = Grant {
            scopes: request.scopes.clone(),
            nonce: request.nonce.clone(),
            ..self.grant(&request.client, &who.user, Via::OAuth, who.auth_time)
        };
        match request.response {
            Response::Code => {
                let code = self.issue_code(request, grant);
                Ok(request.answer(&[("code", &code)]))
            }
            Response::Token => {
                let client = &request.client;
                let tokens = self.mint(client, &who.user, &grant, Via::OAuth, None);
                let tokens = tokens.await?;
                let expires_in = tokens.expires_in.as_secs().to_string();
                let mut params = vec![
                    ("access_token", tokens.access.expose().as_str()),
                    ("expires_in", &expires_in),
                    ("token_type", "Bearer"),
                ];
                if let Some(id) = &tokens.id {
                    params.insert(0, ("id_token", id.expose()));
                }
                Ok(request.answer(&params))
            }
        }
    }

    /// Refuses a request that was in order: the location to redirect to.
    pub fn refuse(&self, request: &AuthorizeRequest, error: OAuthError) -> String {
        request.answer(&[("error", error_code(error))])
    }

    fn issue_code(&self, request: &AuthorizeRequest, grant: Grant) -> String {
        let code = ids::code();
        let record = CodeGrant {
            grant,
            redirect_uri: request.redirect_uri.clone(),
            pkce: request.pkce.clone(),
            expires: after(self.now(), CODE),
        };
        self.store()
            .put_code(SecretKey::of(&code), record, self.now());
        code
    }

    /// Checks where `/logout` is to lead.
    ///
    /// # Errors
    /// What the error page says.
    pub fn logout_target(
        &self,
        pool: &PoolId,
        params: &LogoutParams,
    ) -> Result<LogoutTarget, PageError> {
        let id = params.client_id.as_deref();
        let client = self.known_client(pool, id.ok_or(PageError::InvalidRequest)?)?;
        if let Some(uri) = &params.logout_uri {
            return if client.settings.logout_urls.contains(uri) {
                Ok(LogoutTarget::Uri(uri.clone()))
            } else {
                Err(PageError::RedirectMismatch)
            };
        }
        match &params.redirect_uri {
            Some(uri) if !client.settings.callback_urls.contains(uri) => {
                Err(PageError::RedirectMismatch)
            }
            Some(_) if params.response_type.is_some() => Ok(LogoutTarget::Login),
            _ => Err(PageError::InvalidRequest),
        }
    }
}

/// What is told to the client: response type, PKCE, scopes.
fn check(
    client: &Client,
    response: Response,
    params: &AuthorizeParams,
) -> Result<Scopes, OAuthError> {
    if params.response_type.is_none() {
        return Err(OAuthError::InvalidRequest);
    }
    let flow = match response {
        Response::Code => OAuthFlow::Code,
        Response::Token => OAuthFlow::Implicit,
    };
    if !client.allows_oauth(flow) {
        return Err(OAuthError::UnauthorizedClient);
    }
    // RFC 7636 lets a missing method mean `plain`; Cognito has S256 alone.
    match (&params.code_challenge, &params.code_challenge_method) {
        (None, None) => {}
        (Some(challenge), Some(method)) if method == "S256" && !challenge.is_empty() => {}
        _ => return Err(OAuthError::InvalidRequest),
    }
    scopes(client, params.scope.as_deref().unwrap_or_default())
}

fn scopes(client: &Client, asked: &str) -> Result<Scopes, OAuthError> {
    let allowed = &client.settings.allowed_oauth_scopes;
    let asked = Scopes::parse(asked);
    if asked.is_empty() {
        return Ok(allowed.iter().map(String::as_str).collect());
    }
    let known = asked.iter().all(|scope| allowed.iter().any(|s| s == scope));
    let of_openid = ["email", "phone", "profile"];
    let orphaned = !asked.contains(OPENID) && of_openid.iter().any(|s| asked.contains(s));
    if known && !orphaned {
        Ok(asked)
    } else {
        Err(OAuthError::InvalidScope)
    }
}

/// The code of RFC 6749 or its companions for `error`.
pub fn error_code(error: OAuthError) -> &'static str {
    match error {
        OAuthError::InvalidRequest => "invalid_request",
        OAuthError::InvalidClient => "invalid_client",
        OAuthError::InvalidGrant => "invalid_grant",
        OAuthError::UnauthorizedClient => "unauthorized_client",
        OAuthError::UnsupportedGrantType => "unsupported_grant_type",
        OAuthError::UnsupportedTokenType => "unsupported_token_type",
        OAuthError::InvalidScope => "invalid_scope",
        OAuthError::LoginRequired => "login_required",
        OAuthError::ServerError => "server_error",
    }
}

/// The redirect URI with `params` and `state` added: to the query, or to the
/// fragment where tokens were asked for.
fn answer(uri: &str, response: Response, params: &[(&str, &str)], state: Option<&str>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(params);
    if let Some(state) = state {
        form.append_pair("state", state);
    }
    let separator = match response {
        Response::Token => '#',
        Response::Code if uri.contains('?') => '&',
        Response::Code => '?',
    };
    format!("{uri}{separator}{}", form.finish())
}
