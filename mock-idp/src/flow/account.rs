//! What an access token opens: `GetUser` and userInfo.

use std::sync::Arc;

use super::Idp;
use crate::domain::scope::{OPENID, USER_ADMIN};
use crate::domain::{Client, Error, PoolId, User};
use crate::issuer::{self, AccessToken};

/// A user's own account, as far as the token's client reads it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user.
    pub user: Arc<User>,
    /// The canonical user name.
    pub username: String,
    /// The attributes that the client reads.
    pub attributes: Vec<(String, String)>,
}

/// Why userInfo refuses a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserInfoRefusal {
    /// It is expired, revoked, no access token, of another pool, or without
    /// the scope `openid`.
    InvalidToken,
}

impl Idp {
    /// `GetUser`.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`] in Cognito's words for each way in which a
    /// token does not do, and [`Error::UserNotFound`].
    pub async fn get_user(&self, access_token: &str) -> Result<Account, Error> {
        let (token, client, user) = self.open(access_token).await?;
        if !token.scopes.contains(USER_ADMIN) {
            return Err(Error::not_authorized(
                "Access Token does not have required scopes",
            ));
        }
        let attributes = user.attributes.iter();
        let attributes = attributes.filter(|(name, _)| client.reads(name));
        Ok(Account {
            username: user.username.clone(),
            attributes: attributes
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            user,
        })
    }

    /// userInfo at the domain of `pool` (OpenID Connect Core section 5.3):
    /// claims in order, all of them strings, as Cognito has them, with
    /// `email_verified` a string too.
    ///
    /// # Errors
    /// [`UserInfoRefusal`].
    pub async fn user_info(
        &self,
        pool: &PoolId,
        access_token: &str,
    ) -> Result<Vec<(String, String)>, UserInfoRefusal> {
        let opened = self.open(access_token).await;
        let (token, client, user) = opened.map_err(|_| UserInfoRefusal::InvalidToken)?;
        if token.pool != *pool || !token.scopes.contains(OPENID) {
            return Err(UserInfoRefusal::InvalidToken);
        }
        let shown = |name: &str| client.reads(name) && token.scopes.admit(name);
        let attributes = user.attributes.iter().filter(|(name, _)| shown(name));
        let mut claims: Vec<(String, String)> = attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        claims.push(("username".into(), user.username.clone()));
        Ok(claims)
    }

    /// Checks an access token and finds what it names.
    async fn open(&self, token: &str) -> Result<(AccessToken, Arc<Client>, Arc<User>), Error> {
        let invalid = || Error::not_authorized("Invalid Access Token");
        let issuer = issuer::unverified_issuer(token).ok_or_else(invalid)?;
        let pool = self.address().pool_of_issuer(&issuer)?;
        let keys = self.keys(&pool).await.map_err(|_| invalid())?;
        let token = issuer::read_access_token(token, &pool, &keys, self.now())?;
        let user = self.store().user(&pool, &token.user);
        let user = user.ok_or(Error::UserNotFound)?;
        if !user.enabled {
            return Err(Error::not_authorized("User is disabled."));
        }
        if self.called_off(&token, &user) {
            return Err(Error::not_authorized("Access Token has been revoked"));
        }
        let client = self.client(&token.client).map_err(|_| invalid())?;
        Ok((token, client, user))
    }

    fn called_off(&self, token: &AccessToken, user: &User) -> bool {
        match &token.origin_jti {
            Some(origin) => self.store().is_revoked(origin),
            // Without it there is only the time, which tokens have to the
            // second.
            None => user
                .signed_out
                .is_some_and(|at| token.issued <= at.as_second()),
        }
    }
}
