//! Users, as administrators make and change them.

use std::sync::Arc;
use std::time::Duration;

use foundation::secret::Secret;
use jiff::Timestamp;

use super::alias_exists;
use super::filter::Filter;
use crate::domain::message::{Medium, Message, Occasion};
use crate::domain::password::PasswordHash;
use crate::domain::pool::{AliasAttribute, UsernameAttribute};
use crate::domain::user::{
    Attributes, Change, Failures, UserStatus, check_attributes, looks_like_email, looks_like_phone,
};
use crate::domain::{Error, Pool, PoolId, User, UserId};
use crate::flow::page::{Page, Paged};
use crate::flow::{Idp, after, ids};
use crate::store::Refused;

/// `AdminCreateUser`.
#[derive(Clone, Debug, Default)]
pub struct CreateUser {
    /// The user name; an e-mail address or a phone number where the pool says
    /// so.
    pub username: String,
    /// Attributes.
    pub attributes: Vec<(String, String)>,
    /// The temporary password; one is made up otherwise.
    pub temporary_password: Option<Secret<String>>,
    /// What to do about the invitation.
    pub message: Option<MessageAction>,
    /// How the invitation goes; none leaves it to us.
    pub mediums: Vec<Medium>,
    /// Whether an alias is taken away from the user who has it.
    pub force_alias: bool,
}

/// `MessageAction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageAction {
    /// Invites an existing user again, with a new password.
    Resend,
    /// Sends nothing.
    Suppress,
}

/// `ListUsers`.
#[derive(Clone, Debug, Default)]
pub struct ListUsers {
    /// The filter, as written.
    pub filter: Option<String>,
    /// `AttributesToGet`; the front leaves the others out.
    pub attributes: Option<Vec<String>>,
    /// The page.
    pub page: Page,
}

impl Idp {
    /// Makes a user who must change a temporary password, and invites them.
    /// In a pool with username attributes the user name is the `sub`, and the
    /// name given becomes the attribute.
    ///
    /// # Errors
    /// [`Error::UsernameExists`], [`Error::AliasExists`],
    /// [`Error::InvalidPassword`], [`Error::InvalidParameter`]; for a resend
    /// [`Error::UserNotFound`] and [`Error::UnsupportedUserState`].
    pub fn create_user(&self, pool: &PoolId, new: CreateUser) -> Result<Arc<User>, Error> {
        let pool = self.pool(pool)?;
        if new.message == Some(MessageAction::Resend) {
            return self.invite_again(&pool, &new);
        }
        let named_by = check_username(&pool, &new.username)?;
        check_attributes(&pool, &new.attributes, Change::Creation)?;
        let password = temporary_password(&pool, new.temporary_password.as_ref())?;
        let now = self.now();
        let id = UserId::from(self.0.ids.sub());
        let mut attributes = Attributes::of(&id);
        for (name, value) in &new.attributes {
            attributes.set(name, value);
        }
        if let Some(attribute) = named_by
            && attributes.get(attribute).is_none()
        {
            attributes.set(attribute, &new.username);
        }
        check_verified(&attributes)?;
        let username = match named_by {
            Some(_) => id.as_str().to_owned(),
            None => new.username.clone(),
        };
        let user = User {
            pool: pool.id.clone(),
            password: Some(PasswordHash::of(&pool.id, &username, password.expose())),
            username,
            attributes,
            status: UserStatus::ForceChangePassword,
            enabled: true,
            temporary_until: Some(temporary_until(&pool, now)),
            failures: Failures::default(),
            signed_out: None,
            created: now,
            modified: now,
            id,
        };
        let user = self.insert(&pool, user, new.force_alias)?;
        if new.message.is_none() {
            self.invite(&pool, &user, &new, &password);
        }
        Ok(user)
    }

