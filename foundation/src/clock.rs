//! The only place that reads the time.
//!
//! A [`Clock`] is handed in everywhere: for `now`, and for sleeping, timers
//! and cache lifetimes too, so that a test (or `rolecall demo`) can jump over
//! an hour and everything that waits for it happens at once.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the place that reads the time"
)]

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// A cheap handle on one shared time line.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
enum Inner {
    /// The machine's own clock.
    System,
    /// Stands still until it is told otherwise.
    Fixed(watch::Sender<Timestamp>),
    /// The machine's clock plus an offset that can be moved.
    Offset(watch::Sender<SignedDuration>),
}

/// What the system clock cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotBeMoved;

impl std::fmt::Display for CannotBeMoved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the system clock cannot be moved")
    }
}

impl std::error::Error for CannotBeMoved {}

impl Clock {
    /// The machine's own time.
    pub fn system() -> Self {
        Self(Arc::new(Inner::System))
    }

    /// A clock that shows `at` until [`Clock::advance`] or [`Clock::set`].
    pub fn fixed(at: Timestamp) -> Self {
        Self(Arc::new(Inner::Fixed(watch::Sender::new(at))))
    }

    /// The machine's time, movable by an offset that starts at zero.
    pub fn offset() -> Self {
        Self(Arc::new(Inner::Offset(watch::Sender::new(
            SignedDuration::ZERO,
        ))))
    }

    /// The time it is.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Inner::System => Timestamp::now(),
            Inner::Fixed(at) => *at.borrow(),
            Inner::Offset(offset) => add(Timestamp::now(), *offset.borrow()),
        }
    }

    /// Moves the clock forward and wakes whoever slept past the new time.
    ///
    /// # Errors
    /// [`CannotBeMoved`] for the system clock.
    pub fn advance(&self, by: Duration) -> Result<(), CannotBeMoved> {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        match &*self.0 {
            Inner::System => return Err(CannotBeMoved),
            Inner::Fixed(at) => at.send_modify(|at| *at = add(*at, by)),
            Inner::Offset(offset) => {
                offset.send_modify(|offset| *offset = offset.saturating_add(by))
            }
        }
        Ok(())
    }

    /// Sets the clock to `to`, backwards too.
    ///
    /// # Errors
    /// [`CannotBeMoved`] for the system clock.
    pub fn set(&self, to: Timestamp) -> Result<(), CannotBeMoved> {
        match &*self.0 {
            Inner::System => return Err(CannotBeMoved),
            Inner::Fixed(at) => {
                at.send_replace(to);
            }
            Inner::Offset(offset) => {
                offset.send_replace(to.duration_since(Timestamp::now()));
            }
        }
        Ok(())
    }

    /// Whether [`Clock::advance`] works.
    pub fn is_movable(&self) -> bool {
        !matches!(&*self.0, Inner::System)
    }

    /// Waits for `duration` on this time line.
    pub async fn sleep(&self, duration: Duration) {
        let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        self.sleep_until(add(self.now(), duration)).await;
    }

    /// Waits until the clock shows `deadline` or later.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        match &*self.0 {
            Inner::System => real_sleep(deadline.duration_since(Timestamp::now())).await,
            Inner::Fixed(at) => {
                let mut at = at.subscribe();
                // The sender lives as long as `self`, so waiting cannot fail.
                let _ = at.wait_for(|at| *at >= deadline).await;
            }
            Inner::Offset(offset) => {
                let mut moved = offset.subscribe();
                loop {
                    let offset = *moved.borrow_and_update();
                    let left = deadline.duration_since(add(Timestamp::now(), offset));
                    if left <= SignedDuration::ZERO {
                        return;
                    }
                    tokio::select! {
                        () = real_sleep(left) => {}
                        _ = moved.changed() => {}
                    }
                }
            }
        }
    }
}

async fn real_sleep(duration: SignedDuration) {
    if let Ok(duration) = Duration::try_from(duration) {
        pause(duration).await;
    }
}

/// Waits in the machine's own time, whatever a [`Clock`] shows: between two
/// looks at something that no clock of ours moves, such as a socket.
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Gives up on `future` after `limit` of the machine's own time: for peers
/// that do not follow our clock.
///
/// # Errors
/// [`TimedOut`].
pub async fn limit<F: Future>(limit: Duration, future: F) -> Result<F::Output, TimedOut> {
    tokio::time::timeout(limit, future)
        .await
        .map_err(|_| TimedOut)
}

/// The limit of [`limit`] was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

/// Measures the machine's own time, for reports and deadlines that a moved
/// [`Clock`] must not touch.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts one.
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time since.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

fn add(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        "2009-11-10T23:00:00Z".parse().expect("a valid timestamp")
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = Clock::fixed(start());
        assert_eq!(clock.now(), start());
        clock.advance(Duration::from_secs(90)).expect("movable");
        assert_eq!(clock.now().to_string(), "2009-11-10T23:01:30Z");
        clock.set(start()).expect("movable");
        assert_eq!(clock.now(), start());
    }

    #[test]
    fn the_system_clock_cannot_be_moved() {
        assert_eq!(
            Clock::system().advance(Duration::from_secs(1)),
            Err(CannotBeMoved)
        );
        assert_eq!(Clock::system().set(start()), Err(CannotBeMoved));
    }

    #[tokio::test]
    async fn advancing_wakes_a_sleeper_on_every_movable_clock() {
        for clock in [Clock::fixed(start()), Clock::offset()] {
            let deadline = add(clock.now(), SignedDuration::from_hours(1));
            let sleeper = tokio::spawn({
                let clock = clock.clone();
                async move { clock.sleep_until(deadline).await }
            });
            tokio::task::yield_now().await;
            assert!(!sleeper.is_finished());
            clock.advance(Duration::from_secs(3601)).expect("movable");
            sleeper.await.expect("woken");
            assert!(clock.now() >= deadline);
        }
    }

    #[tokio::test]
    async fn a_deadline_in_the_past_returns_at_once() {
        for clock in [Clock::system(), Clock::fixed(start()), Clock::offset()] {
            clock.sleep_until(Timestamp::UNIX_EPOCH).await;
        }
    }
}
