//! Proof that this crate says what Kubernetes says: see `corpus/README.md`.

mod proof;
mod walk;

use std::collections::BTreeMap;

use kube_authn::{StepName, Version};
use oracle::Oracle;
use proof::case::Verdict;
use proof::equal::compare;
use proof::sketch::Sketch;
use proof::{corpus, documents, generator, hand_made, upstream, validation};
use rstest::rstest;

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
    for (name, case, verdicts) in &cases {
        let verdict = &verdicts.newest;
        let [_, ours] = [Version::V1_36, Version::V1_37].map(|version| {
            let ours = case.judge(version);
            assert!(
                case.agrees(version, &ours, verdict),
                "{name}, {version}: {:?}, Kubernetes' {verdict:?}, {case:?}",
                ours.verdict
            );
            ours
        });
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

/// Drawn tokens that the newest minor answers otherwise: what is wrong with
/// several of their claims, algorithm and signature is told in another order.
#[rstest]
#[case(Version::V1_34, "cases-v1.34.jsonl")]
#[case(Version::V1_35, "cases-v1.35.jsonl")]
fn every_case_of_an_older_minor_gets_its_verdict(#[case] version: Version, #[case] name: &str) {
    let cases = corpus::read(name);
    assert!(cases.len() >= 200, "{}", cases.len());
    for (name, case, verdicts) in &cases {
        let (ours, verdict) = (case.judge(version), &verdicts.newest);
        assert!(
            case.agrees(version, &ours, verdict),
            "{name}: {:?}, Kubernetes' {verdict:?}, {case:?}",
            ours.verdict
        );
        assert_ne!(case.judge(Version::default()).verdict, *verdict, "{name}");
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
    for (name, case, verdicts) in &cases {
        for version in Version::ALL {
            let ours = case.judge(version).verdict;
            assert_eq!(ours, *verdicts.of(version), "{name}, {version}");
        }
    }
}

#[rstest]
fn fresh_tokens_get_kubernetes_own_verdicts_where_the_oracle_is_built(
    #[values(Version::V1_34, Version::V1_35, Version::V1_36, Version::V1_37)] version: Version,
) {
    let oracle = match Oracle::find("oracle-authn", &version.to_string()) {
        Ok(oracle) => oracle,
        Err(why) => {
            assert_ne!(
                std::env::var("ROLECALL_REQUIRE").as_deref(),
                Ok("all"),
                "{why}"
            );
            println!("skipped: {why}");
            return;
        }
    };
    if let Err(why) = fresh_ones_get_its_verdicts(&oracle, version) {
        panic!("{why}");
    }
}

fn fresh_ones_get_its_verdicts(oracle: &Oracle, version: Version) -> Result<(), String> {
    let named = hand_made::cases()
        .into_iter()
        .map(|(name, case)| (Some(name.to_owned()), case));
    let drawn = generator::sketches(500, 1);
    let drawn = drawn.iter().map(|sketch: &Sketch| (None, sketch.case()));
    let cases: Vec<_> = named.chain(drawn).collect();
    let comparison = compare(oracle, version, &cases)?;
    if let Some((_, first)) = comparison.differing.first() {
        return Err(first.clone());
    }

    let kept = upstream::read();
    let anew = upstream::asked_anew(oracle, version, upstream::read())?;
    for (kept, asked) in kept.iter().zip(anew) {
        let verdict = |row: &upstream::Row| row.asked().map(|asked| asked.verdicts.clone());
        assert_eq!(verdict(kept), verdict(&asked), "{}", kept.name);
    }

    let files = validation::all();
    for (file, theirs) in files.iter().zip(validation::theirs(oracle, &files)?) {
        let error = file.error(version);
        assert_eq!(
            error,
            theirs.as_ref(),
            "{} is Kubernetes' own error",
            file.name
        );
    }

    let drawn = validation::compare(oracle, version, &documents::files(2_000, 1))?;
    if let Some((_, first)) = drawn.differing.first() {
        return Err(first.clone());
    }
    for what in ["sound", "not valid", "not decoded"] {
        let of = drawn.counts.iter().filter(|(how, _)| how.starts_with(what));
        let count: usize = of.map(|(_, count)| count).sum();
        assert!(count >= 400, "{count} are {what}");
    }
    Ok(())
}

#[test]
fn another_trusted_issuer_decides_about_many_drawn_tokens() {
    let drawn = generator::sketches(4000, 3);
    let judged = drawn.iter().map(Sketch::case).filter_map(|mut case| {
        let several = case.judge(Version::V1_37).verdict;
        case.configuration.as_object_mut()?.remove("others")?;
        Some((several, case.judge(Version::V1_37).verdict))
    });
    let judged: Vec<_> = judged.collect();
    let count = |fits: &dyn Fn(&(Verdict, Verdict)) -> bool| {
        judged.iter().filter(|verdicts| fits(verdicts)).count()
    };
    let by_another = count(&|(several, own)| *own == Verdict::NotMine && several != own);
    let by_its_own = count(&|(several, own)| *own != Verdict::NotMine && several == own);
    assert!(by_another > 10, "{by_another} of {}", judged.len());
    assert!(by_its_own > 100, "{by_its_own} of {}", judged.len());
}
