//! Every file in `scenarios/`, by the program, on the embedded cluster.

use std::process::Command;

use harness::scenario::load;
use serde_json::Value;

use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::ran;

/// One case a file.
pub fn cases() -> Vec<Case> {
    let root = programs::root();
    let files = load::find(&[root.join("scenarios")]).expect("the project's own scenarios");
    files
        .into_iter()
        .map(|file| {
            let path = file
                .strip_prefix(&root)
                .unwrap_or(&file)
                .display()
                .to_string();
            case(format!("scenarios::{path}"), move || passes(&path))
        })
        .collect()
}

fn passes(path: &str) -> Result<(), Stop> {
    let mut command = Command::new(programs::rolecall());
    command
        .args(["test", "--json", path])
        .current_dir(programs::root());
    // The pinned kubelogin first, for scenarios that name it as their driver.
    if let Ok(kubelogin) = programs::kubelogin() {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let folder = kubelogin.parent().map(std::path::Path::to_owned);
        let all = folder.into_iter().chain(std::env::split_paths(&old));
        command.env(
            "PATH",
            std::env::join_paths(all).map_err(|error| error.to_string())?,
        );
    }
    let run = ran(command)?.ok()?;
    let events: Vec<Value> = run
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
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
