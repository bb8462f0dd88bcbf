//! How a configuration takes the place of another with Kubernetes' own timing
//! (kubernetes, `pkg/kubeapiserver/options/authentication.go: ApplyTo` and
//! `pkg/kubeapiserver/authenticator/config.go: updateAuthenticationConfig`).
//!
//! The first one is in force at once. Every later one, also after an empty
//! one, is when all its issuers are healthy, which is looked at every ten
//! seconds for a minute; its authenticators are made anew. Where they are not,
//! the old ones stay, and it is tried again whenever the file is polled, which
//! is every minute, or changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use foundation::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use kube_authn::config::{AnonymousAuthConfig, AuthenticationConfiguration};
use rustls::RootCertStore;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::Inner;
use super::issuer::Issuer;
use super::keys::Progress;
use crate::wire::{aggregate, quote};

/// How often health is looked at.
const HEALTH_INTERVAL: SignedDuration = SignedDuration::from_secs(10);
/// How often in all: within `UpdateAuthenticationConfigTimeout`, a minute.
const HEALTH_CHECKS: i32 = 6;
/// How often the file is looked at.
const POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// What a file may not do.
pub(super) const ANONYMOUS_CHANGED: &str =
    "anonymous: Forbidden: changed from initial configuration file";

pub(super) type Issuers = Arc<Vec<Arc<Issuer>>>;

/// A configuration with what it is read by.
#[derive(Clone)]
pub(super) struct File {
    pub configuration: AuthenticationConfiguration,
    pub signing_algs: Option<Vec<String>>,
    pub roots: RootCertStore,
}

/// What is known of the configurations of one server.
#[derive(Default)]
pub(super) struct Reload {
    state: Mutex<State>,
    /// Told when another file is wanted while one is tried.
    changed: Arc<Notify>,
    /// What came of the latest file.
    outcome: watch::Sender<Outcome>,
}

/// What came of a file.
#[derive(Default)]
enum Outcome {
    #[default]
    InForce,
    /// It is being tried for the first time.
    Tried,
    /// It was not in force within a minute, and is tried again.
    Failed(String),
}

#[derive(Default)]
struct State {
    /// When the first file was read, and its part that may not change.
    started: Option<(Timestamp, Option<AnonymousAuthConfig>)>,
    /// The file that is in force.
    tracked: Option<File>,
    /// The file that shall be.
    wanted: Option<File>,
    /// Who tries to bring it into force.
    task: Option<AbortHandle>,
}

impl Drop for Reload {
    fn drop(&mut self) {
        if let Some(task) = self.lock().task.take() {
            task.abort();
        }
    }
}

impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        self.configuration == other.configuration
            && self.signing_algs == other.signing_algs
            && self.roots.roots == other.roots.roots
    }
}

impl Reload {
    /// What is wrong with a file because of the one that the server started
    /// with.
    pub fn check(&self, configuration: &AuthenticationConfiguration) -> Option<String> {
        let state = self.lock();
        let (_, anonymous) = state.started.as_ref()?;
        (*anonymous != configuration.anonymous).then(|| ANONYMOUS_CHANGED.to_owned())
    }

    /// Takes over the first file, at `now`: whether this is it.
    pub fn start(&self, file: &File, now: Timestamp) -> bool {
        let mut state = self.lock();
        let first = state.started.is_none();
        if first {
            state.started = Some((now, file.configuration.anonymous.clone()));
            state.tracked = Some(file.clone());
            state.wanted = Some(file.clone());
        }
        first
    }

    /// Begins to bring a later file into force, of which `issuers` are made.
    pub fn begin(inner: &Arc<Inner>, file: File, issuers: Issuers) {
        let this = &inner.reload;
        let mut state = this.lock();
        state.wanted = Some(file.clone());
        if state.task.is_some() {
            this.outcome.send_replace(Outcome::Tried);
            this.changed.notify_one();
        } else if state.tracked.as_ref() == Some(&file) {
            // Nothing has changed.
        } else if issuers.is_empty() {
            // There is nobody to wait for.
            state.take_over(inner, &file, &issuers);
        } else {
            inner.latest.store(Arc::clone(&issuers));
            this.outcome.send_replace(Outcome::Tried);
            let (changed, clock) = (Arc::clone(&this.changed), inner.clock.clone());
            let first = Try {
                began: clock.now(),
                file,
                issuers,
            };
            let task = bring_into_force(Arc::downgrade(inner), clock, changed, first);
            state.task = Some(tokio::spawn(task).abort_handle());
        }
    }

    /// There is no file any more that shall be in force: none is tried again.
    pub fn forget(&self) {
        let mut state = self.lock();
        state.wanted = None;
        if state.task.is_some() {
            self.changed.notify_one();
        }
    }

