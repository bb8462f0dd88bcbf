//! The access keys that rolecall hands out, and the IAM users behind them.

use foundation::secret::Secret;
use rand::RngExt as _;

use super::ids::Ids;

const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// An access key and the IAM user it belongs to.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// `AKIA` and sixteen characters.
    pub id: String,
    /// Forty characters.
    pub secret: Secret<String>,
    /// `arn:aws:iam::ACCOUNT:user/NAME`.
    pub arn: String,
    /// `AIDA` and sixteen characters.
    pub user_id: String,
}

/// The two keys of an instance: the first is who created the ready cluster,
/// the second is somebody else.
#[derive(Clone, Debug)]
pub struct AccessKeys {
    account: String,
    keys: [AccessKey; 2],
}

impl AccessKeys {
    /// Makes two keys for `account`, with ids of `ids` and fresh secrets.
    pub fn generate(account: &str, ids: &Ids) -> Self {
        Self {
            account: account.to_owned(),
            keys: ["admin", "other"].map(|user| AccessKey {
                id: format!("AKIA{}", ids.text(16, ID_ALPHABET)),
                secret: Secret::new(random(
                    40,
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                )),
                arn: format!("arn:aws:iam::{account}:user/{user}"),
                user_id: format!("AIDA{}", ids.text(16, ID_ALPHABET)),
            }),
        }
    }

    /// The key whose identity creates the cluster that stands ready.
    pub fn admin(&self) -> &AccessKey {
        &self.keys[0]
    }

    /// A key of another identity, for trying out what a stranger may do.
    pub fn other(&self) -> &AccessKey {
        &self.keys[1]
    }

    /// The key called `id`, if it is one of ours.
    pub fn find(&self, id: &str) -> Option<&AccessKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Twelve digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Whose request this is. The Cognito and EKS calls accept any key; one
    /// that is not ours belongs to an identity that no key can prove.
    pub fn caller_arn(&self, key_id: Option<&str>) -> String {
        let id = key_id.unwrap_or("anonymous");
        self.find(id).map_or_else(
            || format!("arn:aws:iam::{}:user/unknown/{id}", self.account),
            |key| key.arn.clone(),
        )
    }
}

fn random(length: usize, alphabet: &[u8]) -> String {
    let mut rng = rand::rng();
    (0..length)
        .map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())]))
        .collect()
}
