//! The table of what holds on any kind of cluster, whatever was asked of it
//! before: a row leaves nothing behind that one after it would see.

use harness::cluster::Kind;

use crate::ledger::{Case, Stop, case};
use crate::rig::Up;
use crate::{cli, existing, iam_tokens};

/// A claim, and what shows it of an instance.
pub type Row = (&'static str, fn(&Up) -> Result<(), Stop>);

/// All of them: each row on an embedded cluster of its own, and all in turn on one
/// of each other kind, which take longer to start than to ask.
pub fn cases() -> Vec<Case> {
    let rows = || {
        existing::ROWS
            .into_iter()
            .chain(cli::ROWS)
            .chain(iam_tokens::ROWS)
    };
    let mut cases: Vec<Case> = [Kind::Kind, Kind::ControlPlane]
        .map(|kind| {
            let name = format!("table::each_row_on_{}", kind.name());
            case(name, move || {
                let up = Up::start_on(kind, &[])?;
                rows().try_for_each(|(name, row)| {
                    row(&up).map_err(|stop| match stop {
                        Stop::Fail(text) => Stop::Fail(format!("{name}: {text}")),
                        other => other,
                    })
                })
            })
        })
        .into();
    cases.extend(rows().map(|(name, row)| case(name, move || row(&Up::start(&[])?))));
    cases
}
