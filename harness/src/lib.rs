//! Joins the chain: an identity provider, a cluster that trusts it, people
//! who log in, and questions about what they may do.
//!
//! It composes `mock-idp` and `mock-apiserver`, which know nothing of each
//! other, behind the AWS fronts that introduce them ([`aws`]), and drives them
//! from scenario files ([`scenario`], [`runner`]). It knows nothing of
//! terminals and exit codes.

pub mod attack;
pub mod aws;
pub mod browse;
pub mod child;
pub mod client;
pub mod cluster;
pub mod control;
pub mod doctor;
pub mod event;
pub mod explain;
mod files;
pub mod front;
pub mod instance;
mod launch;
pub mod login;
pub mod manifests;
pub mod offline;
pub mod panics;
pub mod process;
pub mod proxy;
pub mod report;
pub mod resources;
pub mod rig;
pub mod runner;
pub mod scenario;
pub mod side_by_side;
pub mod verdict;

use event::Event;
use login::Driver;
use scenario::plan::Plan;
use side_by_side::Side;
use verdict::{Tally, Verdict};

/// Runs plans one after the other, each on a fresh rig of its own that is set
/// up as `config` says, on each kind of cluster in `clusters`, and says in
/// events what came of them and where the clusters' answers differ. `driver`
/// is the login driver of plans that name none.
pub async fn run_plans(
    plans: Vec<Plan>,
    config: &rig::Config,
    clusters: &[cluster::Kind],
    driver: Driver,
    sink: &mut (dyn FnMut(Event) + Send),
) -> Tally {
    let mut tally = Tally::default();
    let several = clusters.len() > 1;
    for plan in plans {
        let driver = plan.driver.unwrap_or(driver);
        let name = plan.name.clone();
        let mut sides = Vec::new();
        for kind in clusters {
            let config = rig::Config {
                cluster: *kind,
                // Answers have ids in them, which are to be the same on all.
                seeded_ids: if several { Some(1) } else { config.seeded_ids },
                ..config.fresh()
            };
            let mut side = Side::new(kind.name());
            let label = several.then(|| kind.name());
            let verdict = run_plan(plan.clone(), config, driver, label, &mut side, sink).await;
            tally.count(&verdict);
            sides.push(side);
        }
        for difference in side_by_side::differences(&sides) {
            tally.differences += 1;
            sink(Event::Difference {
                scenario: name.clone(),
                difference,
            });
        }
    }
    sink(Event::RunFinished { tally });
    tally
}

async fn run_plan(
    plan: Plan,
    config: rig::Config,
    driver: Driver,
    label: Option<&'static str>,
    side: &mut Side,
    sink: &mut (dyn FnMut(Event) + Send),
) -> Verdict {
    let rig = match rig::Rig::start(config).await {
        Ok(rig) => rig,
        Err(error) => return not_run(plan, rig::NoBench::from(error), label, sink),
    };
    let own = [
        (rig.origin().to_owned(), "ORIGIN"),
        (rig.ready_cluster().endpoint().to_owned(), "API SERVER"),
    ];
    let verdict = match rig.bench(driver) {
        Ok(bench) => {
            let mut listen = |event: Event| {
                side.listen(&event, &own);
                sink(event);
            };
            runner::run(plan, bench, label, &mut listen).await
        }
        Err(why) => not_run(plan, why, label, sink),
    };
    rig.stop().await;
    verdict
}

/// Reports a plan of which no step was tried.
fn not_run(
    plan: Plan,
    why: rig::NoBench,
    cluster: Option<&'static str>,
    sink: &mut (dyn FnMut(Event) + Send),
) -> Verdict {
    let verdict = match why {
        rig::NoBench::Missing(missing) => Verdict::Skip { missing },
        rig::NoBench::Broken(broken) => Verdict::Broken {
            r#where: broken.to_string(),
        },
    };
    sink(Event::ScenarioStarted {
        name: plan.name.clone(),
        file: plan.file.clone(),
        steps: 1,
        cluster,
    });
    sink(Event::StepFinished {
        number: 1,
        title: "set up what it runs on".to_owned(),
        verdict: verdict.clone(),
        details: Vec::new(),
        seconds: 0.0,
    });
    sink(Event::ScenarioFinished {
        name: plan.name,
        file: plan.file,
        verdict: verdict.clone(),
        seconds: 0.0,
        cluster,
        identities: None,
    });
    verdict
}

/// `$XDG_CACHE_HOME/rolecall/NAME`, or under `~/.cache`.
pub(crate) fn cache_folder(name: &str) -> Option<std::path::PathBuf> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(std::path::PathBuf::from)
    };
    from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("rolecall").join(name))
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
