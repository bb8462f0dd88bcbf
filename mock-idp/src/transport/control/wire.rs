//! The JSON of the control calls. They are rolecall's own: nothing of this
//! exists at a real provider.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::message::{self, Medium, Occasion};
use crate::flow;
use crate::forge::{self, UnknownWord};
use crate::transport::recorder::Recorded;

/// `GET /_rolecall/clock`, and the answer to moving it.
#[derive(Debug, Serialize)]
pub(crate) struct ClockState {
    pub now: Timestamp,
    /// False where the instance runs on the system's own clock.
    pub movable: bool,
}

/// `POST /_rolecall/clock`: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum MoveClock {
    /// A duration, as `"1h 30m"` or `"PT1H30M"`; forward only.
    Advance(SignedDuration),
    /// A time, as `"2026-11-23T21:00:00Z"`; backwards too.
    Set(Timestamp),
}

/// `GET /_rolecall/outbox`: what would have been sent, oldest first.
#[derive(Serialize)]
pub(crate) struct Outbox {
    pub messages: Vec<Message>,
}

/// One e-mail or SMS.
#[derive(Serialize)]
pub(crate) struct Message {
    pub pool: String,
    pub user: String,
    pub occasion: &'static str,
    pub medium: &'static str,
    pub destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub body: String,
    /// The temporary password in the body, for those who script.
    pub password: String,
    pub sent: Timestamp,
}

impl From<&message::Message> for Message {
    fn from(message: &message::Message) -> Self {
        Self {
            pool: message.pool.to_string(),
            user: message.user.to_string(),
            occasion: match message.occasion {
                Occasion::Invitation => "invitation",
            },
            medium: match message.medium {
                Medium::Email => "email",
                Medium::Sms => "sms",
            },
            destination: message.destination.clone(),
            subject: message.subject.clone(),
            body: message.body.expose().clone(),
            password: message.password.expose().clone(),
            sent: message.sent,
        }
    }
}

/// `POST /_rolecall/pools/POOL/keys/rotate` and `…/replace`: the key ids in use from now on.
#[derive(Debug, Serialize)]
pub(crate) struct Rotated {
    pub id_token_kid: String,
    pub access_token_kid: String,
    /// Ids of former keys that are still published.
    pub retired: Vec<String>,
}

/// `POST /_rolecall/forge`: what is to be forged, out of what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forge {
    /// What is changed, such as `expired`.
    pub word: String,
    /// Somebody's ID token.
    pub token: String,
    /// The access token of the same login, which `access-token` needs.
    pub access_token: Option<String>,
    /// The claim that the cluster names users by; default `email` or `sub`.
    pub username_claim: Option<String>,
    /// The claim that the cluster takes groups from; default `cognito:groups`.
    pub groups_claim: Option<String>,
}

impl Forge {
    /// # Errors
    /// There is no such word.
    pub(crate) fn into_command(self) -> Result<flow::Forge, UnknownWord> {
        Ok(flow::Forge {
            word: self.word.parse()?,
            id: self.token.into(),
            access: self.access_token.map(Into::into),
            username_claim: self.username_claim,
            groups_claim: self.groups_claim,
        })
    }
}

/// All the forms of a forged token; the first is what the word means by itself.
#[derive(Serialize)]
pub(crate) struct Forged {
    pub tokens: Vec<Variant>,
}

/// One of them.
#[derive(Serialize)]
pub(crate) struct Variant {
    pub variant: String,
    pub token: String,
}

impl From<forge::Forged> for Variant {
    fn from(forged: forge::Forged) -> Self {
        Self {
            variant: forged.variant,
            token: forged.token.expose().clone(),
        }
    }
}

/// `GET /_rolecall/requests`: the last ones, oldest first.
#[derive(Debug, Serialize)]
pub(crate) struct Requests {
    pub requests: Vec<Request>,
}

/// One request, with nothing in it that is secret: no query, no header, no
/// body.
#[derive(Debug, Serialize)]
pub(crate) struct Request {
    pub at: Timestamp,
    pub method: String,
    pub path: String,
    /// The AWS operation, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    pub status: u16,
}

impl From<Recorded> for Request {
    fn from(recorded: Recorded) -> Self {
        Self {
            at: recorded.at,
            method: recorded.method.to_string(),
            path: recorded.path,
            operation: recorded.operation,
            status: recorded.status.as_u16(),
        }
    }
}

/// `GET /_rolecall/health`.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    pub status: &'static str,
    pub now: Timestamp,
}

/// Any refusal.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    pub error: &'static str,
    pub message: String,
}
