//! `rolecall demo` and `rolecall test`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness::cluster::control_plane::assets;
use harness::cluster::existing::{Access, Made, Unreachable};
use harness::cluster::{Kind, Version, kind};
use harness::doctor::Surroundings;
use harness::event::Event;
use harness::instance::FOR_KIND;
use harness::login::Driver;
use harness::report::{json, junit::Junit, terminal};
use harness::rig;
use harness::scenario::load;
use harness::verdict::Tally;

use crate::arguments::{Demo, Test};
use crate::signals::Signals;
use crate::up::{FOR_KIND_BY_OWN_NAMES, Nodes};
use crate::{RIG, Stop, output};

/// The tutorial as a scenario, in the program: the demo runs anywhere.
const TUTORIAL: &str = include_str!("../../../scenarios/tutorial.yaml");

pub async fn demo(options: Demo) -> Result<u8, Stop> {
    let scenario =
        load::parse(Path::new("scenarios/tutorial.yaml"), TUTORIAL).map_err(Stop::usage)?;
    let plan = harness::scenario::plan::plan(scenario).map_err(Stop::usage)?;
    let style = output::style();
    let mut show = |event: Event| {
        if options.json {
            output::print(&format!("{}\n", json::render(&event)));
        } else if !matches!(event, Event::RunFinished { .. }) {
            output::print(&terminal::render(&event, style, terminal::Detail::Full));
        }
    };
    let config = rig::Config::default();
    let clusters = [Kind::Embedded];
    let tally = harness::run_plans(vec![plan], &config, &clusters, Driver::Http, &mut show).await;
    if !options.json && tally.failed + tally.broken == 0 {
        output::print(
            "\nNext: `rolecall up` and, in another terminal, `rolecall shell`; or write a scenario and `rolecall test` it.\n",
        );
    }
    Ok(exit_code(&tally, false))
}

pub async fn test(options: Test) -> Result<u8, Stop> {
    let plans = plans(&options.paths)?;
    let style = output::style();
    let detail = if options.verbose {
        terminal::Detail::Full
    } else {
        terminal::Detail::Brief
    };
    let mut junit = Junit::default();
    let mut show = |event: Event| {
        junit.listen(&event);
        output::print(&if options.json {
            format!("{}\n", json::render(&event))
        } else {
            terminal::render(&event, style, detail)
        });
    };
    let clusters: Vec<Kind> = options.cluster.iter().copied().map(Kind::from).collect();
    let mut config = config(&options, &clusters).await?;
    // What stands beside a cluster of its own minor is to be of that one.
    config.kubernetes_version = config.kubernetes_version.or_else(|| {
        // As kind's own are published: NAME:TAG@DIGEST.
        let image = options.kind_image.as_deref()?.split('@').next()?;
        let tag = image.rsplit(':').next()?;
        Version::of_release(tag)
    });
    if clusters.contains(&Kind::ControlPlane) {
        // Before anything runs, rather than a broken scenario after another.
        let programs = assets::find(options.kubernetes_version).map_err(Stop::rig)?;
        config.kubernetes_version = Some(programs.version);
    }
    if clusters.contains(&Kind::Kind) {
        let tools = kind::Tools::find(options.kind_image.as_deref()).await;
        let tools = tools.map_err(Stop::rig)?;
        tools
            .image(config.kubernetes_version)
            .await
            .map_err(Stop::rig)?;
    }
    let driver = options.driver.into();
    let nodes = Nodes::before(&clusters);
    let running = harness::run_plans(plans, &config, &clusters, driver, &mut show);
    let made = config.existing.as_ref().and_then(|access| access.made());
    let tally = match made {
        None => running.await,
        Some(made) => {
            let mut signals = Signals::new().map_err(Stop::rig)?;
            tokio::select! {
                tally = running => tally,
                () = signals.next() => return Err(interrupted(made, &options, &mut signals).await),
            }
        }
    };
    nodes.tell();
    for file in &options.report {
        let xml = junit.xml().map_err(Stop::rig)?;
        std::fs::write(file, xml)
            .map_err(|error| Stop::rig(format!("{}: {error}", file.display())))?;
    }
    Ok(exit_code(&tally, options.no_skip))
}

/// What was made in somebody else's cluster goes, unless a second signal comes.
async fn interrupted(made: &Made, options: &Test, signals: &mut Signals) -> Stop {
    let context = options.context.as_deref().unwrap_or_default();
    let remedy = format!("remove it with rolecall clean --context {context:?}");
    let removed = tokio::select! {
        removed = made.remove() => removed,
        () = signals.next() => return Stop::rig(format!(
            "interrupted twice; what was made is still in the cluster: {remedy}"
        )),
    };
    Stop::rig(match removed.left.as_slice() {
        [] => "interrupted; what was made in the cluster is removed".to_owned(),
        left => format!(
            "interrupted; still in the cluster, {remedy}: {}",
            left.join("; ")
        ),
    })
}