    fn insert(&self, pool: &Pool, user: User, force_alias: bool) -> Result<Arc<User>, Error> {
        let inserted = self.store().insert_user(user.clone());
        let inserted = match inserted {
            Err(Refused::Taken) if force_alias && !pool.alias_attributes.is_empty() => {
                self.take_aliases(pool, &user);
                self.store().insert_user(user.clone())
            }
            other => other,
        };
        inserted.map_err(|refused| {
            refused.or(
                || Error::no_pool(&pool.id),
                || {
                    if pool.names_by_attribute() {
                        Error::UsernameExists(
                            "An account with the given email already exists.".into(),
                        )
                    } else if self.store().find_user(&pool.id, &user.username).is_some() {
                        Error::UsernameExists("User account already exists".into())
                    } else {
                        alias_exists()
                    }
                },
            )
        })
    }

    /// Verification of an address that a second user has verified is taken
    /// from the first one (Cognito developer guide, "User pool attributes").
    fn take_aliases(&self, pool: &Pool, user: &User) {
        for (alias, flag) in [
            ("email", "email_verified"),
            ("phone_number", "phone_number_verified"),
        ] {
            let value = user.attributes.get(alias);
            let owner = value.and_then(|value| self.store().find_user(&pool.id, value));
            if let Some(owner) = owner.filter(|owner| owner.id != user.id) {
                let _ = self.store().update_user(&pool.id, &owner.id, &mut |owner| {
                    owner.attributes.set(flag, "false");
                    Ok(())
                });
            }
        }
    }

    fn invite_again(&self, pool: &Pool, again: &CreateUser) -> Result<Arc<User>, Error> {
        let user = self.user(&pool.id, &again.username)?;
        if user.status != UserStatus::ForceChangePassword {
            return Err(Error::UnsupportedUserState(format!(
                "Resend not possible. {} status is not FORCE_CHANGE_PASSWORD",
                again.username
            )));
        }
        let password = temporary_password(pool, again.temporary_password.as_ref())?;
        let user = self.put_password(pool, &user, &password, false)?;
        self.invite(pool, &user, again, &password);
        Ok(user)
    }

    /// Sends the invitation by the mediums asked for, as far as the user has
    /// an address; if none is asked for by SMS to who has a phone number and
    /// by e-mail to who has only that. The service model documents SMS as the
    /// default, but users with an e-mail alone have been seen to get it there.
    fn invite(&self, pool: &Pool, user: &User, new: &CreateUser, password: &Secret<String>) {
        let address = |medium| {
            user.attributes.get(match medium {
                Medium::Email => "email",
                Medium::Sms => "phone_number",
            })
        };
        let mut mediums = new.mediums.clone();
        if mediums.is_empty() {
            let either = [Medium::Sms, Medium::Email].into_iter();
            mediums = either.filter(|m| address(*m).is_some()).take(1).collect();
        }
        for medium in mediums {
            let Some(destination) = address(medium) else {
                continue;
            };
            let template = &pool.settings.admin_create_user.invite;
            let (subject, body) = template.fill(medium, &new.username, password.expose());
            self.store().push_message(Message {
                pool: pool.id.clone(),
                user: user.id.clone(),
                occasion: Occasion::Invitation,
                medium,
                destination: destination.to_owned(),
                subject,
                body: Secret::new(body),
                password: password.clone(),
                sent: self.now(),
            });
        }
    }

    /// A user by name, `sub` or alias.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`] for the pool, [`Error::UserNotFound`].
    pub fn user(&self, pool: &PoolId, name: &str) -> Result<Arc<User>, Error> {
        self.pool(pool)?;
        let user = self.store().find_user(pool, name);
        user.ok_or(Error::UserNotFound)
    }

