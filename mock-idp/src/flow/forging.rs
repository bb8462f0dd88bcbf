//! Forged tokens of the provider's own pools.

use std::sync::Arc;

use foundation::secret::Secret;
use serde_json::json;

use super::Idp;
use crate::domain::keys::Key;
use crate::domain::{Error, PoolId};
use crate::forge::{self, Forged, Forgery, Issuer, Material, Stranger};
use crate::issuer::{unverified_claim, unverified_issuer};

/// What is to be forged, out of what.
pub struct Forge {
    /// What is changed.
    pub word: Forgery,
    /// Somebody's ID token.
    pub id: Secret<String>,
    /// The access token that came along with it.
    pub access: Option<Secret<String>>,
    /// The claim that the cluster names users by; default `email`, or `sub`
    /// where the token has none.
    pub username_claim: Option<String>,
    /// The claim that the cluster takes groups from; default `cognito:groups`.
    pub groups_claim: Option<String>,
}

/// Where nobody is (RFC 6761 section 6.4).
const LURE: &str = "https://forger.invalid";

impl Idp {
    /// Forges a token of one of the pools: all the forms that the word has.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`] for a token of nobody's here,
    /// [`Error::InvalidParameter`] where it lacks what is to be changed,
    /// [`Error::ResourceNotFound`], or [`Error::Internal`] when no key can be
    /// made.
    pub async fn forge(&self, order: Forge) -> Result<Vec<Forged>, Error> {
        let id = order.id.expose();
        let pool = self
            .address()
            .pool_of_issuer(&unverified_issuer(id).unwrap_or_default())?;
        let keys = self.keys(&pool).await?;
        let username_claim = order.username_claim.unwrap_or_else(|| {
            let email = unverified_claim(id, "email").is_some();
            if email { "email" } else { "sub" }.to_owned()
        });
        let published: Vec<_> = keys.published().map(|key| forge::jwk(key)).collect();
        let issuer = Issuer {
            key: Arc::clone(&keys.id),
            now: self.now(),
            username_claim,
            groups_claim: order
                .groups_claim
                .unwrap_or_else(|| "cognito:groups".to_owned()),
            other_pool: match order.word {
                Forgery::OtherPool => self.another_pool(&pool).await?,
                _ => None,
            },
            retired: keys.gone.clone(),
        };
        let material = Material {
            id: &order.id,
            access: order.access.as_ref(),
            keys: Some(&json!({ "keys": published })),
            stranger: &*self.stranger().await?,
            lure: LURE,
            issuer: Some(&issuer),
        };
        let forged = order.word.forge(&material);
        forged.map_err(|why| Error::invalid(why.to_string()))
    }

    /// The issuer and the key of the first pool that is not `pool`.
    async fn another_pool(&self, pool: &PoolId) -> Result<Option<(String, Arc<Key>)>, Error> {
        let pools = self.store().pools();
        let Some((_, other)) = pools.iter().find(|(_, other)| other.id != *pool) else {
            return Ok(None);
        };
        let key = Arc::clone(&self.keys(&other.id).await?.id);
        Ok(Some((self.address().issuer(&other.id), key)))
    }

    /// The forger, whose key is made when it is first needed.
    async fn stranger(&self) -> Result<Arc<Stranger>, Error> {
        let make = || async {
            let bank = self.0.keybank.clone();
            let made = tokio::task::spawn_blocking(move || Stranger::new(bank.draw()?));
            let made = made
                .await
                .map_err(|error| Error::Internal(error.to_string()))?;
            made.map(Arc::new)
        };
        self.0.stranger.get_or_try_init(make).await.cloned()
    }
}
