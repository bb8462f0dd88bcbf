//! What Kubernetes makes of each forged token, by the code whose verdicts are held
//! against Kubernetes' own: form by form, since a word may have some that are
//! accepted and some that are not.

use foundation::clock::{Clock, Stopwatch};
use jiff::{SignedDuration, Timestamp};
use kube_authn::config::AuthenticationConfiguration;
use kube_authn::{Authenticator, KeySet, KeyState, Outcome, User};
use mock_apiserver::authn::with_authenticated;
use serde_json::{Value, json};

use crate::cluster::authn::{self, Trust};
use crate::doctor::token;

/// What is to come of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nobody knows: the issuer's keys are not at hand.
    Unknown,
    /// It is refused.
    Refused,
    /// It is accepted as this user; none: as whom the real token is.
    Accepted(Option<User>),
}

/// A judge of forged tokens, beside the cluster that is attacked.
pub struct Reference {
    known: Option<Known>,
}

struct Known {
    authenticator: Authenticator,
    keys: KeySet,
    /// Whether names are reckoned as the cluster does.
    maps: bool,
    /// What the issuer's clock showed when the watch was started.
    began: Timestamp,
    watch: Stopwatch,
}

impl Reference {
    /// One that knows the issuer's published keys, and by `trust` what the cluster
    /// makes of claims; without it, only whether a token is accepted. `clock` is the
    /// issuer's time.
    pub fn new(
        real: &str,
        keys: Option<&Value>,
        trust: Option<&Trust>,
        clock: Option<Timestamp>,
    ) -> Self {
        let known = keys.and_then(|keys| {
            let configuration = match trust {
                Some(trust) => authn::render(trust).ok()?.configuration,
                None => of_the_token(real)?,
            };
            Some(Known {
                // An API server may take all nine algorithms.
                authenticator: Authenticator::new(configuration.jwt.first()?, None).ok()?,
                keys: KeySet::parse(keys.to_string().as_bytes()).ok()?,
                maps: trust.is_some(),
                began: clock.unwrap_or_else(|| Clock::system().now()),
                watch: Stopwatch::start(),
            })
        });
        let reference = Self { known };
        // Who refuses the real token says nothing of forged ones.
        match reference.expects(real) {
            Expected::Accepted(_) => reference,
            _ => Self { known: None },
        }
    }

    /// What is to come of `token` now.
    pub fn expects(&self, token: &str) -> Expected {
        let Some(known) = &self.known else {
            return Expected::Unknown;
        };
        let passed = SignedDuration::try_from(known.watch.elapsed()).unwrap_or_default();
        let now = known.began.saturating_add(passed).unwrap_or(known.began);
        let keys = KeyState::Fetched(&known.keys);
        match known.authenticator.authenticate(token, keys, now) {
            Outcome::Accepted(user) => {
                Expected::Accepted(known.maps.then(|| with_authenticated(user)))
            }
            _ => Expected::Refused,
        }
    }
}

/// A configuration that takes the real token, whoever it names.
fn of_the_token(real: &str) -> Option<AuthenticationConfiguration> {
    let decoded = token::decode(real)?;
    let file = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {
                "url": decoded.text("iss")?, "audiences": decoded.audiences(),
                "audienceMatchPolicy": "MatchAny",
            },
            "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
        }],
    });
    AuthenticationConfiguration::from_json(&file.to_string()).ok()
}
