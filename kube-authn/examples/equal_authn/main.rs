//! Asks Kubernetes' own authenticator and this crate the same questions and
//! counts where they agree; `--write` makes the corpus of them.
//!
//!     cargo run --release -p kube-authn --example equal_authn -- [COUNT] [--stream N] [--write]
//!     cargo run --release -p kube-authn --example equal_authn -- --prove CASES [--stream N]
//!
//! With a COUNT of 0 only the hand-made tokens and Kubernetes' own tables are
//! asked, and written. Another
//! stream draws other cases. `--prove` draws as many as asked, stream after
//! stream from the one named on. The exit code is 1 where an answer differs.

#![allow(
    clippy::disallowed_methods,
    reason = "what takes how long is measured by the machine's clock"
)]

mod anew;
#[path = "../../tests/proof/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod proof;
mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use proof::equal::{Comparison, compare};
use proof::{documents, generator, hand_made, oracle, upstream, validation};

struct Options {
    count: usize,
    stream: u8,
    write: bool,
    prove: bool,
}

/// Cases a stream when it is many: they are all in memory at once.
const BATCH: usize = 20_000;

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("usage: equal_authn [COUNT] [--stream N] [--write] [--prove CASES]");
        return ExitCode::from(2);
    };
    let Some(oracle) = oracle::find() else {
        eprintln!(
            "no oracle: build it with kubernetes/build v1.37 oracle-authn, or name it in ROLECALL_ORACLE_AUTHN"
        );
        return ExitCode::from(3);
    };
    if options.prove {
        return prove(&oracle, &options);
    }
    let configurations = differing_configurations(&oracle);
    let tables = upstream::asked_anew(&oracle, anew::signed(upstream::read()));
    let faults: Vec<String> = tables.iter().filter_map(upstream::Row::fault).collect();
    faults.iter().for_each(|fault| println!("\n{fault}"));
    println!(
        "Kubernetes' own tables: {} of {} as expected",
        tables.len() - faults.len(),
        tables.len()
    );
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
    let equal = configurations == 0
        && faults.is_empty()
        && hand_made.differing.is_empty()
        && generated.differing.is_empty();
    if options.write && equal {
        write::write("hand-made.jsonl", write::lines(&hand_made.judged));
        write::write(
            upstream::TOKENS,
            tables.iter().map(|row| {
                let asked = row.asked().map(|asked| (&asked.case, &asked.verdict));
                (anew::members(row), asked)
            }),
        );
        if options.count > 0 {
            write::write("cases.jsonl", write::lines(&generated.judged));
        }
        println!("the corpus is written");
    }
    ExitCode::from(u8::from(!equal))
}

/// As many cases as asked, with what was disagreed on and how they fell.
fn prove(oracle: &Path, options: &Options) -> ExitCode {
    let (mut asked, mut differing) = (0, 0);
    let mut fell: BTreeMap<&str, usize> = BTreeMap::new();
    let mut steps: BTreeMap<String, usize> = BTreeMap::new();
    let started = Instant::now();
    for stream in options.stream..=u8::MAX {
        if asked >= options.count {
            break;
        }
        let drawn = generator::cases(BATCH.min(options.count - asked), stream);
        let tokens = compare(oracle, drawn.into_iter().map(|case| (None, case)).collect());
        let files = documents::files(BATCH / 4, stream);
        let judged = validation::compare(oracle, &files);
        asked += tokens.judged.len() + files.len();
        differing += tokens.differing.len() + judged.differing.len();
        for (step, count) in tokens.steps {
            *steps.entry(step).or_default() += count;
        }
        for (what, count) in judged.counts {
            *fell.entry(what).or_default() += count;
        }
        for some in [&tokens.differing, &judged.differing] {
            some.iter().take(20).for_each(|one| println!("\n{one}"));
        }
        println!(
            "stream {stream}: {asked} of {} cases, {differing} disagreements, {:.0} s",
            options.count,
            started.elapsed().as_secs_f64()
        );
    }
    if asked < options.count {
        eprintln!("there are no more streams than 256 of {BATCH} cases");
        return ExitCode::from(2);
    }
    println!("configuration documents");
    for (what, count) in &fell {
        println!("  {count:>8}  {what}");
    }
    println!("tokens decided by");
    for (step, count) in &steps {
        println!("  {count:>8}  {step}");
    }
    println!("{asked} cases, {differing} disagreements");
    ExitCode::from(u8::from(differing > 0))
}

fn options() -> Option<Options> {
    let mut options = Options {
        count: 10_000,
        stream: 0,
        write: false,
        prove: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--write" => options.write = true,
            "--prove" => {
                options.prove = true;
                options.count = arguments.next()?.parse().ok()?;
            }
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
    let files = validation::all();
    let answers = oracle::ask(
        oracle,
        files.iter().map(validation::File::to_oracle).collect(),
    );
    let mut differing = 0;
    for (file, answer) in files.iter().zip(&answers) {
        let theirs = answer["error"].as_str().map(str::to_owned);
        let moved = (theirs != file.error).then(|| {
            format!(
                "{}\n  Kubernetes' {theirs:?}\n  data        {:?}",
                file.name, file.error
            )
        });
        if let Some(fault) = file.fault().or(moved) {
            differing += 1;
            println!("\n{fault}");
        }
    }
    println!(
        "configuration files: {} of {} as expected",
        files.len() - differing,
        files.len()
    );
    differing
}
