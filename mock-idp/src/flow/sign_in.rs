//! Credentials → authenticated, or the next challenge. The AWS API and the
//! hosted pages share it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foundation::secret::Secret;
use jiff::Timestamp;

use super::{Idp, after, ids};
use crate::domain::client::ExplicitAuthFlow;
use crate::domain::grant::{BrowserSession, ChallengeSession, SecretKey, Via};
use crate::domain::password::PasswordHash;
use crate::domain::token::TokenSet;
use crate::domain::user::{Change, UserStatus, check_attributes};
use crate::domain::{Client, ClientId, Error, Pool, PoolId, User};

/// `AuthFlow` of `InitiateAuth` and `AdminInitiateAuth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are AWS's values")]
pub enum AuthFlow {
    UserPassword,
    AdminUserPassword,
    UserSrp,
    Refresh,
    Custom,
    UserAuth,
}

/// `InitiateAuth`, or `AdminInitiateAuth` where `pool` is given.
#[derive(Clone, Debug)]
pub struct InitiateAuth {
    /// The pool that the admin call names.
    pub pool: Option<PoolId>,
    /// The client.
    pub client: ClientId,
    /// The flow.
    pub flow: AuthFlow,
    /// Who signs in.
    pub username: Option<String>,
    /// With which password.
    pub password: Option<Secret<String>>,
    /// What to refresh with.
    pub refresh_token: Option<Secret<String>>,
    /// `SECRET_HASH`.
    pub secret_hash: Option<String>,
}

/// The answer to the challenge `NEW_PASSWORD_REQUIRED`.
#[derive(Clone, Debug)]
pub struct NewPasswordAnswer {
    /// The pool that the admin call names.
    pub pool: Option<PoolId>,
    /// The client.
    pub client: ClientId,
    /// The challenge's session.
    pub session: Option<Secret<String>>,
    /// Who answers.
    pub username: Option<String>,
    /// The new password.
    pub new_password: Option<Secret<String>>,
    /// `SECRET_HASH`.
    pub secret_hash: Option<String>,
    /// Attributes set on the way, without `userAttributes.` in front.
    pub attributes: Vec<(String, String)>,
}

/// What `InitiateAuth` and its like end in.
#[derive(Clone, Debug)]
pub enum AuthOutcome {
    /// Signed in.
    Tokens(TokenSet),
    /// A temporary password was right and must be replaced.
    NewPasswordRequired(NewPasswordChallenge),
}

/// What a password ends in, before any token.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// Signed in.
    Authenticated(Authenticated),
    /// A temporary password was right and must be replaced.
    NewPasswordRequired(NewPasswordChallenge),
}

/// Who has signed in, and when.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The pool.
    pub pool: Arc<Pool>,
    /// The user.
    pub user: Arc<User>,
    /// When.
    pub auth_time: Timestamp,
}

/// The challenge `NEW_PASSWORD_REQUIRED`.
#[derive(Clone, Debug)]
pub struct NewPasswordChallenge {
    /// Answers it once, for some minutes.
    pub session: Secret<String>,
    /// The user; `USER_ID_FOR_SRP` is the user name.
    pub user: Arc<User>,
    /// Required attributes that the user lacks.
    pub required: Vec<String>,
}

/// How long the hosted pages remember a browser (Cognito developer guide,
/// "Authorize endpoint").
const BROWSER_SESSION: Duration = Duration::from_secs(3600);

impl Idp {
    /// `InitiateAuth` and `AdminInitiateAuth` by password or refresh token.
    ///
    /// # Errors
    /// Cognito's, in its order: client, flow, secret, user, state, password.
    pub async fn initiate_auth(&self, call: InitiateAuth) -> Result<AuthOutcome, Error> {
        let client = self.client_of_call(call.pool.as_ref(), &call.client)?;
        check_flow(&client, call.flow, call.pool.is_some())?;
        if call.flow == AuthFlow::Refresh {
            let token = required(call.refresh_token.as_ref(), "REFRESH_TOKEN")?;
            let tokens = self
                .refresh_by_api(&client, token, call.secret_hash.as_deref())
                .await?;
            return Ok(AuthOutcome::Tokens(tokens));
        }
        let username = required(call.username.as_ref(), "USERNAME")?;
        check_secret_hash(&client, &[username], call.secret_hash.as_deref())?;
        let password = required(call.password.as_ref(), "PASSWORD")?;
        let pool = self.pool(&client.pool)?;
        match self.check_password(&pool, &client, username, password)? {
            SignIn::Authenticated(who) => self.tokens_by_api(&client, &who).await,
            SignIn::NewPasswordRequired(challenge) => {
                Ok(AuthOutcome::NewPasswordRequired(challenge))
            }
        }
    }

