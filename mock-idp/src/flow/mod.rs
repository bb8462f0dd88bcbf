//! What can be done: one implementation of each, whichever front asks.
//!
//! All are methods of [`Idp`]. Those that need a pool's keys are `async`,
//! because a pool made a moment ago may still wait for its keys.

pub mod account;
pub mod admin;
pub mod authorize;
pub mod exchange;
mod forging;
mod ids;
pub mod page;
pub mod sign_in;
pub mod sign_out;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use account::{Account, UserInfoRefusal};
pub use authorize::{
    AuthorizeParams, AuthorizeRefusal, AuthorizeRequest, LogoutParams, LogoutTarget, PageError,
};
pub use exchange::{ClientAuth, TokenRequest};
pub use forging::Forge;
pub use page::{Page, Paged};
pub use sign_in::{
    AuthFlow, AuthOutcome, Authenticated, InitiateAuth, NewPasswordAnswer, NewPasswordChallenge,
    SignIn,
};

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foundation::clock::Clock;
use foundation::secret::Secret;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::address::Address;
use crate::config::{Config, Pins};
use crate::domain::grant::{Grant, RefreshGrant, SecretKey, Via};
use crate::domain::group::by_precedence;
use crate::domain::keys::PoolKeys;
use crate::domain::message::Message;
use crate::domain::token::TokenSet;
use crate::domain::{Client, ClientId, Error, Pool, PoolId, User};
use crate::forge::Stranger;
use crate::issuer::{Mint, mint};
use crate::keybank::KeyBank;
use crate::store::{Memory, Store};
use ids::Ids;

/// A cheap handle on one identity provider.
#[derive(Clone)]
pub struct Idp(Arc<Inner>);

struct Inner {
    clock: Clock,
    region: String,
    account: String,
    address: Address,
    pins: Mutex<Pins>,
    ids: Ids,
    keybank: KeyBank,
    stranger: OnceCell<Arc<Stranger>>,
    control_token: Secret<String>,
    store: Box<dyn Store>,
}

/// Prints where it is, and nothing that is in it.
impl fmt::Debug for Idp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idp")
            .field("address", &self.0.address)
            .finish_non_exhaustive()
    }
}

