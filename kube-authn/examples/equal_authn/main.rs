//! Asks Kubernetes' own authenticator and this crate the same questions and
//! counts where they agree; `--write` makes the corpus of them.
//!
//!     cargo run --release -p kube-authn --example equal_authn --
//!         [COUNT] [--kubernetes-version MINOR] [--oracle PROGRAM] [--seed N] [--write]
//!     cargo run --release -p kube-authn --example equal_authn -- --prove CASES [--seed N] [..]
//!
//! With a COUNT of 0 only the hand-made tokens and Kubernetes' own tables are
//! asked, and written. Another seed draws other cases. `--prove` draws as many
//! as asked, seed after seed from the one named on, and prints of what the
//! answers differ on the smallest that still shows it. Of an older minor, `--write`
//! keeps what the newest answers otherwise. The exit code is 1 where an answer
//! differs.

#![allow(
    clippy::disallowed_methods,
    reason = "what takes how long is measured by the machine's clock"
)]

mod anew;
#[path = "../../tests/proof/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod proof;
mod shrink;
mod write;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use kube_authn::Version;
use oracle::Oracle;
use proof::case::Verdicts;
use proof::equal::{Comparison, Judged, compare};
use proof::{corpus, documents, generator, hand_made, upstream, validation};
use write::Kept;

/// Tokens a seed when it is many: they are all in memory at once.
const BATCH: usize = 20_000;
/// So many differences are printed.
const PRINTED: usize = 20;
/// So many tokens of an older minor are kept.
const OLDER_TOKENS: usize = 300;

struct Options {
    version: Version,
    oracle: Option<Oracle>,
    count: usize,
    seed: u64,
    write: bool,
    prove: bool,
}

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let oracle = match &options.oracle {
        Some(oracle) => oracle.clone(),
        None => match Oracle::find("oracle-authn", &options.version.to_string()) {
            Ok(oracle) => oracle,
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::from(3);
            }
        },
    };
    let equal = if options.prove {
        prove(&oracle, &options)
    } else {
        compare_corpus(&oracle, &options)
    };
    match equal {
        Ok(equal) => ExitCode::from(u8::from(!equal)),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(3)
        }
    }
}

impl Options {
    fn parse() -> Result<Self, String> {
        let mut options = Options {
            version: Version::default(),
            oracle: None,
            count: 10_000,
            seed: 0,
            write: false,
            prove: false,
        };
        let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--kubernetes-version" => options.version = value()?.parse()?,
                "--oracle" => options.oracle = Some(Oracle::at(value()?.into())),
                "--write" => options.write = true,
                "--prove" => {
                    options.prove = true;
                    options.count = number(&value()?)?;
                }
                "--seed" => {
                    let text = value()?;
                    options.seed = text.parse().map_err(|_| format!("{text} is no seed"))?;
                }
                count => options.count = number(count)?,
            }
        }
        Ok(options)
    }
}

/// The tables, the hand-made tokens and as many drawn ones as asked.
fn compare_corpus(oracle: &Oracle, options: &Options) -> Result<bool, String> {
    let version = options.version;
    let newest = version == Version::default();
    let configurations = differing_configurations(oracle, version)?;

    let mut rows = upstream::read();
    // Older minors answer about what is written already.
    if newest {
        rows = anew::signed(rows);
    }
    let tables = upstream::asked_anew(oracle, version, rows)?;
    let faults: Vec<String> = tables.iter().filter_map(|row| row.fault(version)).collect();
    faults.iter().for_each(|fault| println!("\n{fault}"));
    println!(
        "Kubernetes' own tables: {} of {} as expected",
        tables.len() - faults.len(),
        tables.len()
    );

    let (named, kept) = hand_made_tokens(newest);
    let hand_made = compare(oracle, version, named)?;
    report("hand-made tokens", &hand_made);

    let started = Instant::now();
    let sketches = generator::sketches(options.count, options.seed);
    let drawn = sketches.iter().map(|sketch| (None, sketch.case()));
    let generated = compare(oracle, version, drawn.collect())?;
    println!(
        "{} cases drawn, signed and asked in {:.1} s",
        sketches.len(),
        started.elapsed().as_secs_f64()
    );
    report("drawn tokens", &generated);
    shrink::tokens(oracle, version, &generated, &sketches)?;

    let equal = configurations == 0
        && faults.is_empty()
        && hand_made.differing.is_empty()
        && generated.differing.is_empty();
    if options.write && equal {
        let hand_made = kept.into_iter().zip(hand_made.judged);
        let hand_made = hand_made.map(|(mut verdicts, (name, case, now))| {
            verdicts.answered(version, now);
            (name, case, verdicts)
        });
        write_corpus(
            options,
            &tables,
            &hand_made.collect::<Vec<_>>(),
            generated.judged,
        );
    }
    Ok(equal)
}