    /// The users that a filter admits, in the order made.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a filter that cannot be read, for
    /// attributes that cannot be asked for, and for a wrong page token.
    pub fn users(&self, pool: &PoolId, list: ListUsers) -> Result<Paged<Arc<User>>, Error> {
        self.pool(pool)?;
        let wanted = list.attributes.iter().flatten();
        let refused = |name: &&String| *name == "sub" || name.starts_with("custom:");
        if wanted.into_iter().any(|name| refused(&name)) {
            return Err(Error::invalid("Input fails to satisfy the constraints."));
        }
        let filter = list.filter.as_deref().filter(|text| !text.is_empty());
        let filter = filter.map(Filter::parse).transpose()?;
        let mut users = self.store().users(pool);
        if let Some(filter) = filter {
            users.retain(|(_, user)| filter.admits(user));
        }
        list.page.of(users)
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], [`Error::UserNotFound`].
    pub fn delete_user(&self, pool: &PoolId, username: &str) -> Result<(), Error> {
        let user = self.user(pool, username)?;
        let removed = self.store().remove_user(pool, &user.id);
        removed.map(drop).ok_or(Error::UserNotFound)
    }

    /// Lets a disabled user sign in again.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], [`Error::UserNotFound`].
    pub fn enable_user(&self, pool: &PoolId, username: &str) -> Result<(), Error> {
        let user = self.user(pool, username)?;
        self.change_user(&user, |user| user.enabled = true)
            .map(drop)
    }

    /// Keeps a user from signing in, and calls off the tokens there are.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], [`Error::UserNotFound`].
    pub fn disable_user(&self, pool: &PoolId, username: &str) -> Result<(), Error> {
        let user = self.user(pool, username)?;
        self.change_user(&user, |user| user.enabled = false)?;
        self.sign_out_everywhere(&user)
    }

    /// Sets a password: a permanent one confirms the user, any other must be
    /// changed at the next sign-in. Nothing is sent and nothing verified.
    ///
    /// # Errors
    /// [`Error::InvalidPassword`], [`Error::UserNotFound`],
    /// [`Error::ResourceNotFound`].
    pub fn set_user_password(
        &self,
        pool: &PoolId,
        username: &str,
        password: &Secret<String>,
        permanent: bool,
    ) -> Result<(), Error> {
        let user = self.user(pool, username)?;
        let pool = self.pool(pool)?;
        check_policy(&pool, password)?;
        self.put_password(&pool, &user, password, permanent)
            .map(drop)
    }

    fn put_password(
        &self,
        pool: &Pool,
        user: &User,
        password: &Secret<String>,
        permanent: bool,
    ) -> Result<Arc<User>, Error> {
        let hash = PasswordHash::of(&pool.id, &user.username, password.expose());
        let until = temporary_until(pool, self.now());
        self.change_user(user, |user| {
            user.password = Some(hash.clone());
            user.failures = Failures::default();
            user.temporary_until = (!permanent).then_some(until);
            user.status = if permanent {
                UserStatus::Confirmed
            } else {
                UserStatus::ForceChangePassword
            };
        })
    }

    /// Sets attributes; an empty value deletes one. A new e-mail address or
    /// phone number is unverified unless the call says otherwise.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] in the schema's words,
    /// [`Error::AliasExists`], [`Error::UserNotFound`],
    /// [`Error::ResourceNotFound`].
    pub fn update_user_attributes(
        &self,
        pool: &PoolId,
        username: &str,
        given: &[(String, String)],
    ) -> Result<(), Error> {
        let user = self.user(pool, username)?;
        let pool = self.pool(pool)?;
        check_attributes(&pool, given, Change::Update)?;
        let now = self.now();
        let update = || {
            self.store().update_user(&pool.id, &user.id, &mut |user| {
                apply(&mut user.attributes, given);
                check_verified(&user.attributes)?;
                user.modified = now;
                Ok(())
            })
        };
        let updated = match update() {
            Err(Refused::Taken) if !pool.alias_attributes.is_empty() => {
                let mut wanted = User::clone(&user);
                apply(&mut wanted.attributes, given);
                self.take_aliases(&pool, &wanted);
                update()
            }
            other => other,
        };
        updated
            .map(drop)
            .map_err(|refused| refused.or(|| Error::UserNotFound, alias_exists))
    }