impl Idp {
    /// An empty one.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Inner {
            clock: config.clock,
            region: config.region,
            account: config.account,
            address: config.address,
            pins: Mutex::new(config.pins),
            ids: Ids::new(config.seed),
            keybank: config.keybank,
            stranger: OnceCell::new(),
            control_token: config.control_token,
            store: Box::new(Memory::new()),
        }))
    }

    /// The time line it lives on.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where its pools and domains are.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// The region where a request names none.
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// The account that everything belongs to.
    pub fn account(&self) -> &str {
        &self.0.account
    }

    /// The bearer that control calls need.
    pub fn control_token(&self) -> &Secret<String> {
        &self.0.control_token
    }

    /// The pool called `id`, in whatever region.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn pool(&self, id: &PoolId) -> Result<Arc<Pool>, Error> {
        self.store().pool(id).ok_or_else(|| Error::no_pool(id))
    }

    /// The pool whose domain is called `name`.
    pub fn pool_by_domain(&self, name: &str) -> Option<Arc<Pool>> {
        self.store().pool_by_domain(name)
    }

    /// The client called `id`, of whatever pool: unsigned calls name no other.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn client(&self, id: &ClientId) -> Result<Arc<Client>, Error> {
        self.store().client(id).ok_or_else(|| Error::no_client(id))
    }

    /// The client called `id` of `pool`.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`] for the pool or the client.
    pub fn client_in(&self, pool: &PoolId, id: &ClientId) -> Result<Arc<Client>, Error> {
        let pool = self.pool(pool)?;
        let client = self.client(id)?;
        if client.pool == pool.id {
            Ok(client)
        } else {
            Err(Error::no_client(id))
        }
    }

    /// A pool's signing keys, as soon as it has some.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], or [`Error::Internal`] when no key can be
    /// made.
    pub async fn keys(&self, pool: &PoolId) -> Result<Arc<PoolKeys>, Error> {
        let ring = self.store().key_ring(pool);
        ring.ok_or_else(|| Error::no_pool(pool))?.keys().await
    }

    /// Gives a pool new signing keys. The former ones stay published if
    /// `keep`; otherwise what they signed no longer verifies.
    ///
    /// # Errors
    /// As [`Idp::keys`].
    pub async fn rotate_keys(&self, pool: &PoolId, keep: bool) -> Result<(), Error> {
        let ring = self.store().key_ring(pool);
        ring.ok_or_else(|| Error::no_pool(pool))?.rotate(keep).await
    }

    /// What was sent, oldest first.
    pub fn outbox(&self) -> Vec<Message> {
        self.store().messages()
    }

    /// Forgets what was sent.
    pub fn clear_outbox(&self) {
        self.store().clear_messages();
    }

    /// Forgets every pool and all that is in it.
    pub fn reset(&self) {
        self.store().reset();
    }

    fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The pinned pool id, once, for a pool of its own region: any other
    /// caller could not reach the pool.
    fn take_pool_pin(&self, region: &str) -> Option<String> {
        let of_region = |pin: &mut String| PoolId::from(pin.as_str()).region() == Some(region);
        self.pins().pool.take_if(of_region)
    }

    /// The pinned client id, once.
    fn take_client_pin(&self) -> Option<String> {
        self.pins().client.take()
    }

    fn pins(&self) -> MutexGuard<'_, Pins> {
        self.0.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a grant: a sign-in that tokens are minted from.
    fn grant(&self, client: &Client, user: &User, via: Via, auth_time: Timestamp) -> Grant {
        Grant {
            pool: client.pool.clone(),
            client: client.id.clone(),
            user: user.id.clone(),
            via,
            scopes: crate::domain::scope::Scopes::user_admin(),
            auth_time,
            origin_jti: self.0.ids.uuid(ids::Kind::Token),
            event_id: self.0.ids.uuid(ids::Kind::Token),
            nonce: None,
        }
    }

    /// Mints the tokens of `grant`, with the groups and attributes of this
    /// moment.
    async fn mint(
        &self,
        client: &Client,
        user: &User,
        grant: &Grant,
        front: Via,
        refresh: Option<Secret<String>>,
    ) -> Result<TokenSet, Error> {
        let keys = self.keys(&grant.pool).await?;
        let groups = self.store().groups_of(&grant.pool, &user.id);
        let mut groups: Vec<_> = groups.into_iter().map(|(_, group)| group).collect();
        by_precedence(&mut groups);
        let order = Mint {
            issuer: &self.0.address.issuer(&grant.pool),
            client,
            user,
            groups: &groups,
            grant,
            front,
            id_jti: &self.0.ids.uuid(ids::Kind::Token),
            access_jti: &self.0.ids.uuid(ids::Kind::Token),
        };
        let minted = mint(&order, &keys, self.now());
        Ok(TokenSet {
            id: minted.id,
            access: minted.access,
            refresh,
            expires_in: minted.expires_in,
        })
    }

    /// Makes a refresh token for `grant` that is valid until `expires`.
    fn refresh_token(&self, grant: &Grant, expires: Timestamp) -> Secret<String> {
        let token = ids::refresh_token();
        let record = RefreshGrant {
            grant: Grant {
                nonce: None,
                ..grant.clone()
            },
            expires,
            replaced: None,
            revoked: false,
        };
        let key = SecretKey::of(&token);
        self.store().put_refresh(key, record, self.now());
        Secret::new(token)
    }

    /// All tokens of a new sign-in.
    async fn first_tokens(
        &self,
        client: &Client,
        user: &User,
        grant: &Grant,
        front: Via,
    ) -> Result<TokenSet, Error> {
        let expires = after(self.now(), client.refresh_validity());
        let refresh = self.refresh_token(grant, expires);
        self.mint(client, user, grant, front, Some(refresh)).await
    }
}

fn after(at: Timestamp, by: std::time::Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