/// The tokens made by hand, signed anew, or as they are kept; and what is kept of
/// Kubernetes' verdicts on them.
fn hand_made_tokens(anew: bool) -> (Vec<(Option<String>, proof::case::Case)>, Vec<Verdicts>) {
    let kept = corpus::read("hand-made.jsonl");
    if !anew {
        let split = kept
            .into_iter()
            .map(|(name, case, verdicts)| ((Some(name), case), verdicts));
        return split.unzip();
    }
    let verdicts_of = |name: &str| {
        let found = kept.iter().find(|(kept, ..)| kept == name);
        found.map_or_else(no_verdicts, |(.., verdicts)| verdicts.clone())
    };
    hand_made::cases()
        .into_iter()
        .map(|(name, case)| ((Some(name.to_owned()), case), verdicts_of(name)))
        .unzip()
}

/// What stands until Kubernetes is asked.
fn no_verdicts() -> Verdicts {
    Verdicts {
        newest: proof::case::Verdict::NotMine,
        older: BTreeMap::new(),
    }
}

fn write_corpus(
    options: &Options,
    tables: &[upstream::Row],
    hand_made: &[Kept],
    drawn: Vec<Judged>,
) {
    write::write("hand-made.jsonl", write::lines(hand_made));
    write::write(
        upstream::TOKENS,
        tables.iter().map(|row| {
            let asked = row.asked().map(|asked| (&asked.case, &asked.verdicts));
            (anew::members(row), asked)
        }),
    );
    let newest = options.version == Version::default();
    let differs = |(_, case, now): &Judged| {
        let before = case.judge(Version::default());
        !case.agrees(Version::default(), &before, now)
    };
    let drawn = drawn.into_iter().filter(|judged| newest || differs(judged));
    let most = if newest { options.count } else { OLDER_TOKENS };
    let kept: Vec<Kept> = drawn
        .take(most)
        .map(|(name, case, now)| {
            let verdicts = Verdicts {
                newest: now,
                ..no_verdicts()
            };
            (name, case, verdicts)
        })
        .collect();
    if !kept.is_empty() {
        let name = match newest {
            true => "cases.jsonl".to_owned(),
            false => format!("cases-v{}.jsonl", options.version),
        };
        write::write(&name, write::lines(&kept));
    }
    println!("the corpus is written");
}

/// As many cases as asked, with what was disagreed on and how they fell.
fn prove(oracle: &Oracle, options: &Options) -> Result<bool, String> {
    let version = options.version;
    let (mut asked, mut differing) = (0, 0);
    let mut fell: BTreeMap<String, usize> = BTreeMap::new();
    let mut steps: BTreeMap<String, usize> = BTreeMap::new();
    let started = Instant::now();
    for seed in options.seed.. {
        if asked >= options.count {
            break;
        }
        let sketches = generator::sketches(BATCH.min(options.count - asked), seed);
        let drawn = sketches.iter().map(|sketch| (None, sketch.case()));
        let tokens = compare(oracle, version, drawn.collect())?;
        let files = documents::files(BATCH / 4, seed);
        let judged = validation::compare(oracle, version, &files)?;
        asked += tokens.judged.len() + files.len();
        differing += tokens.differing.len() + judged.differing.len();
        for (step, count) in &tokens.steps {
            *steps.entry(step.clone()).or_default() += count;
        }
        for (what, count) in &judged.counts {
            *fell.entry(what.clone()).or_default() += count;
        }
        println!(
            "seed {seed}: {asked} of {} cases, {differing} disagreements, {:.0} s",
            options.count,
            started.elapsed().as_secs_f64()
        );
        print_differing(&tokens.differing);
        shrink::tokens(oracle, version, &tokens, &sketches)?;
        print_differing(&judged.differing);
        shrink::documents(oracle, version, &judged, &files)?;
    }
    println!("Kubernetes {version}; configuration documents");
    for (what, count) in &fell {
        println!("  {count:>8}  {what}");
    }
    println!("tokens decided by");
    for (step, count) in &steps {
        println!("  {count:>8}  {step}");
    }
    println!("{asked} cases, {differing} disagreements");
    Ok(differing == 0)
}

fn print_differing(differing: &[(usize, String)]) {
    for (_, difference) in differing.iter().take(PRINTED) {
        println!("\n{difference}");
    }
}

fn report(what: &str, comparison: &Comparison) {
    print_differing(&comparison.differing);
    let (all, differing) = (comparison.judged.len(), comparison.differing.len());
    println!("{what}: {} of {all} agree; decided by", all - differing);
    for (step, count) in &comparison.steps {
        println!("  {count:>6}  {step}");
    }
}

/// Asks the oracle about the table of configuration files.
fn differing_configurations(oracle: &Oracle, version: Version) -> Result<usize, String> {
    let files = validation::all();
    let mut differing = 0;
    for (file, theirs) in files.iter().zip(validation::theirs(oracle, &files)?) {
        let kept = file.error(version);
        let moved = (theirs.as_ref() != kept).then(|| {
            format!(
                "{}\n  Kubernetes' {theirs:?}\n  data        {kept:?}",
                file.name
            )
        });
        if let Some(fault) = file.fault(version).or(moved) {
            differing += 1;
            println!("\n{fault}");
        }
    }
    println!(
        "configuration files: {} of {} as expected",
        files.len() - differing,
        files.len()
    );
    Ok(differing)
}