    /// Waits until the latest file is in force.
    ///
    /// # Errors
    /// Why it is not, after a minute.
    pub async fn in_force(&self) -> Result<(), String> {
        let mut outcome = self.outcome.subscribe();
        let settled = outcome.wait_for(|outcome| !matches!(outcome, Outcome::Tried));
        match settled.await.as_deref() {
            Ok(Outcome::Failed(why)) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_over(&mut self, inner: &Inner, file: &File, issuers: &Issuers) {
        inner.latest.store(Arc::clone(issuers));
        inner.issuers.store(Arc::clone(issuers));
        self.tracked = Some(file.clone());
        tracing::info!("reloaded authentication config");
    }

    /// When the file is polled next.
    fn next_poll(&self, now: Timestamp) -> Timestamp {
        let mut poll = self.started.as_ref().map_or(now, |(at, _)| *at);
        while poll <= now {
            poll = poll.checked_add(POLL_INTERVAL).unwrap_or(Timestamp::MAX);
        }
        poll
    }
}

/// One attempt to bring a file into force.
struct Try {
    began: Timestamp,
    file: File,
    issuers: Issuers,
}

enum Next {
    /// What is wanted is in force.
    Nothing,
    /// It is not time yet.
    Wait,
    Try(Try),
}

/// Tries what is wanted until it is in force. The server is held weakly
/// meanwhile.
async fn bring_into_force(inner: Weak<Inner>, clock: Clock, changed: Arc<Notify>, first: Try) {
    let mut attempt = first;
    loop {
        let outcome = healthy_in_time(&clock, &attempt).await;
        let Some(this) = inner.upgrade() else { return };
        let mut poll = this.reload.settle(&this, &attempt, outcome);
        drop(this);
        let tried = attempt.file;
        // Nobody asks for the keys of what has failed.
        drop(attempt.issuers);
        attempt = loop {
            let Some(this) = inner.upgrade() else { return };
            match this.reload.next(&this, &tried, poll.is_none()) {
                Next::Nothing => return,
                Next::Try(attempt) => break attempt,
                Next::Wait => {}
            }
            drop(this);
            tokio::select! {
                () = clock.sleep_until(poll.unwrap_or(Timestamp::MAX)) => poll = None,
                () = changed.notified() => {}
            }
        };
    }
}

impl Reload {
    /// Brings what was tried into force, or gives it up until the poll that is
    /// answered with.
    fn settle(
        &self,
        inner: &Inner,
        attempt: &Try,
        outcome: Result<(), String>,
    ) -> Option<Timestamp> {
        let mut state = self.lock();
        let is_latest = state.wanted.as_ref() == Some(&attempt.file);
        let came_of_it = |outcome| {
            if is_latest {
                self.outcome.send_replace(outcome);
            }
        };
        match outcome {
            Ok(()) => {
                state.take_over(inner, &attempt.file, &attempt.issuers);
                came_of_it(Outcome::InForce);
                None
            }
            Err(error) => {
                came_of_it(Outcome::Failed(error.clone()));
                tracing::error!(err = %error, "failed to update authentication config");
                inner.latest.store(inner.issuers.load_full());
                Some(state.next_poll(inner.clock.now()))
            }
        }
    }

    /// What is to be done after `tried`; `polled` says whether the file is
    /// looked at though it has not changed.
    fn next(&self, inner: &Inner, tried: &File, polled: bool) -> Next {
        let mut state = self.lock();
        let wanted = state.wanted.clone();
        let Some(file) = wanted.filter(|file| state.tracked.as_ref() != Some(file)) else {
            state.task = None;
            self.outcome.send_replace(Outcome::InForce);
            return Next::Nothing;
        };
        if file == *tried && !polled {
            return Next::Wait;
        }
        // What was set could be made then, and can be again.
        let Ok(issuers) = inner.make(&file, false) else {
            return Next::Wait;
        };
        inner.latest.store(Arc::clone(&issuers));
        Next::Try(Try {
            began: inner.clock.now(),
            file,
            issuers,
        })
    }
}

/// Waits until all are healthy (`wait.PollUntilContextCancel`).
///
/// # Errors
/// Why not all are.
async fn healthy_in_time(clock: &Clock, attempt: &Try) -> Result<(), String> {
    let Try { began, issuers, .. } = attempt;
    for check in 0..=HEALTH_CHECKS {
        let at = began.checked_add(HEALTH_INTERVAL * check);
        clock.sleep_until(at.unwrap_or(Timestamp::MAX)).await;
        if check < HEALTH_CHECKS && faults(issuers).is_empty() {
            return Ok(());
        }
    }
    let mut faults = faults(issuers);
    faults.push("context deadline exceeded".to_owned());
    Err(aggregate(faults))
}

fn faults(issuers: &Issuers) -> Vec<String> {
    let fault = |issuer: &Arc<Issuer>| {
        let why = match &*issuer.progress().borrow() {
            Progress::Ready => return None,
            Progress::Starting => "it is being initialized".to_owned(),
            Progress::Failed(why) => why.clone(),
        };
        let url = quote(issuer.url());
        Some(format!(
            "oidc: authenticator for issuer {url} is not healthy: {why}"
        ))
    };
    issuers.iter().filter_map(fault).collect()
}
