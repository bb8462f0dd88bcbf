//! The walk a token takes, step by step, for people who ask why.

use jiff::Timestamp;

use crate::authenticator::{Authenticator, KeyState, Stop};
use crate::distributed::ClaimState;
use crate::error::StepName;

/// One step that was taken and what it found. The last one tells the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which one.
    pub name: StepName,
    /// Whether the token got past it.
    pub passed: bool,
    /// What was found, or the refusal in the API server's words.
    pub detail: String,
}

/// Somebody who watches the walk. The details are made only for who wants them.
pub(crate) trait Observer {
    fn passed(&mut self, step: StepName, detail: impl FnOnce() -> String);
    fn failed(&mut self, step: StepName, detail: impl FnOnce() -> String);
}

/// Nobody watches.
impl Observer for () {
    fn passed(&mut self, _: StepName, _: impl FnOnce() -> String) {}
    fn failed(&mut self, _: StepName, _: impl FnOnce() -> String) {}
}

impl Observer for Vec<Step> {
    fn passed(&mut self, name: StepName, detail: impl FnOnce() -> String) {
        self.push(Step {
            name,
            passed: true,
            detail: detail(),
        });
    }

    fn failed(&mut self, name: StepName, detail: impl FnOnce() -> String) {
        self.push(Step {
            name,
            passed: false,
            detail: detail(),
        });
    }
}

impl Authenticator {
    /// The steps that [`Authenticator::authenticate`] takes with this token, in
    /// order, up to the one that decides.
    #[must_use]
    pub fn explain(&self, token: &str, keys: KeyState<'_>, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        match self.walk(token, keys, ClaimState::Unknown, now, &mut steps) {
            Ok(_) | Err(Stop::NotMine) => {}
            Err(Stop::NeedsKeys) => {
                steps.failed(StepName::Signature, || {
                    "no known key verifies the signature".to_owned()
                });
            }
            Err(Stop::Needs(needed)) => {
                steps.failed(StepName::DistributedClaims, || needed.refusal().to_string());
            }
            Err(Stop::Rejected(error)) => steps.failed(error.step(), || error.to_string()),
        }
        steps
    }
}
