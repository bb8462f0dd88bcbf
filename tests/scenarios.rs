//! Every file in `scenarios/`, by the program, on the embedded cluster.

use harness::scenario::load;

use crate::ledger::{Case, case};
use crate::programs;
use crate::rig::rolecall;

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
            case(format!("scenarios::{path}"), move || {
                rolecall(&["test", "--verbose", &path])?
                    .ok()?
                    .says("1 passed, 0 failed")
                    .map(drop)
            })
        })
        .collect()
}
