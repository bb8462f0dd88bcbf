//! Asks Kubernetes' own authenticator and this crate the same questions and
//! counts where they agree; `--write` makes the corpus of them.
//!
//!     cargo run --release -p kube-authn --example equal_authn -- [COUNT] [--stream N] [--write]
//!
//! With a COUNT of 0 only the hand-made tokens are asked, and written. Another
//! stream draws other cases. The exit code is 1 where an answer differs.

#![allow(
    clippy::disallowed_methods,
    reason = "what takes how long is measured by the machine's clock"
)]

#[path = "../../tests/proof/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod proof;
mod write;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use proof::equal::{Comparison, compare};
use proof::{generator, hand_made, oracle, validation};

struct Options {
    count: usize,
    stream: u8,
    write: bool,
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("usage: equal_authn [COUNT] [--stream N] [--write]");
        return ExitCode::from(2);
    };
    let Some(oracle) = oracle::find() else {
        eprintln!(
            "no oracle: build it with kubernetes/build v1.37 oracle-authn, or name it in ROLECALL_ORACLE_AUTHN"
        );
        return ExitCode::from(3);
    };
    let configurations = differing_configurations(&oracle);
    let named = hand_made::cases()
        .into_iter()
        .map(|(name, case)| (Some(name.to_owned()), case));
    let hand_made = compare(&oracle, named.collect());
    report("hand-made tokens", &hand_made);
    let started = Instant::now();
    let drawn = generator::cases(options.count, options.stream);
    println!(
        "{} cases drawn and signed in {:.1} s",
        drawn.len(),
        started.elapsed().as_secs_f64()
    );
    let started = Instant::now();
    let generated = compare(
        &oracle,
        drawn.into_iter().map(|case| (None, case)).collect(),
    );
    println!("both asked in {:.1} s", started.elapsed().as_secs_f64());
    report("drawn tokens", &generated);
    let equal =
        configurations == 0 && hand_made.differing.is_empty() && generated.differing.is_empty();
    if options.write && equal {
        write::write("hand-made.jsonl", &hand_made.judged);
        if options.count > 0 {
            write::write("cases.jsonl", &generated.judged);
        }
        println!("the corpus is written");
    }
    ExitCode::from(u8::from(!equal))
}

fn options() -> Option<Options> {
    let mut options = Options {
        count: 10_000,
        stream: 0,
        write: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--write" => options.write = true,
            "--stream" => options.stream = arguments.next()?.parse().ok()?,
            number => options.count = number.parse().ok()?,
        }
    }
    Some(options)
}

fn report(what: &str, comparison: &Comparison) {
    for difference in comparison.differing.iter().take(20) {
        println!("\n{difference}");
    }
    let (all, differing) = (comparison.judged.len(), comparison.differing.len());
    println!("{what}: {} of {all} agree; decided by", all - differing);
    for (step, count) in &comparison.steps {
        println!("  {count:>6}  {step}");
    }
}

/// Asks the oracle about the table of configuration files.
fn differing_configurations(oracle: &Path) -> usize {
    let files = validation::read();
    let answers = oracle::ask(
        oracle,
        files.iter().map(validation::File::to_oracle).collect(),
    );
    let mut differing = 0;
    for (file, answer) in files.iter().zip(&answers) {
        let (ours, theirs) = (file.judge(), answer["error"].as_str().map(str::to_owned));
        if ours != theirs || theirs != file.error {
            differing += 1;
            println!(
                "{}\n  ours        {ours:?}\n  Kubernetes' {theirs:?}\n  data        {:?}",
                file.name, file.error
            );
        }
    }
    println!(
        "configuration files: {} of {} agree",
        files.len() - differing,
        files.len()
    );
    differing
}