    /// `RespondToAuthChallenge` and `AdminRespondToAuthChallenge` for
    /// `NEW_PASSWORD_REQUIRED`.
    ///
    /// # Errors
    /// Cognito's; one that concerns the new password or the attributes leaves
    /// the session usable.
    pub async fn respond_new_password(
        &self,
        call: NewPasswordAnswer,
    ) -> Result<AuthOutcome, Error> {
        let client = self.client_of_call(call.pool.as_ref(), &call.client)?;
        let session = required(call.session.as_ref(), "Session")?;
        let username = required(call.username.as_ref(), "USERNAME")?;
        check_secret_hash(&client, &[username], call.secret_hash.as_deref())?;
        let password = required(call.new_password.as_ref(), "NEW_PASSWORD")?;
        let who = self.answer(&client, Some(username), session, password, &call.attributes)?;
        self.tokens_by_api(&client, &who).await
    }

    /// Signs in on the hosted pages, where the client's `ExplicitAuthFlows`
    /// do not count.
    ///
    /// # Errors
    /// As [`Idp::initiate_auth`], from the user on.
    pub fn sign_in(
        &self,
        client: &ClientId,
        username: &str,
        password: &Secret<String>,
    ) -> Result<SignIn, Error> {
        let client = self.client(client)?;
        let pool = self.pool(&client.pool)?;
        self.check_password(&pool, &client, username, password)
    }

    /// Replaces a temporary password on the hosted pages.
    ///
    /// # Errors
    /// As [`Idp::respond_new_password`].
    pub fn set_new_password(
        &self,
        client: &ClientId,
        session: &Secret<String>,
        new_password: &Secret<String>,
        attributes: &[(String, String)],
    ) -> Result<Authenticated, Error> {
        let client = self.client(client)?;
        self.answer(&client, None, session, new_password, attributes)
    }

    /// What a challenge's session still asks for, to show its page again.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`] for a session that is spent or expired.
    pub fn challenge(
        &self,
        client: &ClientId,
        session: &Secret<String>,
    ) -> Result<NewPasswordChallenge, Error> {
        let client = self.client(client)?;
        let (pool, user) = self.challenged(&client, session)?;
        Ok(NewPasswordChallenge {
            session: session.clone(),
            required: missing_attributes(&pool, &user),
            user,
        })
    }

    /// Remembers a browser for an hour, and gives its cookie's value.
    pub fn open_session(&self, who: &Authenticated) -> Secret<String> {
        let cookie = ids::browser_session();
        let session = BrowserSession {
            pool: who.pool.id.clone(),
            user: who.user.id.clone(),
            auth_time: who.auth_time,
            expires: after(self.now(), BROWSER_SESSION),
        };
        self.store()
            .put_browser(SecretKey::of(&cookie), session, self.now());
        Secret::new(cookie)
    }

    /// Who a browser's cookie stands for, in this pool and no other.
    pub fn session(&self, pool: &PoolId, cookie: &str) -> Option<Authenticated> {
        let session = self.store().browser(&SecretKey::of(cookie))?;
        let user = self.store().user(pool, &session.user)?;
        (session.pool == *pool && session.expires > self.now() && user.enabled).then_some(())?;
        Some(Authenticated {
            pool: self.store().pool(pool)?,
            user,
            auth_time: session.auth_time,
        })
    }

    /// Forgets a browser.
    pub fn close_session(&self, pool: &PoolId, cookie: &str) {
        if self.session(pool, cookie).is_some() {
            self.store().take_browser(&SecretKey::of(cookie));
        }
    }

    pub(super) fn client_of_call(
        &self,
        pool: Option<&PoolId>,
        client: &ClientId,
    ) -> Result<Arc<Client>, Error> {
        match pool {
            Some(pool) => self.client_in(pool, client),
            None => self.client(client),
        }
    }

