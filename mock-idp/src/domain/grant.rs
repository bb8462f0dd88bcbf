//! What proves, for a while, that somebody has signed in.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::id::{ClientId, PoolId, UserId};
use super::password::PasswordHash;
use super::scope::Scopes;

/// Which front a sign-in came through; the claims differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Via {
    Api,
    OAuth,
}

/// One sign-in, from which tokens are minted, again and again by refreshing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The pool.
    pub pool: PoolId,
    /// The client it was made for.
    pub client: ClientId,
    /// The user.
    pub user: UserId,
    /// The front it came through.
    pub via: Via,
    /// What was granted.
    pub scopes: Scopes,
    /// When the user signed in; constant over refreshes.
    pub auth_time: Timestamp,
    /// What all tokens of the grant share.
    pub origin_jti: String,
    /// Names the sign-in in the tokens.
    pub event_id: String,
    /// What the authorize request sent, for the first ID token only.
    pub nonce: Option<String>,
}

/// An authorization code's record: valid for five minutes, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeGrant {
    /// What it is exchanged for.
    pub grant: Grant,
    /// The `redirect_uri` it was sent to, repeated at the token endpoint.
    pub redirect_uri: String,
    /// The S256 challenge, if the request sent one.
    pub pkce: Option<String>,
    /// When it expires.
    pub expires: Timestamp,
}

impl CodeGrant {
    /// Whether `verifier` answers the challenge (RFC 7636 section 4.6): none
    /// may be sent where none was recorded, and one must where one was.
    pub fn verifier_fits(&self, verifier: Option<&str>) -> bool {
        match (&self.pkce, verifier) {
            (None, None) => true,
            (Some(challenge), Some(verifier)) => {
                let hashed = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
                verify_slices_are_equal(hashed.as_bytes(), challenge.as_bytes()).is_ok()
            }
            _ => false,
        }
    }
}

/// A refresh token's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshGrant {
    /// What it is exchanged for.
    pub grant: Grant,
    /// When it expires.
    pub expires: Timestamp,
    /// When rotation replaced it.
    pub replaced: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// The session of a challenge: used once, valid for minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeSession {
    /// The pool.
    pub pool: PoolId,
    /// The client.
    pub client: ClientId,
    /// The user.
    pub user: UserId,
    /// The temporary password that was right: the session ends with it.
    pub password: Option<PasswordHash>,
    /// When it expires.
    pub expires: Timestamp,
}

/// A browser that has signed in to a pool's hosted pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSession {
    /// The pool.
    pub pool: PoolId,
    /// The user.
    pub user: UserId,
    /// When the user signed in.
    pub auth_time: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
}

/// The key under which a bearer secret is kept: its hash, so that comparing
/// and looking up tell nothing of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// The key of `secret`.
    pub fn of(secret: &str) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(key)
    }
}
