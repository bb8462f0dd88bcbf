//! Forged tokens. A forgery is one word: it takes a person's real token and
//! changes only what the word says, so that whoever lets it in has not looked
//! at just that.
//!
//! What is wrong with tokens is collected in RFC 8725 (JSON Web Token Best
//! Current Practices). What an API server makes of a word is not this crate's
//! matter, and what needs no key of the issuer's is made of the tokens of
//! issuers that are not ours, too.

mod claims;
mod jws;
mod own_key;
mod spelling;
mod tampering;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use foundation::secret::Secret;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::keys::Key;
use jws::{Jws, Object};
use words::Craft;

pub(crate) use own_key::jwk;

pub use own_key::Stranger;
pub use words::{Forgery, UnknownWord};

/// What forgeries are made of.
#[derive(Debug)]
pub struct Material<'a> {
    /// Somebody's real ID token.
    pub id: &'a Secret<String>,
    /// The access token that came along with it.
    pub access: Option<&'a Secret<String>>,
    /// The key set that the issuer publishes (RFC 7517 section 5).
    pub keys: Option<&'a Value>,
    /// The forger's own key.
    pub stranger: &'a Stranger,
    /// Where the forger waits for somebody to ask for keys, without a slash at
    /// its end.
    pub lure: &'a str,
    /// What only the issuer has.
    pub issuer: Option<&'a Issuer>,
}

/// The issuer's side of the forgeries that only it can make.
#[derive(Debug)]
pub struct Issuer {
    /// Signs ID tokens.
    pub key: Arc<Key>,
    /// The time.
    pub now: Timestamp,
    /// The claim that the cluster names users by.
    pub username_claim: String,
    /// The claim that the cluster takes groups from.
    pub groups_claim: String,
    /// The `iss` of another pool, and its key; without one, a pool that there
    /// is not.
    pub other_pool: Option<(String, Arc<Key>)>,
    /// A key that is no longer published; without one, the forger's.
    pub retired: Option<Arc<Key>>,
}

/// One forged token.
#[derive(Clone, Debug)]
pub struct Forged {
    /// Which of the word's forms it is, in a few words.
    pub variant: String,
    /// The token. Some are accepted, so it is as secret as a real one.
    pub token: Secret<String>,
}

impl Forged {
    fn new(variant: impl Into<String>, token: String) -> Self {
        Self {
            variant: variant.into(),
            token: Secret::new(token),
        }
    }
}

/// Why a forgery cannot be made of this token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Impossible(String);

impl Impossible {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl Forgery {
    /// Forges: all the forms that the word has, the one that it means by itself
    /// first.
    ///
    /// # Errors
    /// [`Impossible`]: something is missing, or the token lacks what is to be
    /// changed.
    pub fn forge(self, material: &Material<'_>) -> Result<Vec<Forged>, Impossible> {
        let real = Jws::parse(material.id.expose())?;
        let issuer = material
            .issuer
            .ok_or_else(|| Impossible::new("only the issuer's own key can sign it"));
        match self.craft() {
            Craft::Claims => claims::forge(self, &real, issuer?),
            Craft::Spelling => Ok(spelling::forge(self, &real, issuer?)),
            Craft::OtherKey => Ok(other_key(self, &real, issuer?, material.stranger)),
            Craft::Tampering => tampering::forge(self, &real),
            Craft::OwnKey => own_key::forge(self, &real, material),
            Craft::Access => {
                let token = material.access.ok_or_else(|| {
                    Impossible::new("the access token of the same login is not at hand")
                })?;
                Ok(vec![Forged::new("as it is", token.expose().clone())])
            }
        }
    }
}

/// The same claims, signed with another key of the provider's.
fn other_key(word: Forgery, real: &Jws<'_>, issuer: &Issuer, stranger: &Stranger) -> Vec<Forged> {
    let signed = |key: &Key, claims: &Object| {
        let header = real.header.clone().set("kid", json!(key.kid()));
        jws::compact(&header.bytes(), &claims.bytes(), |input| key.sign(input))
    };
    if word == Forgery::RetiredKey {
        let key = issuer.retired.as_deref().unwrap_or(stranger.key());
        return vec![Forged::new("the same claims", signed(key, &real.claims))];
    }
    let (variant, iss, key) = match &issuer.other_pool {
        Some((iss, key)) => ("a token of another pool", iss.clone(), &**key),
        None => {
            let iss = format!("{}-other", real.claims.text("iss").unwrap_or_default());
            ("a token of a pool that there is not", iss, stranger.key())
        }
    };
    let theirs = real.claims.clone().set("iss", json!(iss));
    vec![
        Forged::new(variant, signed(key, &theirs)),
        Forged::new(
            "another pool's key under this iss",
            signed(key, &real.claims),
        ),
    ]
}
