//! The table of what holds on any kind of cluster, whatever was asked of it
//! before: a row leaves nothing behind that one after it would see.

use std::sync::Arc;

use foundation::pki::Ca;
use harness::cluster::Kind;

use crate::foreign_issuer::Issuer;
use crate::kind::nothing_is_left;
use crate::ledger::{Case, Stop, case};
use crate::rig::Up;
use crate::{attack, audit_policy, cli, existing, foreign_issuer, iam_tokens, trust, tutorial};

/// A claim, and what shows it of an instance.
pub type Row = (&'static str, fn(&Up) -> Result<(), Stop>);

/// All of them: each row on an embedded cluster of its own, and all in turn on one
/// of each other kind, which take longer to start than to ask.
pub fn cases() -> Vec<Case> {
    let rows = || {
        existing::ROWS
            .into_iter()
            .chain(cli::ROWS)
            .chain(attack::ROWS)
            .chain(tutorial::ROWS)
            .chain(iam_tokens::ROWS)
    };
    let mut cases = Vec::new();
    for kind in [Kind::Kind, Kind::ControlPlane] {
        cases.push(case(
            format!("table::each_row_on_{}", kind.name()),
            move || {
                let up = Up::start_on(kind, &[])?;
                rows().try_for_each(|(name, row)| row(&up).map_err(|stop| stop.of(name)))?;
                match kind {
                    Kind::Kind => nothing_is_left(up, "INT"),
                    _ => Ok(()),
                }
            },
        ));
        cases.push(case(
            format!("table::each_row_that_wants_to_be_told_on_{}", kind.name()),
            move || {
                let told = Told::start(kind, &TOLD.map(|(_, asks, _)| asks))?;
                TOLD.into_iter()
                    .try_for_each(|(name, _, row)| row(&told).map_err(|stop| stop.of(name)))
            },
        ));
    }
    cases.extend(rows().map(|(name, row)| case(name, move || row(&Up::start(&[])?))));
    cases.extend(
        TOLD.map(|(name, asks, row)| {
            case(name, move || row(&Told::start(Kind::Embedded, &[asks])?))
        }),
    );
    cases
}

/// What an instance can be told at its start.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    Nothing,
    AuditPolicy,
    ForeignCas,
    Delay,
}

/// What shows a claim of an instance that was told something.
type ToldRow = fn(&Told) -> Result<(), Stop>;

/// What is told at the start of an instance, and who shows something of it. The
/// audit policy's row is the first, since it looks at all that was recorded.
const TOLD: [(&str, Asks, ToldRow); 6] = [
    (
        "audit_policy::what_is_recorded_is_what_the_file_says",
        Asks::AuditPolicy,
        |told| audit_policy::followed(&told.up),
    ),
    (
        "existing::by_the_clusters_own_trust",
        Asks::ForeignCas,
        |told| existing::own_trust(&told.up, &told.edge),
    ),
    (
        "foreign_issuer::that_its_keys_are_not_to_be_had_is_told",
        Asks::ForeignCas,
        |told| foreign_issuer::without_keys(&told.up, &told.issuer),
    ),
    (
        "foreign_issuer::its_tokens_are_taken_once_its_ca_is_trusted",
        Asks::ForeignCas,
        |told| foreign_issuer::trusted(&told.up, &told.issuer),
    ),
    (
        "foreign_issuer::without_its_ca_no_token_is_taken",
        Asks::Nothing,
        |told| foreign_issuer::untrusted(&told.up),
    ),
    (
        "trust::it_begins_when_the_configuration_is_active_and_ends_with_it",
        Asks::Delay,
        |told| trust::begins_and_ends(&told.up),
    ),
];

/// An instance that was told something at its start.
struct Told {
    up: Up,
    /// An issuer beside it.
    issuer: Issuer,
    /// The CA of another instance.
    edge: Arc<Ca>,
    /// What it was told of.
    _files: tempfile::TempDir,
}

impl Told {
    fn start(kind: Kind, asks: &[Asks]) -> Result<Self, Stop> {
        let issuer = Issuer::start_for(kind)?;
        let (folder, policy) = audit_policy::written(audit_policy::POLICY)?;
        let edge = harness::rig::edge_ca().map_err(|error| error.to_string())?;
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, format!("{}{}", issuer.ca_pem, edge.pem()))
            .map_err(|error| error.to_string())?;
        let roots = roots.display().to_string();
        // Whatever the machine's proxy is, nothing here is to be asked through it.
        let mut env = crate::rig::BLACK_HOLE.to_vec();
        let mut arguments = Vec::new();
        for ask in asks {
            match ask {
                Asks::Nothing => {}
                Asks::AuditPolicy => arguments.extend(["--audit-policy-file", &policy]),
                Asks::Delay => arguments.extend(["--association-delay", trust::DELAY]),
                Asks::ForeignCas => {
                    env.extend([("SSL_CERT_FILE", roots.as_str()), ("SSL_CERT_DIR", "")]);
                }
            }
        }
        let up = Up::start_on_with(kind, &arguments, &env)?;
        Ok(Self {
            up,
            issuer,
            edge: Arc::new(edge),
            _files: folder,
        })
    }
}