    fn check_password(
        &self,
        pool: &Arc<Pool>,
        client: &Client,
        username: &str,
        password: &Secret<String>,
    ) -> Result<SignIn, Error> {
        let now = self.now();
        let user = self.store().find_user(&pool.id, username);
        let Some(user) = user else {
            return Err(if client.hides_users() {
                Error::incorrect()
            } else {
                Error::UserNotFound
            });
        };
        check_state(&user, now)?;
        let offered = PasswordHash::of(&pool.id, &user.username, password.expose());
        if !user.password.as_ref().is_some_and(|p| p.matches(&offered)) {
            self.note(&user, |user| user.failures.record(now));
            return Err(Error::incorrect());
        }
        if !user.failures.is_clear() {
            self.note(&user, |user| user.failures = Default::default());
        }
        match user.status {
            UserStatus::Unconfirmed => Err(Error::UserNotConfirmed),
            UserStatus::ForceChangePassword => {
                if user.temporary_until.is_some_and(|until| until <= now) {
                    return Err(Error::not_authorized(
                        "Temporary password has expired and must be reset by an administrator.",
                    ));
                }
                let challenge = self.new_password_challenge(pool, client, user);
                Ok(SignIn::NewPasswordRequired(challenge))
            }
            UserStatus::Confirmed | UserStatus::ResetRequired => {
                Ok(SignIn::Authenticated(Authenticated {
                    pool: Arc::clone(pool),
                    user,
                    auth_time: now,
                }))
            }
        }
    }

    /// Writes down something about a user that is no change to the record's
    /// `modified`; a user deleted meanwhile is none.
    fn note(&self, user: &User, mut what: impl FnMut(&mut User)) {
        let _ = self.store().update_user(&user.pool, &user.id, &mut |user| {
            what(user);
            Ok(())
        });
    }

    fn new_password_challenge(
        &self,
        pool: &Pool,
        client: &Client,
        user: Arc<User>,
    ) -> NewPasswordChallenge {
        let session = ids::challenge_session();
        let record = ChallengeSession {
            pool: pool.id.clone(),
            client: client.id.clone(),
            user: user.id.clone(),
            password: user.password.clone(),
            expires: after(self.now(), client.session_validity()),
        };
        self.store()
            .put_challenge(SecretKey::of(&session), record, self.now());
        NewPasswordChallenge {
            session: Secret::new(session),
            required: missing_attributes(pool, &user),
            user,
        }
    }

    fn challenged(
        &self,
        client: &Client,
        session: &Secret<String>,
    ) -> Result<(Arc<Pool>, Arc<User>), Error> {
        let record = self
            .store()
            .challenge(&SecretKey::of(session.expose()))
            .filter(|record| record.client == client.id)
            .ok_or_else(spent)?;
        if record.expires <= self.now() {
            return Err(Error::not_authorized(
                "Invalid session for the user, session is expired.",
            ));
        }
        let user = self.store().user(&record.pool, &record.user);
        let user = user.ok_or(Error::UserNotFound)?;
        // Somebody else may have changed the password since.
        if user.password != record.password || user.status != UserStatus::ForceChangePassword {
            return Err(spent());
        }
        Ok((self.pool(&record.pool)?, user))
    }

    fn answer(
        &self,
        client: &Client,
        username: Option<&String>,
        session: &Secret<String>,
        password: &Secret<String>,
        attributes: &[(String, String)],
    ) -> Result<Authenticated, Error> {
        let now = self.now();
        let (pool, user) = self.challenged(client, session)?;
        if let Some(username) = username {
            let named = self.store().find_user(&pool.id, username);
            if named.is_none_or(|named| named.id != user.id) {
                return Err(spent());
            }
        }
        check_state(&user, now)?;
        check_answered_attributes(&pool, client, &user, attributes)?;
        pool.settings
            .password_policy
            .check(password.expose())
            .map_err(Error::InvalidPassword)?;
        // Only now, and only by one of two answers at the same time.
        self.store()
            .take_challenge(&SecretKey::of(session.expose()))
            .ok_or_else(spent)?;
        let hash = PasswordHash::of(&pool.id, &user.username, password.expose());
        let updated = self
            .store()
            .update_user(&pool.id, &user.id, &mut |user| {
                user.password = Some(hash.clone());
                user.temporary_until = None;
                user.status = UserStatus::Confirmed;
                user.modified = now;
                for (name, value) in attributes {
                    user.attributes.set(name, value);
                }
                Ok(())
            })
            .map_err(|refused| refused.or(|| Error::UserNotFound, super::admin::alias_exists))?;
        Ok(Authenticated {
            pool,
            user: updated,
            auth_time: now,
        })
    }

    async fn tokens_by_api(
        &self,
        client: &Client,
        who: &Authenticated,
    ) -> Result<AuthOutcome, Error> {
        let grant = self.grant(client, &who.user, Via::Api, who.auth_time);
        let tokens = self.first_tokens(client, &who.user, &grant, Via::Api);
        Ok(AuthOutcome::Tokens(tokens.await?))
    }
}

fn spent() -> Error {
    Error::not_authorized("Invalid session for the user, session can only be used once.")
}

