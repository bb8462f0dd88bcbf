//! What a successful sign-in hands out.

use std::time::Duration;

use foundation::secret::Secret;

/// The tokens of one answer. `token_type` is always `Bearer`.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// Absent where an OAuth grant lacks the scope `openid`.
    pub id: Option<Secret<String>>,
    /// The access token.
    pub access: Secret<String>,
    /// Absent in answers to a refresh, unless the client rotates.
    pub refresh: Option<Secret<String>>,
    /// How long the access token is valid.
    pub expires_in: Duration,
}
