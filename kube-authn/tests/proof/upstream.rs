//! Kubernetes' own tables under their own names: `TestToken` of the
//! authenticator's `oidc_test.go` and the integration's tests of OIDC, in
//! `corpus/upstream-token.jsonl`; the configuration's validation, in
//! `corpus/upstream-validation.jsonl`.
//!
//! A line has `notYet` where this crate does not answer yet, with what it says
//! instead, and `elsewhere` where more decides than a token, a configuration
//! and keys: the file that has the case, or why none can.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kube_authn::Version;
use oracle::Oracle;

use super::case::{Case, Verdict, Verdicts};
use super::corpus;

pub const TOKENS: &str = "upstream-token.jsonl";
pub const FILES: &str = "upstream-validation.jsonl";

/// A case of a table.
pub struct Row {
    /// The test's name, a slash, the case's.
    pub name: String,
    pub what: What,
}

pub enum What {
    Asked(Box<Asked>),
    Elsewhere(String),
}

/// A question, Kubernetes' answers, and ours where it is a "not yet".
pub struct Asked {
    pub case: Case,
    pub verdicts: Verdicts,
    pub not_yet: Option<String>,
}

pub fn read() -> Vec<Row> {
    corpus::lines(TOKENS)
        .into_iter()
        .map(|(line, asked)| Row {
            name: line["name"].as_str().expect("a name").to_owned(),
            what: match asked {
                Some((case, verdicts)) => What::Asked(Box::new(Asked {
                    case,
                    verdicts,
                    not_yet: line["notYet"].as_str().map(str::to_owned),
                })),
                None => What::Elsewhere(line["elsewhere"].as_str().expect("a place").to_owned()),
            },
        })
        .collect()
}

impl Row {
    pub fn asked(&self) -> Option<&Asked> {
        match &self.what {
            What::Asked(asked) => Some(asked),
            What::Elsewhere(_) => None,
        }
    }

    /// What is wrong with it, in words: an answer other than Kubernetes', a
    /// "not yet" that is none any more, a place where it is not.
    pub fn fault(&self, version: Version) -> Option<String> {
        match &self.what {
            What::Asked(asked) => asked.fault(&self.name, version),
            What::Elsewhere(place) => misplaced(&self.name, place),
        }
    }
}

impl Asked {
    fn fault(&self, name: &str, version: Version) -> Option<String> {
        let ours = self.case.judge(version);
        let said = match &ours.verdict {
            Verdict::InvalidConfig(text) | Verdict::Rejected(text) => Some(text),
            Verdict::Accepted { .. } | Verdict::NotMine => None,
        };
        let theirs = self.verdicts.of(version);
        let agrees = self.case.agrees(version, &ours, theirs);
        match &self.not_yet {
            None if agrees => None,
            Some(_) if agrees => Some(format!("{name} is answered now: take its notYet out")),
            Some(text) if said == Some(text) => None,
            not_yet => Some(format!(
                "{name}, {version}\n  ours        {:?}\n  Kubernetes' {theirs:?}\n  not yet     {not_yet:?}",
                ours.verdict
            )),
        }
    }
}

/// A file that is named has to name the case.
pub fn misplaced(name: &str, place: &str) -> Option<String> {
    if place.starts_with("nowhere: ") {
        return None;
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join(place)).unwrap_or_default();
    let is_data = !place.ends_with(".rs");
    let mut found = text.match_indices(name);
    let stands = found.any(|(at, _)| is_data || is_above_a_test(&text[at..], place));
    (!stands).then(|| format!("{name} is not the name of a test in {place}"))
}

/// Whether comments and attributes, that of a test among them, are all that comes
/// before the next function. The cases of the tests of programs have none.
fn is_above_a_test(text: &str, place: &str) -> bool {
    let Some((between, _)) = text.split_once("fn ") else {
        return false;
    };
    let ends = between.contains("\n}") || between.contains("\nimpl ");
    let mut attributes = ["#[test]", "#[tokio::test", "#[rstest]"].iter();
    !ends && (place.starts_with("tests/") || attributes.any(|test| between.contains(test)))
}

