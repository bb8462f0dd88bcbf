//! Asks Kubernetes' own authenticator and this crate the same questions and
//! counts where they agree; `--write` makes the corpus of them.
//!
//!     cargo run --release -p kube-authn --example equal_authn --
//!         [COUNT] [--kubernetes-version MINOR] [--oracle PROGRAM] [--seed N] [--write]
//!     cargo run --release -p kube-authn --example equal_authn --
//!         --prove CASES [--kubernetes-version MINOR[,MINOR]..] [--seed N]
//!
//! With a COUNT of 0 only the hand-made tokens and Kubernetes' own tables are
//! asked, and written. Another seed draws other cases. `--prove` draws as many
//! as asked, seed after seed from the one named on, and prints of what the
//! answers differ on the smallest that still shows it; of several minors each is
//! asked every case. Of an older minor, `--write` keeps what the newest answers
//! otherwise. The exit code is 1 where an answer differs.

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
use proof::case::{Verdict, Verdicts};
use proof::equal::{Comparison, Named, compare};
use proof::sketch::Sketch;
use proof::{corpus, documents, generator, hand_made, upstream, validation};
use write::Kept;

/// Tokens a seed when it is many: they are all in memory at once.
const BATCH: usize = 20_000;
/// So many differences are printed.
const PRINTED: usize = 20;
/// So many tokens of an older minor are kept.
const OLDER_TOKENS: usize = 300;

struct Options {
    versions: Vec<Version>,
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
    let asked = |version| Asked::new(version, options.oracle.as_ref());
    let asked: Vec<Asked> = match options.versions.iter().copied().map(asked).collect() {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(3);
        }
    };
    let equal = match &asked[..] {
        _ if options.prove => prove(asked, &options),
        [one] => compare_corpus(&one.oracle, one.version, &options),
        _ => Err("several minors are asked by --prove alone".to_owned()),
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
            versions: vec![Version::default()],
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
                "--kubernetes-version" => {
                    let minors = value()?;
                    let minors = minors.split(',').map(str::parse);
                    options.versions = minors.collect::<Result<_, _>>()?;
                }
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
fn compare_corpus(oracle: &Oracle, version: Version, options: &Options) -> Result<bool, String> {
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
    let hand_made = compare(oracle, version, &named)?;
    report("hand-made tokens", &hand_made);

    let started = Instant::now();
    // Some are too long for a corpus.
    let more = if options.write {
        options.count / 100
    } else {
        0
    };
    let sketches = generator::sketches(options.count + more, options.seed);
    let drawn = cases(&sketches);
    let generated = compare(oracle, version, &drawn)?;
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
        let hand_made = kept.into_iter().zip(hand_made.theirs).zip(named);
        let hand_made = hand_made.map(|((mut verdicts, now), (name, case))| {
            verdicts.answered(version, now);
            (name, case, verdicts)
        });
        let most = match version == Version::default() {
            true => options.count,
            false => OLDER_TOKENS,
        };
        write_corpus(
            version,
            &tables,
            &hand_made.collect::<Vec<_>>(),
            drawn.into_iter().zip(generated.theirs),
            most,
        );
    }
    Ok(equal)
}

/// The tokens of sketches, signed.
fn cases(sketches: &[Sketch]) -> Vec<Named> {
    let signed = sketches.iter().map(|sketch| (None, sketch.case()));
    signed.collect()
}

/// The tokens made by hand, signed anew, or as they are kept; and what is kept of
/// Kubernetes' verdicts on them.
fn hand_made_tokens(anew: bool) -> (Vec<Named>, Vec<Verdicts>) {
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
        newest: Verdict::NotMine,
        older: BTreeMap::new(),
    }
}

/// A token of the corpus, in bytes.
const LONGEST: usize = 1 << 14;

