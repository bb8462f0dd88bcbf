//! The verdicts of Kubernetes' own code, replayed without it.

use crate::generator::cases::{PolicyCases, list, long_rules, our_missing};
use crate::generator::forms;
use kube_rbac::Version;
use rstest::rstest;
use serde_json::{Value, json};
use std::path::Path;

fn corpus(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn decisions_reasons_rules_and_escalations_equal_kubernetes() {
    for (number, line) in corpus("decisions.jsonl").iter().enumerate() {
        let (cases, theirs) = PolicyCases::from_line(line);
        let ours = cases.ours(&cases.made.policy(Version::V1_37));
        for (i, request) in cases.requests.iter().enumerate() {
            assert_eq!(
                ours.requests[i], theirs.requests[i],
                "line {number}: {request:?}"
            );
        }
        assert_eq!(ours.rules_for, theirs.rules_for, "line {number}");
        assert_eq!(ours.escalations, theirs.escalations, "line {number}");
    }
}

#[test]
fn comparisons_of_rights_equal_kubernetes() {
    for case in corpus("covers.jsonl") {
        let (owner, requested) = (long_rules(&case[0]), long_rules(&case[1]));
        assert_eq!(our_missing(&owner, &requested), case[2], "{case}");
    }
}

#[rstest]
#[case(Version::V1_34, "validate-v1.34.jsonl", 80)]
#[case(Version::V1_35, "validate-v1.35.jsonl", 80)]
#[case(Version::V1_36, "validate-v1.35.jsonl", 80)]
#[case(Version::V1_37, "validate.jsonl", 500)]
fn faults_of_objects_equal_kubernetes(
    #[case] version: Version,
    #[case] name: &str,
    #[case] least: usize,
) {
    let cases = corpus(name);
    assert!(cases.len() >= least, "{}", cases.len());
    for case in cases {
        let old = Some(&case[1]).filter(|old| !old.is_null());
        let ours = match crate::question::faults(version, &case[0], old) {
            Ok(faults) => json!(faults),
            Err(error) => json!(error),
        };
        assert_eq!(ours, case[2], "{version}: {case}");
    }
}

#[test]
fn the_corpus_meets_every_kind_of_subject_and_form_of_rule() {
    let mut counts = forms::Counts::new();
    let (mut requests, mut allowed, mut escalations) = (0, 0, 0);
    for line in corpus("decisions.jsonl") {
        let (cases, verdicts) = PolicyCases::from_line(&line);
        let policy = cases.made.policy(Version::V1_37);
        for (request, verdict) in cases.requests.iter().zip(&verdicts.requests) {
            requests += 1;
            allowed += usize::from(verdict[0] == true);
            forms::count(&policy, &request.borrow(), &mut counts);
        }
        escalations += cases.escalations.len();
    }
    assert!(requests >= 10_000, "{requests}");
    assert!(
        (30..=70).contains(&(100 * allowed / requests)),
        "{allowed} of {requests}"
    );
    for form in forms::ALL {
        let met = counts.get(form).copied().unwrap_or_default();
        assert!(met >= 500, "{form}: {met}");
    }
    assert!(escalations >= 1_000, "{escalations}");

    let covers = corpus("covers.jsonl");
    let covered = covers
        .iter()
        .filter(|c| c[2].is_null() && !list(&c[1]).is_empty())
        .count();
    assert!(
        covers.len() >= 2_000 && covered >= 400,
        "{covered} of {}",
        covers.len()
    );

    let faults = corpus("validate.jsonl");
    let sound = faults.iter().filter(|case| case[2] == json!([])).count();
    assert!(
        faults.len() >= 500 && sound >= 100,
        "{sound} of {}",
        faults.len()
    );
}
