//! `test` and `demo` as commands: exit codes, reports, and that they are one.

use std::process::Command;

use harness::login::browser;
use serde_json::Value;

use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::{Ran, check, path_with, ran, rolecall};

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case("cli::a_skip_is_named_and_no_skip_is_3", skip),
        case("cli::a_broken_rig_is_3", broken),
        case("cli::a_browser_that_does_not_start_is_3", broken_browser),
        case("cli::demo_is_the_tutorial_scenario", demo_is_tutorial),
    ]
}

fn skip() -> Result<(), Stop> {
    let path = path_with(&[programs::kubelogin()?])?;
    let file = "scenarios/negatives/access-token.yaml";
    for (more, code) in [(None, 0), (Some("--no-skip"), 3)] {
        let mut command = Command::new(programs::rolecall());
        command
            .args(["test", "--driver", "kubelogin", file])
            .args(more)
            .env("PATH", &path)
            .current_dir(programs::root());
        let run = ran(command)?;
        check(run.code == Some(code), || run.to_string())?;
        for words in [
            "this login driver gets to see no access token",
            "- skip an access token has no audience",
            file,
            "0 passed, 0 failed, 1 skipped",
        ] {
            check(run.stdout.contains(words), || {
                format!("{words:?} is not in: {run}")
            })?;
        }
    }
    Ok(())
}

/// A driver that ends at once: the programs are there, so nothing is skipped.
fn broken() -> Result<(), Stop> {
    says_broken(&[("CHROME", "/bin/false"), ("CHROMEDRIVER", "/bin/false")])
}

/// The real driver, with a browser that ends at once.
fn broken_browser() -> Result<(), Stop> {
    browser::find().map_err(|missing| Missing(missing.to_string()))?;
    says_broken(&[("CHROME", "/bin/false")])
}

fn says_broken(env: &[(&str, &str)]) -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let report = folder.path().join("report.xml");
    let mut command = Command::new(programs::rolecall());
    command
        .args(["test", "--driver", "browser"])
        .arg("scenarios/negatives/binding-gone.yaml")
        .arg(format!("--report=junit={}", report.display()))
        .envs(env.iter().copied())
        .current_dir(programs::root());
    let run = ran(command)?;
    check(run.code == Some(3), || run.to_string())?;
    let run = run.says("! broken without its binding")?;
    let run = run.says("0 passed, 0 failed, 1 broken")?;
    let xml = std::fs::read_to_string(&report).map_err(|error| error.to_string())?;
    check(
        xml.contains("<error message=") && !xml.contains("<failure") && !xml.contains("<skipped"),
        || format!("{xml}\n{run}"),
    )
}

fn demo_is_tutorial() -> Result<(), Stop> {
    let demo = steps(&rolecall(&["demo", "--json"])?.ok()?)?;
    let test = ["test", "scenarios/tutorial.yaml", "--json"];
    let test = steps(&rolecall(&test)?.ok()?)?;
    check(demo == test, || format!("{demo:#?}, not {test:#?}"))?;
    // All of it, from the first line to the tally.
    let kinds: Vec<&Value> = demo.iter().map(|event| &event["event"]).collect();
    check(
        demo.len() >= 10 && kinds[0] == "scenarioStarted" && kinds[demo.len() - 1] == "runFinished",
        || format!("{kinds:?}"),
    )
}

/// The events, without what is another one every time.
fn steps(run: &Ran) -> Result<Vec<Value>, Stop> {
    let mut events = Vec::new();
    for line in run.stdout.lines() {
        let mut event: Value =
            serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        if let Some(event) = event.as_object_mut() {
            event.remove("seconds");
            if let Some(details) = event.get_mut("details").and_then(Value::as_array_mut) {
                details.iter_mut().for_each(mask);
            }
        }
        events.push(event);
    }
    Ok(events)
}

/// A line of details without ids: they are made of letters and digits both.
fn mask(line: &mut Value) {
    let words = line
        .as_str()
        .unwrap_or_default()
        .split([' ', '/', ',', '=', ':']);
    let kept: Vec<&str> = words
        .map(|word| {
            let drawn = word.len() >= 5 && word.bytes().any(|b| b.is_ascii_digit());
            if drawn { "…" } else { word }
        })
        .collect();
    *line = Value::from(kept.join(" "));
}