/// How many cases each test has.
pub fn counts<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        let test = name.split_once('/').map_or(name, |(test, _)| test);
        *counts.entry(test).or_default() += 1;
    }
    counts
}

/// The same cases with the verdicts that Kubernetes gives now, and no more
/// "not yet" than there has to be.
pub fn asked_anew(
    oracle: &Oracle,
    version: Version,
    mut rows: Vec<Row>,
) -> Result<Vec<Row>, String> {
    let asked: Vec<&mut Asked> = rows
        .iter_mut()
        .filter_map(|row| match &mut row.what {
            What::Asked(asked) => Some(&mut **asked),
            What::Elsewhere(_) => None,
        })
        .collect();
    let questions = asked.iter().enumerate();
    let questions: Vec<_> = questions
        .map(|(i, asked)| asked.case.to_oracle(i))
        .collect();
    for (asked, answer) in asked.into_iter().zip(oracle.ask(&questions)?) {
        let now = Verdict::of_answer(&answer).ok_or_else(|| format!("no verdict: {answer}"))?;
        let ours = asked.case.judge(version);
        if asked.case.agrees(version, &ours, &now) {
            asked.not_yet = None;
        }
        asked.verdicts.answered(version, now);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::proof::validation;

    #[test]
    fn every_token_of_kubernetes_own_tests_gets_its_verdict() {
        let rows = read();
        let faults: Vec<String> = Version::ALL
            .into_iter()
            .flat_map(|version| rows.iter().filter_map(move |row| row.fault(version)))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let nowhere =
            |row: &&Row| matches!(&row.what, What::Elsewhere(at) if at.starts_with("nowhere"));
        assert_eq!(rows.iter().filter(nowhere).count(), 8);
        let counts = counts(rows.iter().map(|row| row.name.as_str()));
        let expected = BTreeMap::from([
            ("TestToken", 93),
            ("TestOIDC", 8),
            ("TestStructuredAuthenticationConfig", 8),
            ("TestUpdatingRefreshTokenInCaseOfExpiredIDToken", 1),
            ("TestStructuredAuthenticationConfigCEL", 9),
            ("TestStructuredAuthenticationConfigReload", 7),
            ("TestStructuredAuthenticationDiscoveryURL", 4),
            ("TestMultipleJWTAuthenticators", 1),
            ("TestJWKSMetricsCleanupOnIssuerRemoval", 1),
        ]);
        assert_eq!(counts, expected);
    }

    #[test]
    fn every_file_of_kubernetes_own_tests_gets_its_error() {
        let files = validation::read(FILES);
        let text = std::fs::read_to_string(corpus::path(FILES)).unwrap();
        let elsewhere: Vec<(String, String)> = text
            .lines()
            .filter_map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let of = |member: &str| line[member].as_str().map(str::to_owned);
                Some((of("name").unwrap(), of("elsewhere")?))
            })
            .collect();
        let faults: Vec<String> = Version::ALL
            .into_iter()
            .flat_map(|version| files.iter().filter_map(move |file| file.fault(version)))
            .chain(
                elsewhere
                    .iter()
                    .filter_map(|(name, place)| misplaced(name, place)),
            )
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let names = files.iter().map(|file| file.name.as_str());
        let counts = counts(names.chain(elsewhere.iter().map(|(name, _)| name.as_str())));
        let expected = BTreeMap::from([
            ("TestValidateAuthenticationConfiguration", 27),
            ("TestValidateIssuerURL", 8),
            ("TestValidateIssuerDiscoveryURL", 12),
            ("TestValidateAudiences", 8),
            ("TestValidateCertificateAuthority", 3),
            ("TestValidateClaimValidationRules", 12),
            ("TestValidateClaimMappings", 32),
            ("TestValidateUserValidationRules", 5),
            ("TestToken", 1),
        ]);
        assert_eq!(counts, expected);
    }
}
