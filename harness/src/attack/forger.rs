//! Who forges: with the issuer's help, or with nothing but a token and what the
//! issuer publishes.

use std::sync::Arc;

use foundation::secret::Secret;
use http::Method;
use mock_idp::forge::{Forged, Forgery, Material, Stranger};
use serde_json::Value;

use super::reference::Reference;
use crate::cluster::authn::Trust;
use crate::control::{Control, NotForged, Order};

/// A forger, with somebody's real token.
pub struct Forger {
    id: Secret<String>,
    access: Option<Secret<String>>,
    /// The issuer's published keys, or why they are not known.
    keys: Result<Value, String>,
    provider: Option<Provider>,
    stranger: Arc<Stranger>,
    reference: Reference,
}

/// The provider that made the token, and what the cluster makes of its claims.
pub struct Provider {
    /// Its control calls.
    pub control: Control,
    /// What the cluster was told of it.
    pub trust: Trust,
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
        let trust = provider.as_ref().map(|provider| &provider.trust);
        let clock = match &provider {
            Some(provider) => provider.clock().await,
            None => None,
        };
        let reference = Reference::new(id.expose(), keys.as_ref().ok(), trust, clock);
        Ok(Self {
            reference,
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

    /// What Kubernetes makes of the tokens.
    pub fn reference(&self) -> &Reference {
        &self.reference
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
    /// What its clock shows.
    async fn clock(&self) -> Option<jiff::Timestamp> {
        let asked = self.control.call(Method::GET, "/_rolecall/clock", None);
        let (_, answer) = asked.await.ok()?;
        answer["now"].as_str()?.parse().ok()
    }

    /// The claim that the cluster names users by.
    fn username_claim(&self) -> &str {
        self.trust.username_claim.as_deref().unwrap_or("sub")
    }

    async fn forge(&self, word: Forgery, id: &Secret<String>) -> Result<Vec<Forged>, NotForged> {
        match word {
            Forgery::EmailUnverified | Forgery::NoEmailVerified
                if self.username_claim() != "email" =>
            {
                return Err(impossible(&format!(
                    "the cluster names users by {}, and does not look at email_verified then",
                    self.username_claim()
                )));
            }
            Forgery::BadGroups | Forgery::GroupsAsString | Forgery::ManyGroups
                if self.trust.groups_claim.is_none() =>
            {
                return Err(impossible("the cluster takes groups from no claim"));
            }
            _ => {}
        }
        let order = Order {
            word,
            id,
            access: None,
            username_claim: self.username_claim(),
            groups_claim: self.trust.groups_claim.as_deref(),
        };
        self.control.forge(&order).await
    }
}

fn impossible(why: &str) -> NotForged {
    NotForged::Impossible(why.to_owned())
}
