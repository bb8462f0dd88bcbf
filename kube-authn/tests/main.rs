//! Proof that this crate says what Kubernetes says: see `corpus/README.md`.

mod proof;
mod walk;

use std::collections::BTreeMap;

use kube_authn::StepName;
use proof::case::Verdict;
use proof::equal::compare;
use proof::{corpus, documents, generator, hand_made, oracle, upstream, validation};

/// How many cases the corpus holds.
const CASES: usize = 10_000;
/// How often each step has to decide, and each algorithm to be let in.
const PER_STEP: usize = 100;
/// All that Kubernetes takes.
const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
];

#[test]
fn every_case_of_the_corpus_gets_kubernetes_own_verdict() {
    let cases = corpus::read("cases.jsonl");
    assert_eq!(cases.len(), CASES);
    let mut accepted = 0;
    let mut algorithms: BTreeMap<String, usize> = BTreeMap::new();
    let mut steps: BTreeMap<StepName, usize> = BTreeMap::new();
    for (name, case, verdict) in &cases {
        let ours = case.judge();
        assert!(
            case.agrees(&ours, verdict),
            "{name}: {:?}, Kubernetes' {verdict:?}, {case:?}",
            ours.verdict
        );
        if let Some(step) = ours.step {
            *steps.entry(step).or_default() += 1;
        }
        if matches!(verdict, Verdict::Accepted { .. }) {
            accepted += 1;
            *algorithms.entry(case.algorithm()).or_default() += 1;
        }
    }

    assert!(accepted * 5 >= CASES, "a fifth is accepted, not {accepted}");
    for algorithm in ALGORITHMS {
        let count = algorithms.get(algorithm).copied().unwrap_or_default();
        assert!(count >= PER_STEP, "{algorithm} is accepted {count} times");
    }
    for step in StepName::ALL {
        // Two steps cannot decide here: the oracle's discovery always succeeds,
        // and a token of another issuer has been somebody else's before.
        if !matches!(step, StepName::VerifierReady | StepName::Issuer) {
            let count = steps.get(&step).copied().unwrap_or_default();
            assert!(count >= PER_STEP, "{step} decides {count} cases");
        }
    }
}

#[test]
fn every_hand_made_token_gets_kubernetes_own_verdict() {
    let cases = corpus::read("hand-made.jsonl");
    assert_eq!(
        cases.len(),
        hand_made::cases().len(),
        "the corpus is up to date"
    );
    for (name, case, verdict) in &cases {
        assert_eq!(case.judge().verdict, *verdict, "{name}");
    }
}

#[test]
fn fresh_tokens_get_kubernetes_own_verdicts_where_the_oracle_is_built() {
    let Some(oracle) = oracle::find() else {
        assert_ne!(
            std::env::var("ROLECALL_REQUIRE").as_deref(),
            Ok("all"),
            "no oracle-authn: kubernetes/build v1.37 oracle-authn"
        );
        println!(
            "skipped: no oracle-authn (kubernetes/build v1.37 oracle-authn, or ROLECALL_ORACLE_AUTHN)"
        );
        return;
    };
    let named = hand_made::cases()
        .into_iter()
        .map(|(name, case)| (Some(name.to_owned()), case));
    let drawn = generator::cases(500, 1)
        .into_iter()
        .map(|case| (None, case));
    let comparison = compare(&oracle, named.chain(drawn).collect());
    assert!(
        comparison.differing.is_empty(),
        "{}",
        comparison.differing.join("\n\n")
    );

    let kept = upstream::read();
    for (kept, asked) in kept
        .iter()
        .zip(upstream::asked_anew(&oracle, upstream::read()))
    {
        let verdict = |row: &upstream::Row| row.asked().map(|asked| asked.verdict.clone());
        assert_eq!(verdict(kept), verdict(&asked), "{}", kept.name);
    }

    let files = validation::all();
    let answers = oracle::ask(
        &oracle,
        files.iter().map(validation::File::to_oracle).collect(),
    );
    for (file, answer) in files.iter().zip(&answers) {
        assert_eq!(
            file.error.as_deref(),
            answer["error"].as_str(),
            "{} is Kubernetes' own error",
            file.name
        );
    }

    let drawn = validation::compare(&oracle, &documents::files(2_000, 1));
    assert!(
        drawn.differing.is_empty(),
        "{}",
        drawn.differing.join("\n\n")
    );
    for what in ["sound", "not valid", "not decoded"] {
        let count = drawn.counts.get(what).copied().unwrap_or_default();
        assert!(count >= 400, "{count} are {what}");
    }
}
