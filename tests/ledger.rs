//! Every skip with its reason, in one file that `.ci/run` looks at.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Completion, Failed, Trial};

use crate::rig::{check, ran};

/// What the ledger itself claims.
pub fn cases() -> Vec<Case> {
    vec![case(
        "ledger::a_skip_is_noted_and_fails_where_all_is_required",
        skips,
    )]
}

/// This very binary, with a case whose program is nowhere.
fn skips() -> Result<(), Stop> {
    const CASE: &str = "kubelogin::kubectl_lists_it_as_a_plugin";
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    for (require, fails) in [(None, false), (Some("all"), true)] {
        let ledger = folder.path().join(require.unwrap_or("nothing"));
        let mut command = std::process::Command::new(&exe);
        command
            .args(["--exact", CASE])
            .env("ROLECALL_KUBERNETES_BIN", "/nowhere")
            .env("ROLECALL_LEDGER", &ledger)
            .env_remove("ROLECALL_REQUIRE")
            .envs(require.map(|value| ("ROLECALL_REQUIRE", value)));
        let run = ran(command)?;
        let well = run.code == Some(0);
        check(run.code.is_some() && well != fails, || run.to_string())?;
        let counted = if fails { "1 failed" } else { "1 ignored" };
        let run = run.says(counted)?;
        let noted = std::fs::read_to_string(&ledger).map_err(|error| error.to_string())?;
        let wanted = format!("{CASE}: no kubectl-oidc_login");
        check(
            noted.starts_with(&wanted) && noted.lines().count() == 1,
            || format!("{noted:?} is noted by {run}"),
        )?;
    }
    Ok(())
}

/// Why a case was not tried.
pub struct Missing(pub String);

/// How a case ends that does not hold or cannot be tried.
pub enum Stop {
    /// Something is missing here that can be installed.
    Skip(Missing),
    /// The machine does not let it be tried, which nobody here can mend:
    /// `.ci/allowed-skips` says whether that passes.
    Unable(Missing),
    /// It does not hold.
    Fail(String),
}

impl Stop {
    /// As the end of a part that has a name.
    pub fn of(self, name: &str) -> Self {
        match self {
            Self::Fail(text) => Self::Fail(format!("{name}: {text}")),
            other => other,
        }
    }
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Skip(missing)
    }
}

impl From<String> for Stop {
    fn from(text: String) -> Self {
        Self::Fail(text)
    }
}

/// What a case is: a claim as its name, and what shows it.
pub struct Case {
    name: String,
    run: Box<dyn FnOnce() -> Result<(), Stop> + Send>,
}

/// A case called `name`.
pub fn case(
    name: impl Into<String>,
    run: impl FnOnce() -> Result<(), Stop> + Send + 'static,
) -> Case {
    Case {
        name: name.into(),
        run: Box::new(run),
    }
}

impl Case {
    /// The case as the test runner wants it.
    pub fn into_trial(self, ledger: &Ledger) -> Trial {
        let (ledger, name) = (ledger.clone(), self.name.clone());
        Trial::ignorable_test(self.name, move || match timed(&name, self.run) {
            Ok(()) => Ok(Completion::Completed),
            Err(Stop::Fail(text)) => Err(Failed::from(text)),
            Err(Stop::Unable(Missing(reason))) => {
                ledger.note(&name, &reason);
                Ok(Completion::ignored_with(reason))
            }
            Err(Stop::Skip(Missing(reason))) => {
                ledger.note(&name, &reason);
                if std::env::var("ROLECALL_REQUIRE").as_deref() == Ok("all") {
                    return Err(Failed::from(format!(
                        "skipped, but ROLECALL_REQUIRE=all: {reason}"
                    )));
                }
                Ok(Completion::ignored_with(reason))
            }
        })
    }
}

/// Runs a case; its seconds go to `ROLECALL_TIMES`, where that is set.
fn timed(name: &str, run: impl FnOnce() -> Result<(), Stop>) -> Result<(), Stop> {
    let began = std::time::Instant::now();
    let outcome = run();
    if let Some(path) = std::env::var_os("ROLECALL_TIMES") {
        append(
            &PathBuf::from(path),
            &format!("{:.2} {name}\n", began.elapsed().as_secs_f64()),
        );
    }
    outcome
}

fn append(path: &std::path::Path, text: &str) {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        eprintln!("cannot write {}: {error}", path.display());
    }
}

/// The skips so far.
#[derive(Clone)]
pub struct Ledger(Arc<Mutex<BTreeMap<String, String>>>);

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    fn note(&self, case: &str, reason: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(case.to_owned(), reason.to_owned());
    }

    /// Adds `CASE: REASON` lines to `ROLECALL_LEDGER`, where that is set.
    pub fn write(&self) {
        let Some(path) = std::env::var_os("ROLECALL_LEDGER").map(PathBuf::from) else {
            return;
        };
        let skips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text: String = skips
            .iter()
            .map(|(case, reason)| format!("{case}: {reason}\n"))
            .collect();
        append(&path, &text);
    }
}
