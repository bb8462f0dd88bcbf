//! Every file in `scenarios/`, by the program: on the embedded cluster, under
//! both kinds of names, and side by side with a real control plane.

use std::process::Command;

use harness::event::Event;
use harness::rig::{Audit, Config, Rig};
use harness::runner;
use harness::scenario::{load, plan};
use serde_json::Value;

use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::{block_on, check, path_with, ran};
use crate::tutorial::text;

/// One case a file.
pub fn cases() -> Vec<Case> {
    let root = programs::root();
    let files = load::find(&[root.join("scenarios")]).expect("the project's own scenarios");
    let all = files.into_iter().flat_map(|file| {
        let path = file
            .strip_prefix(&root)
            .unwrap_or(&file)
            .display()
            .to_string();
        let again = path.clone();
        let third = path.clone();
        [
            case(format!("scenarios::{path}"), move || passes(&path, None)),
            case(format!("scenarios::{again} under AWS' names"), move || {
                passes(&again, Some("--aws-hosts"))
            }),
            case(
                format!("scenarios::{third} as on a real control plane"),
                move || agrees(&third),
            ),
        ]
    });
    let answers = case(
        "scenarios::every_line_of_the_tutorial_comes_from_an_answer",
        answers,
    );
    let minor = case(
        "scenarios::side_by_side_all_are_of_the_minor_that_was_found",
        minor,
    );
    all.chain([answers, minor]).collect()
}

/// `view` has events by the name of their new group in 1.37, and not in 1.34.
const VIEWS: &str = r#"
rolecall: 1
name: who may view looks at no events of the new group
idp:
  pool: { usernameAttributes: [email], groups: [viewers] }
  people: { bob@example.com: { groups: [viewers] } }
trust: { username: email, groups: cognito:groups, groupsPrefix: "oidc:" }
rbac:
  - apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata: { name: "oidc:viewers" }
    roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
    subjects: [{ kind: Group, name: "oidc:viewers", apiGroup: rbac.authorization.k8s.io }]
expect:
  - who: bob@example.com
    can: [list events -n dev]
    cannot: [list events.events.k8s.io -n dev]
"#;

/// Where no minor was named the embedded cluster is of the control plane's.
fn minor() -> Result<(), Stop> {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile();
    let file = file.map_err(|error| error.to_string())?;
    std::fs::write(file.path(), VIEWS).map_err(|error| error.to_string())?;
    let path = file.path().display().to_string();
    let mut alone = test(&path)?;
    alone.args(["--cluster", "embedded"]);
    let run = ran(alone)?.refused()?;
    check(run.code == Some(1), || run.to_string())?;
    let mut both = test(&path)?;
    both.args(["--cluster", "embedded,control-plane"])
        .env("KUBEBUILDER_ASSETS", programs::control_plane("v1.34")?);
    ran(both)?.ok().map(drop)
}

/// Those that need what a cluster in other processes cannot do, and so are
/// skipped there by that name: "the … cluster" and this.
pub const CANNOT: [(&str, &str); 3] = [
    (
        "scenarios/negatives/disabled.yaml",
        "does not follow our clock",
    ),
    (
        "scenarios/negatives/expired.yaml",
        "does not follow our clock",
    ),
    (
        "scenarios/attacks/other-algorithm.yaml",
        "takes all nine signing algorithms",
    ),
];

/// No step comes out differently, and nothing is skipped that could be tried.
fn agrees(path: &str) -> Result<(), Stop> {
    let mut command = test(path)?;
    command
        .args(["--cluster", "embedded,control-plane"])
        .env("KUBEBUILDER_ASSETS", programs::control_plane("v1.37")?);
    let run = ran(command)?.ok()?;
    let events = run.events()?;
    let finished: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "scenarioFinished")
        .collect();
    let came_out = |at: usize, cluster: &str, verdict: &str| {
        finished[at]["cluster"] == cluster && finished[at]["verdict"] == verdict
    };
    let cannot = CANNOT.iter().find(|(file, _)| *file == path);
    let real = if cannot.is_some() { "skip" } else { "pass" };
    let ends = events.last().cloned().unwrap_or_default();
    check(
        finished.len() == 2
            && came_out(0, "embedded", "pass")
            && came_out(1, "control-plane", real)
            && ends["differences"] == 0,
        || run.to_string(),
    )?;
    match cannot {
        Some((_, reason)) => run
            .says(&format!("the control-plane cluster {reason}"))
            .map(drop),
        None => Ok(()),
    }
}

/// `rolecall test --json` of a file.
fn test(path: &str) -> Result<Command, Stop> {
    let mut command = Command::new(programs::rolecall());
    command
        .args(["test", "--json", path])
        .current_dir(programs::root());
    // The pinned kubelogin first, for scenarios that name it as their driver.
    if let Ok(kubelogin) = programs::kubelogin() {
        command.env("PATH", path_with(&[kubelogin])?);
    }
    Ok(command)
}

fn passes(path: &str, more: Option<&str>) -> Result<(), Stop> {
    let mut command = test(path)?;
    command.args(more);
    let run = ran(command)?.ok()?;
    let events = run.events()?;
    let verdict = events
        .iter()
        .find(|event| event["event"] == "scenarioFinished")
        .ok_or_else(|| run.to_string())?;
    match verdict["verdict"].as_str() {
        Some("pass") => Ok(()),
        Some("skip") => Err(Missing(verdict["reason"].to_string()).into()),
        _ => Err(Stop::Fail(run.to_string())),
    }
}

