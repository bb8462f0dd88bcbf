//! Joins the chain: an identity provider, a cluster that trusts it, people
//! who log in, and questions about what they may do.
//!
//! It composes `mock-idp` and `mock-apiserver`, which know nothing of each
//! other, behind the AWS fronts that introduce them ([`aws`]), and drives them
//! from scenario files ([`scenario`], [`runner`]). It knows nothing of
//! terminals and exit codes.

pub mod aws;
pub mod client;
pub mod cluster;
pub mod event;
pub mod explain;
pub mod front;
pub mod instance;
pub mod login;
pub mod panics;
pub mod process;
pub mod proxy;
pub mod report;
pub mod resources;
pub mod rig;
pub mod runner;
pub mod scenario;
pub mod verdict;

use event::Event;
use scenario::plan::Plan;
use verdict::{Tally, Verdict};

/// Runs plans one after the other, each on a fresh rig of its own, and says
/// in events what came of them.
pub async fn run_plans(plans: Vec<Plan>, sink: &mut (dyn FnMut(Event) + Send)) -> Tally {
    let mut tally = Tally::default();
    for plan in plans {
        tally.count(&run_plan(plan, sink).await);
    }
    sink(Event::RunFinished { tally });
    tally
}

async fn run_plan(plan: Plan, sink: &mut (dyn FnMut(Event) + Send)) -> Verdict {
    let (name, file) = (plan.name.clone(), plan.file.clone());
    let started = match rig::Rig::start(rig::Config::default()).await {
        Ok(rig) => match rig.bench() {
            Ok(bench) => Ok((rig, bench)),
            Err(broken) => Err(broken.to_string()),
        },
        Err(error) => Err(error.to_string()),
    };
    match started {
        Ok((rig, bench)) => {
            let verdict = runner::run(plan, bench, sink).await;
            rig.stop().await;
            verdict
        }
        Err(reason) => {
            let verdict = Verdict::Broken { r#where: reason };
            sink(Event::ScenarioFinished {
                name,
                file,
                verdict: verdict.clone(),
                seconds: 0.0,
            });
            verdict
        }
    }
}

/// Reads a duration as people write it: `90s`, `61m`, `1h30m`.
///
/// # Errors
/// A sentence with examples.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| std::time::Duration::try_from(duration).ok())
        .ok_or_else(|| format!("{text:?} is not a duration such as 90s, 61m or 1h30m"))
}
