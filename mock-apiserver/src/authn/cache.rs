//! Kubernetes' token cache: who a token spoke for a moment ago (apiserver,
//! `authentication/token/cache`). Only successes are kept, for ten seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use kube_authn::User;
use sha2::Sha256;

const LIFETIME: SignedDuration = SignedDuration::from_secs(10);
/// At this size the expired entries are thrown out.
const SWEEP_AT: usize = 1024;

type Key = [u8; 32];

/// Tokens are kept as HMACs under a key of the process, never as they are.
pub struct TokenCache {
    /// As long as a block of the hash, which is what HMAC wants.
    secret: [u8; 64],
    entries: Mutex<HashMap<Key, (Timestamp, User)>>,
}

impl TokenCache {
    /// An empty cache with a fresh key.
    pub fn new() -> Self {
        Self {
            secret: rand::random(),
            entries: Mutex::default(),
        }
    }

    /// The user that `token` spoke for less than ten seconds ago.
    pub fn get(&self, token: &str, now: Timestamp) -> Option<User> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (expiry, user) = entries.get(&self.key(token))?;
        (now < *expiry).then(|| user.clone())
    }

    /// Keeps what was found out about `token`.
    pub fn put(&self, token: &str, user: &User, now: Timestamp) {
        let expiry = now.saturating_add(LIFETIME).unwrap_or(now);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= SWEEP_AT && entries.len().is_power_of_two() {
            entries.retain(|_, (expiry, _)| now < *expiry);
        }
        entries.insert(self.key(token), (expiry, user.clone()));
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn key(&self, token: &str) -> Key {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&self.secret.into());
        mac.update(token.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_remembered_for_ten_seconds() {
        let cache = TokenCache::new();
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
        let user = User {
            username: "u".to_owned(),
            ..User::default()
        };
        cache.put("t", &user, now);
        assert_eq!(
            cache.get("t", now + SignedDuration::from_secs(9)),
            Some(user)
        );
        assert_eq!(cache.get("t", now + SignedDuration::from_secs(10)), None);
        assert_eq!(cache.get("other", now), None);
    }
}
