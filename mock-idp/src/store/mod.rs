//! The one mutable place: small atomic methods and no rules.

mod memory;
#[cfg(test)]
mod suite;

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::grant::{BrowserSession, ChallengeSession, CodeGrant, RefreshGrant, SecretKey};
use crate::domain::message::Message;
use crate::domain::{Client, ClientId, Error, Group, Pool, PoolId, User, UserId};
use crate::keybank::KeyRing;

pub use memory::Memory;

/// Why a record was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such record, or it went meanwhile.
    Missing,
    /// Its name, an alias or a domain belongs to another one.
    Taken,
    /// The caller's own rule, checked under the lock.
    Rule(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Rule(error)
    }
}

impl Refused {
    /// Names the refusals of the store in the caller's words.
    pub fn or(self, missing: impl FnOnce() -> Error, taken: impl FnOnce() -> Error) -> Error {
        match self {
            Self::Missing => missing(),
            Self::Taken => taken(),
            Self::Rule(error) => error,
        }
    }
}

/// Records in order, each with its place, which never changes: who has read up
/// to a place goes on after it, whatever went meanwhile.
pub type Listing<T> = Vec<(u64, Arc<T>)>;

/// A change to a record, made under the lock; nothing is written if it fails.
pub type Change<'a, T> = &'a mut dyn FnMut(&mut T) -> Result<(), Error>;

/// Where everything is kept. Each method is atomic; lists are in the order of
/// creation. What is looked up at sign-in takes constant time.
#[allow(missing_docs, reason = "the names say it; traps are commented")]
pub trait Store: Send + Sync {
    fn insert_pool(&self, pool: Pool, keys: Arc<KeyRing>) -> Result<Arc<Pool>, Refused>;
    fn pool(&self, id: &PoolId) -> Option<Arc<Pool>>;
    fn pool_by_domain(&self, domain: &str) -> Option<Arc<Pool>>;
    fn pools(&self) -> Listing<Pool>;
    fn key_ring(&self, id: &PoolId) -> Option<Arc<KeyRing>>;
    /// Refuses a domain name that another pool has.
    fn update_pool(&self, id: &PoolId, change: Change<'_, Pool>) -> Result<Arc<Pool>, Refused>;
    /// Removes the pool and all that is in it if `rule` agrees.
    fn remove_pool(
        &self,
        id: &PoolId,
        rule: &dyn Fn(&Pool) -> Result<(), Error>,
    ) -> Result<(), Refused>;

    /// Refuses an id that any client of any pool has.
    fn insert_client(&self, client: Client) -> Result<Arc<Client>, Refused>;
    fn client(&self, id: &ClientId) -> Option<Arc<Client>>;
    fn clients(&self, pool: &PoolId) -> Listing<Client>;
    fn update_client(
        &self,
        id: &ClientId,
        change: Change<'_, Client>,
    ) -> Result<Arc<Client>, Refused>;
    fn remove_client(&self, id: &ClientId) -> Option<Arc<Client>>;

    /// Refuses a user one of whose names another user of the pool has.
    fn insert_user(&self, user: User) -> Result<Arc<User>, Refused>;
    fn user(&self, pool: &PoolId, id: &UserId) -> Option<Arc<User>>;
    /// By user name, `sub` or an alias in force.
    fn find_user(&self, pool: &PoolId, name: &str) -> Option<Arc<User>>;
    fn users(&self, pool: &PoolId) -> Listing<User>;
    fn user_count(&self, pool: &PoolId) -> usize;
    fn update_user(
        &self,
        pool: &PoolId,
        id: &UserId,
        change: Change<'_, User>,
    ) -> Result<Arc<User>, Refused>;
    /// Removes the user with memberships, sessions and refresh tokens.
    fn remove_user(&self, pool: &PoolId, id: &UserId) -> Option<Arc<User>>;

    fn insert_group(&self, group: Group) -> Result<Arc<Group>, Refused>;
    fn group(&self, pool: &PoolId, name: &str) -> Option<Arc<Group>>;
    fn groups(&self, pool: &PoolId) -> Listing<Group>;
    fn update_group(
        &self,
        pool: &PoolId,
        name: &str,
        change: Change<'_, Group>,
    ) -> Result<Arc<Group>, Refused>;
    fn remove_group(&self, pool: &PoolId, name: &str) -> Option<Arc<Group>>;
    /// Does nothing for who is in the group already.
    fn add_member(&self, pool: &PoolId, group: &str, user: &UserId) -> Result<(), Refused>;
    fn remove_member(&self, pool: &PoolId, group: &str, user: &UserId) -> Result<(), Refused>;
    /// In the order joined.
    fn members(&self, pool: &PoolId, group: &str) -> Listing<User>;
    fn groups_of(&self, pool: &PoolId, user: &UserId) -> Listing<Group>;

    /// `now` in this and the next ones lets what has expired be forgotten.
    fn put_code(&self, key: SecretKey, code: CodeGrant, now: Timestamp);
    /// Removes and returns the code, if it was issued to `client`: nobody can
    /// use up another client's code.
    fn take_code(&self, key: &SecretKey, client: &ClientId) -> Option<CodeGrant>;

    fn put_challenge(&self, key: SecretKey, session: ChallengeSession, now: Timestamp);
    fn challenge(&self, key: &SecretKey) -> Option<ChallengeSession>;
    fn take_challenge(&self, key: &SecretKey) -> Option<ChallengeSession>;

    fn put_browser(&self, key: SecretKey, session: BrowserSession, now: Timestamp);
    fn browser(&self, key: &SecretKey) -> Option<BrowserSession>;
    fn take_browser(&self, key: &SecretKey) -> Option<BrowserSession>;

    fn put_refresh(&self, key: SecretKey, refresh: RefreshGrant, now: Timestamp);
    fn refresh(&self, key: &SecretKey) -> Option<RefreshGrant>;
    /// Marks it as replaced by rotation, and says whether this call did.
    fn replace_refresh(&self, key: &SecretKey, now: Timestamp) -> bool;
    /// Revokes the refresh token and what shares its `origin_jti`.
    fn revoke_refresh(&self, key: &SecretKey) -> bool;
    /// Revokes all of a user's refresh tokens.
    fn revoke_user(&self, pool: &PoolId, user: &UserId);
    fn is_revoked(&self, origin_jti: &str) -> bool;

    fn push_message(&self, message: Message);
    fn messages(&self) -> Vec<Message>;
    fn clear_messages(&self);

    /// Forgets everything.
    fn reset(&self);
}