/// At `most` so many of the drawn ones, with Kubernetes' verdicts.
fn write_corpus(
    version: Version,
    tables: &[upstream::Row],
    hand_made: &[Kept],
    drawn: impl Iterator<Item = (Named, Verdict)>,
    most: usize,
) {
    write::write("hand-made.jsonl", write::lines(hand_made));
    write::write(
        upstream::TOKENS,
        tables.iter().map(|row| {
            let asked = row.asked().map(|asked| (&asked.case, &asked.verdicts));
            (anew::members(row), asked)
        }),
    );
    let newest = version == Version::default();
    let differs = |((_, case), now): &(Named, Verdict)| {
        let before = case.judge(Version::default());
        !case.agrees(Version::default(), &before, now)
    };
    let kept: Vec<Kept> = drawn
        .filter(|((_, case), _)| case.token.len() <= LONGEST)
        .filter(|judged| newest || differs(judged))
        .take(most)
        .map(|((name, case), now)| {
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
            false => format!("cases-v{version}.jsonl"),
        };
        write::write(&name, write::lines(&kept));
    }
    println!("the corpus is written");
}

/// A minor that is asked, and what came of it so far.
struct Asked {
    version: Version,
    oracle: Oracle,
    differing: usize,
    /// How configuration documents fell.
    fell: BTreeMap<String, usize>,
    /// What decided about tokens.
    steps: BTreeMap<String, usize>,
}

impl Asked {
    /// Nothing has been asked yet. Without an oracle, the one that is built.
    fn new(version: Version, oracle: Option<&Oracle>) -> Result<Self, String> {
        let found = || Oracle::find("oracle-authn", &version.to_string());
        Ok(Self {
            version,
            oracle: oracle.cloned().map_or_else(found, Ok)?,
            differing: 0,
            fell: BTreeMap::new(),
            steps: BTreeMap::new(),
        })
    }

    /// Asks Kubernetes about signed tokens, which came of these sketches.
    fn tokens(&mut self, cases: &[Named], sketches: &[Sketch]) -> Result<(), String> {
        let tokens = compare(&self.oracle, self.version, cases)?;
        self.differing += tokens.differing.len();
        add(&mut self.steps, &tokens.steps);
        print_differing(&tokens.differing);
        shrink::tokens(&self.oracle, self.version, &tokens, sketches)
    }

    /// Asks it about configuration documents.
    fn documents(&mut self, files: &[validation::File]) -> Result<(), String> {
        let judged = validation::compare(&self.oracle, self.version, files)?;
        self.differing += judged.differing.len();
        add(&mut self.fell, &judged.counts);
        print_differing(&judged.differing);
        shrink::documents(&self.oracle, self.version, &judged, files)
    }

    fn report(&self, asked: usize) {
        println!("Kubernetes {}; configuration documents", self.version);
        for (what, count) in &self.fell {
            println!("  {count:>8}  {what}");
        }
        println!("tokens decided by");
        for (step, count) in &self.steps {
            println!("  {count:>8}  {step}");
        }
        println!("{asked} cases, {} disagreements", self.differing);
    }
}

fn add(all: &mut BTreeMap<String, usize>, more: &BTreeMap<String, usize>) {
    for (what, count) in more {
        *all.entry(what.clone()).or_default() += count;
    }
}

/// As many cases as asked of each minor, with what was disagreed on and how they
/// fell. Drawing and signing are done once for all minors.
fn prove(mut minors: Vec<Asked>, options: &Options) -> Result<bool, String> {
    let mut asked = 0;
    let started = Instant::now();
    for seed in options.seed.. {
        if asked >= options.count {
            break;
        }
        // Four tokens for a document.
        let left = options.count - asked;
        let documents = (BATCH / 4).min(left / 5);
        let sketches = generator::sketches(BATCH.min(left - documents), seed);
        let cases = cases(&sketches);
        let files = documents::files(documents, seed);
        for minor in &mut minors {
            minor.tokens(&cases, &sketches)?;
            minor.documents(&files)?;
        }
        asked += cases.len() + files.len();
        let differing: usize = minors.iter().map(|minor| minor.differing).sum();
        println!(
            "seed {seed}: {asked} of {} cases, {differing} disagreements, {:.0} s",
            options.count,
            started.elapsed().as_secs_f64()
        );
    }
    minors.iter().for_each(|minor| minor.report(asked));
    Ok(minors.iter().all(|minor| minor.differing == 0))
}

fn print_differing(differing: &[(usize, String)]) {
    for (_, difference) in differing.iter().take(PRINTED) {
        println!("\n{difference}");
    }
}

fn report(what: &str, comparison: &Comparison) {
    print_differing(&comparison.differing);
    let (all, differing) = (comparison.theirs.len(), comparison.differing.len());
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
