//! Password policy, and the only form in which a password is kept.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;

use super::id::PoolId;

/// What a pool asks of passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Characters, 6 to 99.
    pub minimum_length: u32,
    /// At least one `A` to `Z`.
    pub require_uppercase: bool,
    /// At least one `a` to `z`.
    pub require_lowercase: bool,
    /// At least one `0` to `9`.
    pub require_numbers: bool,
    /// At least one of Cognito's special characters.
    pub require_symbols: bool,
    /// Days for which a password set by an administrator can be used.
    pub temporary_validity_days: u32,
    /// How many former passwords are refused; kept, not enforced.
    pub history_size: Option<u32>,
}

/// What a pool created without a policy has.
impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_length: 8,
            require_uppercase: true,
            require_lowercase: true,
            require_numbers: true,
            require_symbols: true,
            temporary_validity_days: 7,
            history_size: None,
        }
    }
}

/// One rule of a policy, broken; `Display` is Cognito's text for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant's text says it")]
pub enum PasswordRule {
    Length,
    Uppercase,
    Lowercase,
    Numbers,
    Symbols,
}

impl fmt::Display for PasswordRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "Password not long enough",
            Self::Uppercase => "Password must have uppercase characters",
            Self::Lowercase => "Password must have lowercase characters",
            Self::Numbers => "Password must have numeric characters",
            Self::Symbols => "Password must have symbol characters",
        })
    }
}

/// The characters that count as symbols (Cognito developer guide, "Adding
/// user pool password requirements"); a space counts where it neither leads
/// nor trails.
pub const SYMBOLS: &str = "^$*.[]{}()?-\"!@#%&/\\,><':;|_~`+=";

impl PasswordPolicy {
    /// Checks `password` and names the first rule it breaks, as Cognito does:
    /// one at a time.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn check(&self, password: &str) -> Result<(), PasswordRule> {
        let has = |wanted: bool, test: fn(char) -> bool| !wanted || password.chars().any(test);
        if password.chars().count() < self.minimum_length as usize {
            return Err(PasswordRule::Length);
        }
        if !has(self.require_uppercase, |c| c.is_ascii_uppercase()) {
            return Err(PasswordRule::Uppercase);
        }
        if !has(self.require_lowercase, |c| c.is_ascii_lowercase()) {
            return Err(PasswordRule::Lowercase);
        }
        if !has(self.require_numbers, |c| c.is_ascii_digit()) {
            return Err(PasswordRule::Numbers);
        }
        let symbol = password.chars().any(|c| SYMBOLS.contains(c)) || password.trim().contains(' ');
        if self.require_symbols && !symbol {
            return Err(PasswordRule::Symbols);
        }
        Ok(())
    }
}

/// The inner hash of Cognito's SRP, `SHA256(poolName + userId + ":" +
/// password)`: enough to check a password and, later, to compute the SRP
/// verifier from; the password itself is not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash([u8; 32]);

impl PasswordHash {
    /// Hashes `password` for the user whose canonical name is `user_id`.
    pub fn of(pool: &PoolId, user_id: &str, password: &str) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(pool.suffix().as_bytes());
        hash.update(user_id.as_bytes());
        hash.update(b":");
        hash.update(password.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.finish().as_ref());
        Self(bytes)
    }

    /// Whether both hash the same password, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// The hash, for SRP's verifier `g^SHA256(salt | hash)`.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Does not print the hash: it is as good as the password.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password hash]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by Python's hashlib: `sha256(b"Tj3uyJm1Qtest@kubedemy.io:H3lloW@rlD")`.
    /// Clients of SRP compute the same, so that it can be added to whom there is.
    #[test]
    fn the_hash_is_the_inner_one_of_srp() {
        let pool = PoolId::from("eu-west-2_Tj3uyJm1Q");
        let hash = PasswordHash::of(&pool, "test@kubedemy.io", "H3lloW@rlD");
        let hex: String = hash.expose().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "e737fd0f8e5771510770c6d887ef140d31906c932a125a5aff028276f0a01aa8"
        );
        for (user, password) in [
            ("test@kubedemy.iO", "H3lloW@rlD"),
            ("test@kubedemy.io", "H3lloW@rld"),
            ("test@kubedemy.i", "oH3lloW@rlD"),
        ] {
            assert!(!hash.matches(&PasswordHash::of(&pool, user, password)));
        }
    }
}
