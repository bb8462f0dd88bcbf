//! What a pool would have sent by e-mail or SMS.

use foundation::secret::Secret;
use jiff::Timestamp;

use super::id::{PoolId, UserId};

/// The way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Medium {
    Email,
    Sms,
}

/// Why a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// `AdminCreateUser`: the temporary password.
    Invitation,
}

/// One message in the outbox.
#[derive(Clone, Debug)]
pub struct Message {
    /// The pool it came from.
    pub pool: PoolId,
    /// Who it is for.
    pub user: UserId,
    /// Why.
    pub occasion: Occasion,
    /// How.
    pub medium: Medium,
    /// The address or phone number.
    pub destination: String,
    /// The subject; SMS has none.
    pub subject: Option<String>,
    /// The text. It holds a temporary password, so it does not print.
    pub body: Secret<String>,
    /// The temporary password in it, for those who script.
    pub password: Secret<String>,
    /// When it was sent.
    pub sent: Timestamp,
}

/// The texts of invitations, with `{username}` and `{####}` in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InviteTemplate {
    /// Text of the SMS.
    pub sms: Option<String>,
    /// Text of the e-mail.
    pub email: Option<String>,
    /// Subject of the e-mail.
    pub email_subject: Option<String>,
}

impl InviteTemplate {
    /// Subject and text of the invitation by `medium`, filled in.
    pub fn fill(&self, medium: Medium, username: &str, password: &str) -> (Option<String>, String) {
        let (subject, text) = match medium {
            Medium::Email => (
                Some(
                    self.email_subject
                        .as_deref()
                        .unwrap_or("Your temporary password")
                        .to_owned(),
                ),
                self.email.as_deref(),
            ),
            Medium::Sms => (None, self.sms.as_deref()),
        };
        let text = text.unwrap_or("Your username is {username} and temporary password is {####}. ");
        // The password goes in last, lest braces in it be taken for a mark.
        let text = text.replace("{username}", username);
        (subject, text.replace("{####}", password))
    }
}
