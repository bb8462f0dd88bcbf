//! Who forges: with the issuer's help, or with nothing but a token and what the
//! issuer publishes.

use std::sync::Arc;

use foundation::secret::Secret;
use mock_idp::forge::{Forged, Forgery, Material, Stranger};
use serde_json::Value;

use crate::control::{Control, NotForged, Order};

/// A forger, with somebody's real token.
pub struct Forger {
    id: Secret<String>,
    access: Option<Secret<String>>,
    /// The issuer's published keys, or why they are not known.
    keys: Result<Value, String>,
    provider: Option<Provider>,
    stranger: Arc<Stranger>,
}

/// The provider that made the token, and what the cluster makes of its claims.
pub struct Provider {
    /// Its control calls.
    pub control: Control,
    /// The claim that the cluster names users by.
    pub username_claim: String,
    /// The claim that it takes groups from.
    pub groups_claim: Option<String>,
}

impl Forger {
    /// A forger with a key of its own, which is made here.
    ///
    /// # Errors
    /// When no key can be made.
    pub async fn new(
        id: Secret<String>,
        access: Option<Secret<String>>,
        keys: Result<Value, String>,
        provider: Option<Provider>,
    ) -> Result<Self, String> {
        let stranger = tokio::task::spawn_blocking(Stranger::generate).await;
        let stranger = stranger.map_err(|error| error.to_string())?;
        Ok(Self {
            id,
            access,
            keys,
            provider,
            stranger: Arc::new(stranger.map_err(|error| error.to_string())?),
        })
    }

    /// The token that everything is made of.
    pub fn real_token(&self) -> &Secret<String> {
        &self.id
    }

    /// The key that is nobody's.
    pub fn stranger(&self) -> &Stranger {
        &self.stranger
    }

    /// Forges.
    ///
    /// # Errors
    /// Why that cannot be.
    pub async fn forge(&self, word: Forgery, lure: &str) -> Result<Vec<Forged>, NotForged> {
        if word.takes_the_issuer() {
            let provider = self.provider.as_ref();
            let provider =
                provider.ok_or_else(|| impossible("only the issuer's own key can sign it"))?;
            return provider.forge(word, &self.id).await;
        }
        let keys = match (&self.keys, word) {
            (Ok(keys), _) => Some(keys),
            (Err(why), Forgery::HmacWithPublicKey) => return Err(impossible(why)),
            (Err(_), _) => None,
        };
        let material = Material {
            id: &self.id,
            access: self.access.as_ref(),
            keys,
            stranger: &self.stranger,
            lure,
            issuer: None,
        };
        word.forge(&material)
            .map_err(|why| impossible(&why.to_string()))
    }
}

impl Provider {
    async fn forge(&self, word: Forgery, id: &Secret<String>) -> Result<Vec<Forged>, NotForged> {
        match word {
            Forgery::EmailUnverified | Forgery::NoEmailVerified
                if self.username_claim != "email" =>
            {
                return Err(impossible(&format!(
                    "the cluster names users by {}, and does not look at email_verified then",
                    self.username_claim
                )));
            }
            Forgery::BadGroups | Forgery::GroupsAsString | Forgery::ManyGroups
                if self.groups_claim.is_none() =>
            {
                return Err(impossible("the cluster takes groups from no claim"));
            }
            _ => {}
        }
        let order = Order {
            word,
            id,
            access: None,
            username_claim: &self.username_claim,
            groups_claim: self.groups_claim.as_deref(),
        };
        self.control.forge(&order).await
    }
}

fn impossible(why: &str) -> NotForged {
    NotForged::Impossible(why.to_owned())
}
