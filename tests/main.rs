//! The whole thing, started as people start it and used by clients that none
//! of us wrote. One binary; the suites are modules, each a list of cases.
//!
//! A case is skipped when a program is missing, with its reason in the ledger;
//! under `ROLECALL_REQUIRE=all` a skip is a failure.

#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for other processes by the machine's clock"
)]

mod attack;
mod audit_policy;
mod aws_hosts;
mod browser;
mod cli;
mod cli_test;
mod cli_up;
mod cluster_kubectl;
mod control_plane;
mod docs;
mod doctor;
mod existing;
mod faults;
mod foreign_issuer;
mod iam_tokens;
mod idp_aws;
mod kind;
mod kubelogin;
mod ledger;
mod offline;
mod programs;
mod readme;
mod rig;
mod scenarios;
mod table;
mod trust;
mod tutorial;
mod tutorial_unedited;

use libtest_mimic::{Arguments, Trial};

fn main() -> std::process::ExitCode {
    foundation::pki::install_provider();
    if std::env::var_os(control_plane::PANICS).is_some() {
        return control_plane::panic();
    }
    harness::panics::watch();
    let mut arguments = Arguments::from_args();
    // The cases start programs on a machine of two cores, and wait for them.
    arguments.test_threads.get_or_insert(4);
    let ledger = ledger::Ledger::new();
    let cases: Vec<Trial> = [
        // The longest cases first.
        table::cases(),
        cluster_kubectl::cases(),
        cli::cases(),
        cli_test::cases(),
        cli_up::cases(),
        ledger::cases(),
        docs::cases(),
        trust::cases(),
        offline::cases(),
        attack::cases(),
        audit_policy::cases(),
        aws_hosts::cases(),
        tutorial::cases(),
        tutorial_unedited::cases(),
        scenarios::cases(),
        idp_aws::cases(),
        iam_tokens::cases(),
        control_plane::cases(),
        kind::cases(),
        doctor::cases(),
        existing::cases(),
        faults::cases(),
        kubelogin::cases(),
        browser::cases(),
        readme::cases(),
    ]
    .into_iter()
    .flatten()
    .map(|case| case.into_trial(&ledger))
    .collect();
    let conclusion = libtest_mimic::run(&arguments, cases);
    ledger.write();
    if rig::panicked() || harness::panics::count() > conclusion.num_failed as usize {
        eprintln!("the panic hook counts more than zero");
        return std::process::ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
