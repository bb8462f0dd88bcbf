//! The same questions asked of Kubernetes and of this crate.

use std::collections::BTreeMap;
use std::path::Path;

use super::case::{Case, Verdict};
use super::oracle;

/// A case, its name if it has one, and Kubernetes' verdict.
pub type Judged = (Option<String>, Case, Verdict);

/// What came of a comparison.
pub struct Comparison {
    pub judged: Vec<Judged>,
    /// How often each step decided.
    pub steps: BTreeMap<String, usize>,
    /// The cases in which the answers differ, in words.
    pub differing: Vec<String>,
}

pub fn compare(oracle: &Path, cases: Vec<(Option<String>, Case)>) -> Comparison {
    let questions = cases
        .iter()
        .enumerate()
        .map(|(i, (_, case))| case.to_oracle(i))
        .collect();
    let answers = oracle::ask(oracle, questions);
    let mut comparison = Comparison {
        judged: Vec::new(),
        steps: BTreeMap::new(),
        differing: Vec::new(),
    };
    for ((name, case), answer) in cases.into_iter().zip(&answers) {
        let theirs = Verdict::from_json(answer);
        let ours = case.judge();
        let step = match (&ours.verdict, ours.step) {
            (Verdict::Accepted { .. }, _) => "accepted".to_owned(),
            (_, Some(step)) => step.to_string(),
            (_, None) => "configuration".to_owned(),
        };
        *comparison.steps.entry(step).or_default() += 1;
        if !case.agrees(&ours, &theirs) {
            comparison.differing.push(format!(
                "{}\n  ours        {:?}\n  Kubernetes' {theirs:?}\n  {}",
                name.as_deref().unwrap_or("a drawn case"),
                ours.verdict,
                case.to_oracle(0)
            ));
        }
        comparison.judged.push((name, case, theirs));
    }
    comparison
}
