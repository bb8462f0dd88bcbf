//! Ends of sign-ins: for the calls that ask Cognito. A JWT verifies on its
//! own until it expires, so that `kubectl` goes on working until then.

use foundation::secret::Secret;

use super::exchange::ClientAuth;
use super::{Idp, ids};
use crate::domain::grant::SecretKey;
use crate::domain::{Client, ClientId, Error, OAuthError, PoolId, User};

impl Idp {
    /// `RevokeToken`: ends a refresh token and the access tokens of the same
    /// sign-in. An unknown token is no error (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// [`Error::UnsupportedOperation`] where the client does not revoke,
    /// [`Error::UnsupportedTokenType`] for other tokens, and
    /// [`Error::Unauthorized`] for a wrong secret or another client's token.
    pub fn revoke_token(
        &self,
        client: &ClientId,
        token: &Secret<String>,
        secret: Option<&str>,
    ) -> Result<(), Error> {
        let client = self
            .client(client)
            .map_err(|_| Error::Unauthorized("Invalid client.".into()))?;
        let right = match (&client.secret, secret) {
            (None, None) => true,
            (Some(own), Some(offered)) => own.matches(offered),
            _ => false,
        };
        if !right {
            return Err(Error::Unauthorized("Invalid client secret.".into()));
        }
        self.revoke(&client, token.expose())
    }

    /// The same at `/oauth2/revoke` (RFC 7009).
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`] without a token or where the client does
    /// not revoke, [`OAuthError::UnsupportedTokenType`],
    /// [`OAuthError::InvalidClient`].
    pub fn oauth_revoke(
        &self,
        pool: &PoolId,
        auth: &ClientAuth,
        token: Option<&str>,
    ) -> Result<(), OAuthError> {
        let token = token.ok_or(OAuthError::InvalidRequest)?;
        let client = self.authenticate_client(pool, auth)?;
        self.revoke(&client, token).map_err(|error| match error {
            Error::UnsupportedTokenType(_) => OAuthError::UnsupportedTokenType,
            Error::Unauthorized(_) => OAuthError::InvalidClient,
            _ => OAuthError::InvalidRequest,
        })
    }

    fn revoke(&self, client: &Client, token: &str) -> Result<(), Error> {
        if !client.revokes() {
            return Err(Error::UnsupportedOperation(
                "Please enable token revocation for this client.".into(),
            ));
        }
        let key = SecretKey::of(token);
        match self.store().refresh(&key) {
            Some(record) if record.grant.client != client.id => Err(Error::Unauthorized(
                "The token was not issued to this client.".into(),
            )),
            Some(_) => {
                self.store().revoke_refresh(&key);
                Ok(())
            }
            None if token.split('.').count() == 3 && !ids::is_refresh_token(token) => Err(
                Error::UnsupportedTokenType("Token type is not supported for revocation.".into()),
            ),
            None => Ok(()),
        }
    }

    /// `AdminUserGlobalSignOut`. The hosted pages' cookie survives it.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], [`Error::UserNotFound`].
    pub fn admin_user_global_sign_out(&self, pool: &PoolId, username: &str) -> Result<(), Error> {
        let user = self.user(pool, username)?;
        self.sign_out_everywhere(&user)
    }

    /// `GlobalSignOut`.
    ///
    /// # Errors
    /// As [`Idp::get_user`].
    pub async fn global_sign_out(&self, access_token: &str) -> Result<(), Error> {
        let account = self.get_user(access_token).await?;
        self.sign_out_everywhere(&account.user)
    }

    /// Calls off every token of `user`.
    pub(super) fn sign_out_everywhere(&self, user: &User) -> Result<(), Error> {
        let now = self.now();
        self.store().revoke_user(&user.pool, &user.id);
        self.store()
            .update_user(&user.pool, &user.id, &mut |user| {
                user.signed_out = Some(now);
                Ok(())
            })
            .map(drop)
            .map_err(|refused| refused.or(|| Error::UserNotFound, || Error::UserNotFound))
    }
}
