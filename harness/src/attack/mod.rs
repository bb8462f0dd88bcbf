//! Every forged token there is, sent to a cluster: what was let in?
//!
//! A real token comes first, since a cluster that refuses everybody refuses
//! forgeries, too, and proves nothing by it. Each forgery is then shown as a
//! bearer; where an administrator is at hand, TokenReview is asked about it as
//! well, which has the reason and is a door of its own. Nothing in here is
//! peculiar to rolecall: any API server is attacked in the same way.

mod forger;
mod kubernetes;
mod lure;
mod reference;
mod report;
mod request;
mod target;
#[cfg(test)]
mod tests;

use futures_util::StreamExt as _;
use mock_idp::forge::Forged;

use crate::client::Broken;
use crate::control::NotForged;
use lure::Lure;
use reference::Reference;

pub use crate::doctor::Error;
pub use forger::{Forger, Provider};
pub use mock_idp::forge::Forgery;
pub use report::{Attempt, NOT_SENT, Outcome, Report, Row};
pub use request::{Person, Request, prepare};
pub use target::{Answer, Target};

/// Tokens under way at once.
const AT_ONCE: usize = 8;

/// Sends `words` to `target` and tells `sink` what came of each.
///
/// # Errors
/// [`Broken`]: the real token is not accepted, before or after, so that nothing
/// was proven; or the forger cannot wait for who asks for its keys, or the
/// identity provider that is to sign does not answer.
pub async fn attack(
    target: &Target,
    forger: &Forger,
    words: &[Forgery],
    sink: &mut (dyn FnMut(&Attempt) + Send),
) -> Result<Report, Broken> {
    let person = target.knows(forger.real_token()).await?;
    let reviewed = target.reviews(forger.real_token()).await;
    let lure = Lure::start(forger.stranger())
        .await
        .map_err(|error| Broken::new("wait for who asks for the forger's keys", error))?;
    let mut attempts = Vec::new();
    for word in words {
        let attempt = match forger.forge(*word, lure.url()).await {
            Err(NotForged::Impossible(why)) => Attempt::without(*word, why),
            // The cluster has done nothing wrong, and nothing is known of it.
            Err(NotForged::Broken(broken)) => return Err(broken),
            Ok(forged) => send(target, *word, forged, forger.reference(), &person).await,
        };
        sink(&attempt);
        if attempt.is_broken() {
            // Is it the token, or the cluster?
            target.knows(forger.real_token()).await?;
        }
        attempts.push(attempt);
    }
    target.knows(forger.real_token()).await?;
    Ok(Report {
        target: target.url().to_owned(),
        person,
        reviewed,
        attempts,
        lured: lure.asked(),
    })
}

async fn send(
    target: &Target,
    word: Forgery,
    forged: Vec<Forged>,
    reference: &Reference,
    person: &kube_authn::User,
) -> Attempt {
    let mut attempt = Attempt::new(word);
    let asked = forged.into_iter().map(|one| async move {
        let shown = target.show(&one.token).await;
        let reviewed = target.review(&one.token).await;
        (one, shown, reviewed)
    });
    let mut answers = futures_util::stream::iter(asked).buffered(AT_ONCE);
    while let Some((one, shown, reviewed)) = answers.next().await {
        let expected = reference.expects(one.token.expose());
        attempt.add(one.variant, shown, reviewed, &expected, person);
        if attempt.count(Outcome::Broken) == AT_ONCE {
            attempt.leave_out("the rest, for the cluster does not answer".to_owned());
            break;
        }
    }
    if word == Forgery::RemoteKey && !target.is_here() {
        attempt.leave_out(
            "whether somebody went there: only a cluster on this machine finds the way".to_owned(),
        );
    }
    attempt
}
