//! The same questions asked of Kubernetes and of this crate.

use std::collections::BTreeMap;

use kube_authn::Version;
use oracle::Oracle;

use super::case::{Case, Verdict};

/// A case, and its name if it has one.
pub type Named = (Option<String>, Case);

/// What came of a comparison.
pub struct Comparison {
    /// Kubernetes' verdicts, in the order of the cases.
    pub theirs: Vec<Verdict>,
    /// How often each step decided.
    pub steps: BTreeMap<String, usize>,
    /// The cases in which the answers differ: their places, and what is said.
    pub differing: Vec<(usize, String)>,
}

pub fn compare(oracle: &Oracle, version: Version, cases: &[Named]) -> Result<Comparison, String> {
    let questions = cases.iter().enumerate();
    let questions: Vec<_> = questions.map(|(i, (_, case))| case.to_oracle(i)).collect();
    let answers = oracle.ask(&questions)?;
    let mut comparison = Comparison {
        theirs: Vec::new(),
        steps: BTreeMap::new(),
        differing: Vec::new(),
    };
    for (i, ((name, case), answer)) in cases.iter().zip(&answers).enumerate() {
        let theirs = Verdict::of_answer(answer).ok_or_else(|| format!("no verdict: {answer}"))?;
        let ours = case.judge(version);
        let step = match (&ours.verdict, ours.step) {
            (Verdict::Accepted { .. }, _) => "accepted".to_owned(),
            (_, Some(step)) => step.to_string(),
            (_, None) => "configuration".to_owned(),
        };
        *comparison.steps.entry(step).or_default() += 1;
        if !case.agrees(version, &ours, &theirs) {
            let name = name.as_deref().unwrap_or("a drawn case");
            let said = said(case, &ours.verdict, &theirs);
            comparison.differing.push((i, format!("{name}{said}")));
        }
        comparison.theirs.push(theirs);
    }
    Ok(comparison)
}

/// Both answers to a case, and the case.
pub fn said(case: &Case, ours: &Verdict, theirs: &Verdict) -> String {
    format!(
        "\n  ours        {ours:?}\n  Kubernetes' {theirs:?}\n  {}",
        case.to_oracle(0)
    )
}