/// The runner in this process, on a rig that notes what it is asked: no step
/// passes without the requests that it tells of.
fn answers() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let audit = folder.path().join("audit.log");
    let file = programs::root().join("scenarios/tutorial.yaml");
    let tutorial = load::load(&file).map_err(|error| error.to_string())?;
    let tutorial = plan::plan(tutorial).map_err(|error| error.to_string())?;
    let (steps, requests) = block_on(noted(tutorial, &audit))?;
    check(steps.len() == 11, || format!("{} steps", steps.len()))?;
    let mut events: Vec<Value> = Vec::new();
    for line in std::fs::read_to_string(&audit)
        .map_err(|error| error.to_string())?
        .lines()
    {
        events.push(serde_json::from_str(line).map_err(|error| error.to_string())?);
    }

    // The provider: an operation a step, in their order, then the pages.
    let asked: Vec<&str> = requests.iter().map(String::as_str).collect();
    let wanted = [
        "CreateUserPool 200",
        "CreateUserPoolDomain 200",
        "CreateGroup 200",
        "AdminCreateUser 200",
        "AdminAddUserToGroup 200",
        "AdminSetUserPassword 200",
        "CreateUserPoolClient 200",
    ];
    in_order(&asked, &wanted)?;
    in_order(
        &asked,
        &["/oauth2/authorize 302", "/login 200", "/oauth2/token 200"],
    )?;

    // The cluster: what the last two steps say is in its own record.
    let whoami = events.iter().position(|event| {
        event["requestURI"]
            .as_str()
            .unwrap_or_default()
            .contains("selfsubjectreviews")
            && event["user"]["username"] == "test@kubedemy.io"
    });
    check(whoami.is_some(), || "nobody asked who it is".to_owned())?;
    let asks = |kind: &str| {
        events
            .iter()
            .filter(|event| event["user"]["username"] == "test@kubedemy.io")
            .filter(|event| text(&event["requestURI"]).is_ok_and(|uri| uri.contains(kind)))
            .count()
    };
    let last = steps.last().ok_or_else(|| "no steps".to_owned())?;
    let claimed = last.details.iter().filter(|line| line.contains("allowed"));
    let (claimed, asked) = (claimed.count(), asks("selfsubjectaccessreviews"));
    check(claimed >= 3 && asked >= claimed, || {
        format!("{claimed} answers of {asked}: {:?}", last.details)
    })?;
    check(asks("selfsubjectrulesreviews") >= 1, || {
        "nobody asked for the rules".to_owned()
    })?;
    // And it grew with the steps that speak with it, and no later.
    let grew = |title: &str| {
        let at = steps.iter().position(|step| step.title.contains(title));
        at.is_some_and(|at| steps[at].audited > steps[at.saturating_sub(1)].audited)
    };
    for title in ["create clusterrolebinding", "can get secrets"] {
        check(grew(title), || {
            format!("{title}: the cluster was not asked")
        })?;
    }
    Ok(())
}

/// A step that was finished, and how long the audit log was then.
struct Finished {
    title: String,
    details: Vec<String>,
    audited: usize,
}

/// Runs a plan; what it said, and what its provider was asked.
async fn noted(
    plan: plan::Plan,
    audit: &std::path::Path,
) -> Result<(Vec<Finished>, Vec<String>), Stop> {
    let config = Config {
        audit: Audit::File(audit.to_owned()),
        ..Config::default()
    };
    let rig = Rig::start(config)
        .await
        .map_err(|error| error.to_string())?;
    let bench = rig
        .bench(harness::login::Driver::Http)
        .map_err(|why| why.to_string())?;
    let mut steps = Vec::new();
    let mut sink = |event: Event| {
        if let Event::StepFinished { title, details, .. } = event {
            let log = std::fs::read_to_string(audit).unwrap_or_default();
            steps.push(Finished {
                title,
                details,
                audited: log.lines().count(),
            });
        }
    };
    let verdict = runner::run(plan, bench, None, &mut sink).await;
    check(verdict.word() == "pass", || format!("{verdict:?}"))?;
    let requests = requests(&rig).await?;
    // EKS itself: the cluster was told whom to trust.
    let bench = rig
        .bench(harness::login::Driver::Http)
        .map_err(|why| why.to_string())?;
    let path = format!("/clusters/{}/identity-provider-configs", bench.cluster_name);
    let configs = bench.aws.eks(http::Method::GET, &path, &Value::Null).await;
    let configs = configs.map_err(|error| error.to_string())?;
    check(
        configs["identityProviderConfigs"][0]["type"] == "oidc",
        || configs.to_string(),
    )?;
    rig.stop().await;
    Ok((steps, requests))
}

/// What its provider was asked, as operation or path and status.
async fn requests(rig: &Rig) -> Result<Vec<String>, Stop> {
    let roots = rig.edge_ca().roots().map_err(|error| error.to_string())?;
    let http = harness::client::https(roots, None, None).map_err(|error| error.to_string())?;
    let answer = http
        .get(format!("{}/_rolecall/requests", rig.origin()))
        .bearer_auth(rig.control_token().expose())
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let requests: Value = answer.json().await.map_err(|error| error.to_string())?;
    let all = requests["requests"].as_array().into_iter().flatten();
    Ok(all
        .map(|one| {
            let what = one["operation"].as_str().or(one["path"].as_str());
            let what = what.unwrap_or_default();
            // A domain's pages are under its path.
            let what = what.split("/domains/").last().unwrap_or_default();
            let page = what.split_once('/').map(|(_, page)| format!("/{page}"));
            format!("{} {}", page.unwrap_or(what.to_owned()), one["status"])
        })
        .collect())
}

fn in_order(all: &[&str], wanted: &[&str]) -> Result<(), Stop> {
    let mut rest = all.iter();
    for one in wanted {
        check(rest.any(|other| other == one), || {
            format!("no {one} in its place in {all:?}")
        })?;
    }
    Ok(())
}
