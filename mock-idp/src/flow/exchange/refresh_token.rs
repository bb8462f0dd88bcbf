//! `grant_type=refresh_token` (RFC 6749 section 6), and the same by the AWS
//! API: `REFRESH_TOKEN_AUTH` and `GetTokensFromRefreshToken`.
//!
//! Groups and attributes are read again; `auth_time` and `origin_jti` stay.

use std::sync::Arc;
use std::time::Duration;

use foundation::secret::Secret;

use super::TokenRequest;
use crate::domain::grant::{RefreshGrant, SecretKey, Via};
use crate::domain::token::TokenSet;
use crate::domain::{Client, ClientId, Error, OAuthError, User};
use crate::flow::{Idp, after, sign_in};

impl Idp {
    pub(super) async fn exchange_refresh(
        &self,
        client: &Client,
        request: &TokenRequest,
    ) -> Result<TokenSet, OAuthError> {
        let token = request.refresh_token.as_ref();
        let token = token.ok_or(OAuthError::InvalidRequest)?.expose();
        let (record, user) = self
            .usable(client, token)
            .map_err(|_| OAuthError::InvalidGrant)?;
        self.refreshed(client, token, &record, &user, Via::OAuth)
            .await
            .map_err(|error| match error {
                Error::Internal(_) => OAuthError::ServerError,
                _ => OAuthError::InvalidGrant,
            })
    }

    pub(in crate::flow) async fn refresh_by_api(
        &self,
        client: &Client,
        token: &Secret<String>,
        secret_hash: Option<&str>,
    ) -> Result<TokenSet, Error> {
        let token = token.expose();
        let (record, user) = self.usable(client, token)?;
        let mut names = vec![user.username.as_str(), user.id.as_str()];
        names.extend(user.attributes.get("email"));
        sign_in::check_secret_hash(client, &names, secret_hash)?;
        self.refreshed(client, token, &record, &user, Via::Api)
            .await
    }

    /// `GetTokensFromRefreshToken`, which takes the client's secret itself and
    /// is the only way where refresh tokens rotate.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`], or [`Error::RefreshTokenReuse`] for a token
    /// that rotation has replaced.
    pub async fn tokens_from_refresh_token(
        &self,
        client: &ClientId,
        token: &Secret<String>,
        secret: Option<&str>,
    ) -> Result<TokenSet, Error> {
        let client = self.client(client)?;
        let right = match (&client.secret, secret) {
            (None, _) => true,
            (Some(own), Some(offered)) => own.matches(offered),
            (Some(_), None) => false,
        };
        if !right {
            return Err(Error::not_authorized(format!(
                "Client secret does not match for the client: {}",
                client.id
            )));
        }
        let token = token.expose();
        let (record, user) = self.usable(&client, token)?;
        self.refreshed(&client, token, &record, &user, Via::Api)
            .await
    }

    fn usable(&self, client: &Client, token: &str) -> Result<(RefreshGrant, Arc<User>), Error> {
        let record = self
            .store()
            .refresh(&SecretKey::of(token))
            .filter(|record| record.grant.client == client.id)
            .ok_or_else(|| Error::not_authorized("Invalid Refresh Token"))?;
        let user = self.store().user(&record.grant.pool, &record.grant.user);
        if user.as_ref().is_some_and(|user| !user.enabled) {
            return Err(Error::not_authorized("User is disabled."));
        }
        let user = user.filter(|_| !record.revoked);
        let user = user.ok_or_else(|| Error::not_authorized("Refresh Token has been revoked"))?;
        if record.expires <= self.now() {
            return Err(Error::not_authorized("Refresh Token has expired"));
        }
        let grace = client.settings.rotation.and_then(|r| r.grace_seconds);
        let grace = Duration::from_secs(u64::from(grace.unwrap_or(0)));
        if record
            .replaced
            .is_some_and(|at| after(at, grace) <= self.now())
        {
            return Err(Error::RefreshTokenReuse(
                "Refresh token reuse detected.".into(),
            ));
        }
        Ok((record, user))
    }

    async fn refreshed(
        &self,
        client: &Client,
        token: &str,
        record: &RefreshGrant,
        user: &User,
        front: Via,
    ) -> Result<TokenSet, Error> {
        let next = client.rotates().then(|| {
            self.store()
                .replace_refresh(&SecretKey::of(token), self.now());
            // The new one lives as long as the first one would have.
            self.refresh_token(&record.grant, record.expires)
        });
        self.mint(client, user, &record.grant, front, next).await
    }
}