fn required<'a, T>(value: Option<&'a T>, name: &str) -> Result<&'a T, Error> {
    value.ok_or_else(|| Error::invalid(format!("Missing required parameter {name}")))
}

fn check_flow(client: &Client, flow: AuthFlow, admin: bool) -> Result<(), Error> {
    use ExplicitAuthFlow as F;
    let (needed, name) = match flow {
        AuthFlow::AdminUserPassword if !admin => {
            return Err(Error::invalid("Initiate Auth method not supported"));
        }
        AuthFlow::AdminUserPassword => (F::AllowAdminUserPasswordAuth, "Auth"),
        AuthFlow::UserPassword => (F::AllowUserPasswordAuth, "USER_PASSWORD_AUTH"),
        AuthFlow::UserSrp => (F::AllowUserSrpAuth, "USER_SRP_AUTH"),
        AuthFlow::Refresh => (F::AllowRefreshTokenAuth, "REFRESH_TOKEN_AUTH"),
        AuthFlow::Custom => (F::AllowCustomAuth, "CUSTOM_AUTH"),
        AuthFlow::UserAuth => (F::AllowUserAuth, "USER_AUTH"),
    };
    if !client.allows(needed) || (flow == AuthFlow::Refresh && client.rotates()) {
        return Err(Error::invalid(format!(
            "{name} flow not enabled for this client"
        )));
    }
    match flow {
        AuthFlow::UserSrp | AuthFlow::Custom | AuthFlow::UserAuth => {
            Err(Error::UnsupportedOperation(format!(
                "rolecall does not implement the {name} flow yet."
            )))
        }
        AuthFlow::UserPassword | AuthFlow::AdminUserPassword | AuthFlow::Refresh => Ok(()),
    }
}

/// Checks `SECRET_HASH`, the base64 of HMAC-SHA256 by the client's secret over
/// one of `usernames` and the client's id.
pub(super) fn check_secret_hash(
    client: &Client,
    usernames: &[&str],
    offered: Option<&str>,
) -> Result<(), Error> {
    let id = &client.id;
    let (secret, offered) = match (&client.secret, offered) {
        (None, None) => return Ok(()),
        (None, Some(_)) => {
            return Err(Error::not_authorized(format!(
                "Client {id} is not configured for secret but secret hash was received"
            )));
        }
        (Some(_), None) => {
            return Err(Error::not_authorized(format!(
                "Client {id} is configured with secret but SECRET_HASH was not received"
            )));
        }
        (Some(secret), Some(offered)) => (secret, offered),
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let fits = STANDARD.decode(offered).is_ok_and(|tag| {
        usernames.iter().any(|name| {
            let message = format!("{name}{id}");
            hmac::verify(&key, message.as_bytes(), &tag).is_ok()
        })
    });
    if fits {
        Ok(())
    } else {
        Err(Error::not_authorized(format!(
            "SecretHash does not match for the client: {id}"
        )))
    }
}

fn check_state(user: &User, now: Timestamp) -> Result<(), Error> {
    if !user.enabled {
        return Err(Error::not_authorized("User is disabled."));
    }
    if user.status == UserStatus::ResetRequired {
        return Err(Error::PasswordResetRequired);
    }
    if user.failures.locked(now) {
        return Err(Error::not_authorized("Password attempts exceeded"));
    }
    Ok(())
}

fn missing_attributes(pool: &Pool, user: &User) -> Vec<String> {
    let required = pool.schema.iter().filter(|entry| entry.required);
    required
        .map(|entry| entry.name.clone())
        .filter(|name| user.attributes.get(name).is_none())
        .collect()
}

fn check_answered_attributes(
    pool: &Pool,
    client: &Client,
    user: &User,
    attributes: &[(String, String)],
) -> Result<(), Error> {
    check_attributes(pool, attributes, Change::Creation)?;
    for (name, _) in attributes {
        let required = pool.attribute(name).is_some_and(|entry| entry.required);
        let known = user.attributes.get(name).is_some();
        if known && (required || name == "email" || name == "phone_number") {
            return Err(Error::not_authorized(format!(
                "Cannot modify an already provided {name}"
            )));
        }
        if !client.writes(name) || name.ends_with("_verified") {
            return Err(Error::not_authorized(
                "A client attempted to write unauthorized attribute",
            ));
        }
    }
    let missing = missing_attributes(pool, user);
    match missing.iter().find(|name| {
        !attributes
            .iter()
            .any(|(n, value)| n == *name && !value.is_empty())
    }) {
        Some(name) => Err(Error::invalid(format!(
            "Attributes did not conform to the schema: {name}: The attribute is required\n"
        ))),
        None => Ok(()),
    }
}
