//! Of what the answers differ on, the smallest that still shows it.

use kube_authn::Version;
use oracle::Oracle;

use crate::proof::case::{Case, Verdict};
use crate::proof::sketch::Sketch;
use crate::proof::validation::{self, File};
use crate::proof::{equal, equal::Comparison};

/// So many are made small.
const SHRUNK: usize = 5;

/// Prints of the first tokens on which the answers differ the smallest ones.
pub fn tokens(
    oracle: &Oracle,
    version: Version,
    comparison: &Comparison,
    sketches: &[Sketch],
) -> Result<(), String> {
    for (place, _) in comparison.differing.iter().take(SHRUNK) {
        let least = token(oracle, version, sketches[*place].clone())?;
        println!("\nthe smallest that comes of it{least}");
    }
    Ok(())
}

/// The same of configuration documents.
pub fn documents(
    oracle: &Oracle,
    version: Version,
    comparison: &validation::Comparison,
    files: &[File],
) -> Result<(), String> {
    for (place, _) in comparison.differing.iter().take(SHRUNK) {
        let least = file(oracle, version, files[*place].clone())?;
        println!("\nthe smallest that comes of it\n{least}");
    }
    Ok(())
}

/// The smallest case that comes of this one and on which the answers still
/// differ, and what is said.
fn token(oracle: &Oracle, version: Version, found: Sketch) -> Result<String, String> {
    // Every signature is a new one, so each sketch is made a case once.
    let asked = |sketches: &[Sketch]| -> Result<Vec<(Case, Option<Verdict>)>, String> {
        let cases: Vec<Case> = sketches.iter().map(Sketch::case).collect();
        let questions: Vec<_> = cases.iter().map(|case| case.to_oracle(0)).collect();
        let answers = oracle.ask(&questions)?;
        let verdicts = answers.iter().map(Verdict::of_answer);
        Ok(cases.into_iter().zip(verdicts).collect())
    };
    let sort = |theirs: &Verdict| std::mem::discriminant(theirs);
    let first = asked(std::slice::from_ref(&found))?.pop();
    let wanted = first.and_then(|(_, theirs)| theirs).as_ref().map(sort);
    // A verdict of another sort is another matter.
    let differs = |(case, theirs): (Case, Option<Verdict>)| {
        let ours = case.judge(version);
        wanted == theirs.as_ref().map(sort)
            && theirs.is_some_and(|theirs| !case.agrees(version, &ours, &theirs))
    };
    let least = oracle::smallest(found, |sketches| -> Result<Vec<bool>, String> {
        Ok(asked(sketches)?.into_iter().map(differs).collect())
    })?;
    let (case, theirs) = asked(&[least])?.pop().ok_or("no answer")?;
    let theirs = theirs.ok_or("no verdict")?;
    Ok(equal::said(&case, &case.judge(version).verdict, &theirs))
}

/// Of a file on which the answers differ, the smallest that still shows it, and
/// what is said.
fn file(oracle: &Oracle, version: Version, found: File) -> Result<String, String> {
    let least = oracle::smallest(found, |files| -> Result<Vec<bool>, String> {
        let answers = files.iter().zip(validation::theirs(oracle, files)?);
        let differ = answers.map(|(file, theirs)| file.judge(version) != theirs);
        Ok(differ.collect())
    })?;
    let theirs = validation::theirs(oracle, std::slice::from_ref(&least))?
        .pop()
        .flatten();
    Ok(validation::said(&least, &least.judge(version), &theirs))
}
