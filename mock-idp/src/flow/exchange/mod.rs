//! The token endpoint: a grant → tokens.

mod authorization_code;
mod refresh_token;

use std::sync::Arc;

use foundation::secret::Secret;

use super::Idp;
use crate::domain::grant::Grant;
use crate::domain::token::TokenSet;
use crate::domain::{Client, ClientId, OAuthError, PoolId, User};

/// How a client presents itself: by HTTP Basic or in the form (RFC 6749
/// section 2.3.1), or, without a secret, by its id alone.
#[derive(Clone, Debug, Default)]
pub struct ClientAuth {
    /// `client_id`.
    pub id: Option<String>,
    /// `client_secret`; an empty one is none, because Go's oauth2 package
    /// sends one for public clients.
    pub secret: Option<Secret<String>>,
}

/// The parameters of a token request, as sent.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "named as in RFC 6749 and RFC 7636")]
pub struct TokenRequest {
    pub grant_type: Option<String>,
    pub code: Option<Secret<String>>,
    pub redirect_uri: Option<String>,
    pub code_verifier: Option<Secret<String>>,
    pub refresh_token: Option<Secret<String>>,
}

impl Idp {
    /// Answers a token request at the domain of `pool`.
    ///
    /// # Errors
    /// RFC 6749 section 5.2. A client that fails to authenticate does not use
    /// up the code: clients try one way of authentication and then the other.
    pub async fn exchange(
        &self,
        pool: &PoolId,
        auth: &ClientAuth,
        request: &TokenRequest,
    ) -> Result<TokenSet, OAuthError> {
        let grant_type = request.grant_type.as_deref();
        let grant_type = grant_type.ok_or(OAuthError::InvalidRequest)?;
        let client = self.authenticate_client(pool, auth)?;
        match grant_type {
            "authorization_code" => self.exchange_code(&client, request).await,
            "refresh_token" => self.exchange_refresh(&client, request).await,
            _ => Err(OAuthError::UnsupportedGrantType),
        }
    }

    pub(super) fn authenticate_client(
        &self,
        pool: &PoolId,
        auth: &ClientAuth,
    ) -> Result<Arc<Client>, OAuthError> {
        let id = auth.id.as_deref().filter(|id| !id.is_empty());
        let id = ClientId::from(id.ok_or(OAuthError::InvalidRequest)?);
        let client = self.client_in(pool, &id);
        let client = client.map_err(|_| OAuthError::InvalidClient)?;
        let offered = auth.secret.as_ref().filter(|s| !s.expose().is_empty());
        let right = match (&client.secret, offered) {
            (None, None) => true,
            (Some(secret), Some(offered)) => secret.matches(offered.expose()),
            _ => false,
        };
        if right {
            Ok(client)
        } else {
            Err(OAuthError::InvalidClient)
        }
    }

    /// The user of a grant, if tokens can still be had for them.
    fn user_of(&self, grant: &Grant) -> Option<Arc<User>> {
        let user = self.store().user(&grant.pool, &grant.user)?;
        user.enabled.then_some(user)
    }
}
