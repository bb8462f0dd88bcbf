//! Another authority that may be asked about a token, as
//! `--authentication-token-webhook-config-file` names one.

use std::pin::Pin;

use kube_authn::User;

/// An answer that is still to come.
pub type Review<'a> = Pin<Box<dyn Future<Output = Result<Option<User>, String>> + Send + 'a>>;

/// Judges tokens that no JWT authenticator took.
pub trait TokenWebhook: Send + Sync {
    /// Who `token` speaks for: `None` where that is not known here, an error
    /// where it is refused for a reason, which must not contain the token.
    fn review<'a>(&'a self, token: &'a str) -> Review<'a>;
}