    /// Deletes attributes.
    ///
    /// # Errors
    /// As [`Idp::update_user_attributes`].
    pub fn delete_user_attributes(
        &self,
        pool: &PoolId,
        username: &str,
        names: &[String],
    ) -> Result<(), Error> {
        let blank: Vec<_> = names.iter().map(|n| (n.clone(), String::new())).collect();
        self.update_user_attributes(pool, username, &blank)
    }

    fn change_user(
        &self,
        user: &User,
        mut change: impl FnMut(&mut User),
    ) -> Result<Arc<User>, Error> {
        let now = self.now();
        let changed = self.store().update_user(&user.pool, &user.id, &mut |user| {
            change(user);
            user.modified = now;
            Ok(())
        });
        changed.map_err(|refused| refused.or(|| Error::UserNotFound, alias_exists))
    }
}

/// Checks the form of a user name, and says which attribute it becomes.
fn check_username(pool: &Pool, username: &str) -> Result<Option<&'static str>, Error> {
    let email = pool.username_attributes.contains(&UsernameAttribute::Email);
    let phone = pool
        .username_attributes
        .contains(&UsernameAttribute::PhoneNumber);
    if email && looks_like_email(username) {
        return Ok(Some("email"));
    }
    if phone && looks_like_phone(username) {
        return Ok(Some("phone_number"));
    }
    match (email, phone) {
        (true, true) => Err(Error::invalid(
            "Username should be either an email or a phone number.",
        )),
        (true, false) => Err(Error::invalid("Username should be an email.")),
        (false, true) => Err(Error::invalid("Username should be a phone number.")),
        (false, false) => {
            let email_alias = pool.alias_attributes.contains(&AliasAttribute::Email);
            if email_alias && looks_like_email(username) {
                return Err(Error::invalid(
                    "Username cannot be of email format, since user pool is configured for email \
                     alias.",
                ));
            }
            Ok(None)
        }
    }
}

fn check_policy(pool: &Pool, password: &Secret<String>) -> Result<(), Error> {
    let policy = &pool.settings.password_policy;
    policy
        .check(password.expose())
        .map_err(Error::InvalidPassword)
}

fn temporary_password(
    pool: &Pool,
    given: Option<&Secret<String>>,
) -> Result<Secret<String>, Error> {
    match given.filter(|password| !password.expose().is_empty()) {
        Some(password) => check_policy(pool, password).map(|()| password.clone()),
        None => Ok(Secret::new(ids::temporary_password(
            &pool.settings.password_policy,
        ))),
    }
}

fn temporary_until(pool: &Pool, now: Timestamp) -> Timestamp {
    let days = pool.settings.password_policy.temporary_validity_days;
    after(now, Duration::from_secs(u64::from(days) * 86_400))
}

fn apply(attributes: &mut Attributes, given: &[(String, String)]) {
    for (address, flag) in [
        ("email", "email_verified"),
        ("phone_number", "phone_number_verified"),
    ] {
        let new = given.iter().find(|(name, _)| name == address);
        if let Some((_, new)) = new
            && attributes.get(address) != Some(new)
        {
            attributes.set(flag, if new.is_empty() { "" } else { "false" });
        }
    }
    for (name, value) in given {
        attributes.set(name, value);
    }
}

/// Nothing can be verified that is not there.
fn check_verified(attributes: &Attributes) -> Result<(), Error> {
    let without =
        |flag, address| attributes.get(flag).is_some() && attributes.get(address).is_none();
    if without("email_verified", "email") {
        return Err(Error::invalid(
            "Email is required to verify/un-verify an email",
        ));
    }
    if without("phone_number_verified", "phone_number") {
        return Err(Error::invalid(
            "Phone Number is required to verify/un-verify a phone number",
        ));
    }
    Ok(())
}