/// How the rigs are set up.
async fn config(options: &Test, clusters: &[Kind]) -> Result<rig::Config, Stop> {
    let (existing, release) = access(options, clusters).await?.unzip();
    let base = if options.for_kind {
        rig::Config::for_kind(&rig::Config::default().region)
    } else {
        rig::Config::default()
    };
    // A cluster that is told by a file need be told but once.
    let edge = match &existing {
        Some(_) => Some(Arc::new(harness::rig::edge_ca().map_err(Stop::rig)?)),
        None => None,
    };
    Ok(rig::Config {
        names: options.names(),
        kubernetes_version: options
            .kubernetes_version
            .or_else(|| Version::of_release(&release?)),
        kind_image: options.kind_image.clone(),
        existing: existing.map(Arc::new),
        edge,
        ..base
    })
}

/// The cluster that is there already, where that is asked for, and its release.
async fn access(options: &Test, clusters: &[Kind]) -> Result<Option<(Access, String)>, Stop> {
    if !clusters.contains(&Kind::Existing) {
        let named = options.context.is_some() || options.kubeconfig.is_some();
        return if named || options.allow_writes || options.for_kind {
            Err(Stop::usage(
                "--kubeconfig, --context, --allow-writes and --for-kind are for --cluster kubeconfig",
            ))
        } else {
            Ok(None)
        };
    }
    if options.for_kind && options.names() != rig::Names::Local {
        return Err(Stop::usage(FOR_KIND_BY_OWN_NAMES));
    }
    let by_hand = options.for_kind.then(|| mounted_by_hand(&options.dir));
    let by_hand = by_hand.transpose()?;
    let context = options.context.as_deref();
    let reached = reach(options.kubeconfig.as_deref(), context, options.allow_writes).await;
    let (access, release) = reached?;
    let access = match by_hand {
        Some(folder) => access.by_hand(&folder),
        None => access,
    };
    Ok(Some((access, release)))
}

/// What a cluster mounts that was made by hand beside the instance of `dir`.
fn mounted_by_hand(dir: &Path) -> Result<PathBuf, Stop> {
    let folder = std::path::absolute(dir).map_err(Stop::usage)?;
    let folder = folder.join(FOR_KIND);
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Stop::usage(format!(
        "there is no {}, which a cluster made by hand mounts: with --dir name the folder of the `rolecall up --for-kind` that it was made beside",
        folder.display()
    )))
}

/// A context's cluster, which answers, and its release.
pub async fn reach(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    allow_writes: bool,
) -> Result<(Access, String), Stop> {
    let surroundings = Surroundings::of(harness::process::environment());
    let files = match kubeconfig {
        Some(file) => vec![file.to_owned()],
        None => surroundings.kubeconfigs.clone(),
    };
    let stop = |why: Unreachable| match why {
        Unreachable::Kubeconfig(_) => Stop::usage(why),
        Unreachable::Cluster(_) => Stop::rig(why),
    };
    let access = Access::find(&files, context, allow_writes, &surroundings.proxy).map_err(stop)?;
    let release = access.release().await.map_err(stop)?;
    Ok((access, release))
}

/// Every file is read before anything runs, and every error is said.
fn plans(paths: &[PathBuf]) -> Result<Vec<harness::scenario::plan::Plan>, Stop> {
    let mut plans = Vec::new();
    let mut problems = Vec::new();
    for file in load::find(paths).map_err(Stop::usage)? {
        match load::load(&file) {
            Err(error) => problems.push(error.to_string()),
            Ok(loaded) => match harness::scenario::plan::plan(loaded) {
                Err(error) => problems.push(error.to_string()),
                Ok(plan) => plans.push(plan),
            },
        }
    }
    if problems.is_empty() {
        Ok(plans)
    } else {
        Err(Stop::usage(problems.join("\n")))
    }
}

/// 0 as expected, 1 not as expected or not the same on all clusters, 3 the rig
/// failed (or, with `no_skip`, something was skipped).
fn exit_code(tally: &Tally, no_skip: bool) -> u8 {
    if tally.broken > 0 || (no_skip && tally.skipped > 0) {
        RIG
    } else {
        u8::from(tally.failed + tally.differences > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn tally(passed: usize, failed: usize, skipped: usize, broken: usize) -> Tally {
        Tally {
            passed,
            failed,
            skipped,
            broken,
            differences: 0,
        }
    }

    #[rstest]
    #[case::all_as_expected(tally(3, 0, 0, 0), false, 0)]
    #[case::one_not(tally(3, 1, 0, 0), false, 1)]
    #[case::skips_are_no_failure(tally(3, 0, 1, 0), false, 0)]
    #[case::unless_asked(tally(3, 0, 1, 0), true, 3)]
    #[case::a_broken_rig_outweighs_a_failure(tally(3, 1, 0, 1), false, 3)]
    #[case::not_the_same_on_all_clusters(Tally { differences: 1, ..tally(3, 0, 0, 0) }, false, 1)]
    fn exit_codes(#[case] tally: Tally, #[case] no_skip: bool, #[case] code: u8) {
        assert_eq!(exit_code(&tally, no_skip), code);
    }
}
