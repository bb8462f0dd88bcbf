//! Configuration files and what the API server says of them when it starts:
//! Kubernetes' own test cases (`corpus/upstream-validation.jsonl`) and more
//! (`corpus/validation.jsonl`).

use std::collections::BTreeMap;

use kube_authn::config::AuthenticationConfiguration;
use kube_authn::{Authenticator, ConfigError, Version};
use oracle::{Oracle, Smaller};
use serde_json::{Value, json};

use super::{corpus, upstream};

/// A file and the error that Kubernetes has for it.
#[derive(Clone)]
pub struct File {
    pub name: String,
    pub text: String,
    pub disallowed_issuers: Vec<String>,
    /// The newest minor's.
    pub error: Option<String>,
    /// Those of older minors that have another.
    pub older: BTreeMap<Version, String>,
    /// What this crate says where it does not answer yet.
    pub not_yet: Option<String>,
}

/// All that are asked, of both corpora.
pub fn all() -> Vec<File> {
    let mut files = read("validation.jsonl");
    files.extend(read(upstream::FILES));
    files
}

/// A corpus, without what is decided elsewhere.
pub fn read(name: &str) -> Vec<File> {
    let path = corpus::path(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let text = line["config"].as_str()?.to_owned();
        let issuers = line["disallowedIssuers"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        Some(File {
            name: line["name"].as_str().expect("a name").to_owned(),
            text,
            disallowed_issuers: issuers
                .iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect(),
            error: line["error"].as_str().map(str::to_owned),
            older: line["older"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(version, error)| {
                    let error = error.as_str().expect("an error is text").to_owned();
                    (version.parse().expect("a minor"), error)
                })
                .collect(),
            not_yet: line["notYet"].as_str().map(str::to_owned),
        })
    };
    text.lines().filter_map(file).collect()
}

impl File {
    /// What that minor says.
    pub fn error(&self, version: Version) -> Option<&String> {
        self.older.get(&version).or(self.error.as_ref())
    }

    /// What this crate says as that minor, be it of the file or of CEL in it.
    pub fn judge(&self, version: Version) -> Option<String> {
        let configuration = match AuthenticationConfiguration::from_json_of(&self.text, version) {
            Err(error) => return Some(error.to_string()),
            Ok(configuration) => configuration,
        };
        let errors = configuration.validate(&self.disallowed_issuers);
        if !errors.is_empty() {
            let error = ConfigError::Invalid(errors);
            return Some(format!("invalid authentication configuration: {error}"));
        }
        let refused = |jwt| Authenticator::new(jwt, None).err();
        let refused = configuration.jwt.iter().find_map(refused);
        refused.map(|error| error.to_string())
    }

    /// What is wrong with it, in words: an answer other than Kubernetes', or a
    /// "not yet" that is none any more.
    pub fn fault(&self, version: Version) -> Option<String> {
        let (name, ours) = (&self.name, self.judge(version));
        let theirs = self.error(version);
        match &self.not_yet {
            _ if ours.as_ref() == theirs => self
                .not_yet
                .is_some()
                .then(|| format!("{name} is answered now: take its notYet out")),
            Some(_) if ours == self.not_yet => None,
            _ => Some(format!(
                "{name}, {version}\n  ours        {ours:?}\n  Kubernetes' {theirs:?}"
            )),
        }
    }

    /// The file as the oracle reads it.
    pub fn to_oracle(&self) -> Value {
        json!({"id": self.name, "config": self.text, "disallowedIssuers": self.disallowed_issuers})
    }
}

/// Without a member or an element, as far as it is JSON in which nothing comes
/// twice.
impl Smaller for File {
    fn smaller(&self) -> Vec<Self> {
        let document: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let smaller = document.smaller().into_iter().map(|document| Self {
            text: document.to_string(),
            ..self.clone()
        });
        smaller.collect()
    }
}

/// What came of asking Kubernetes about files.
#[derive(Default)]
pub struct Comparison {
    /// How they fell.
    pub counts: BTreeMap<String, usize>,
    /// Those on which the answers differ: their places, and what is said.
    pub differing: Vec<(usize, String)>,
}

pub fn compare(oracle: &Oracle, version: Version, files: &[File]) -> Result<Comparison, String> {
    let mut found = Comparison::default();
    for (i, (file, theirs)) in files.iter().zip(theirs(oracle, files)?).enumerate() {
        const INVALID: &str = "invalid authentication configuration: ";
        let what = match &theirs {
            None => "sound".to_owned(),
            Some(error) => match error.strip_prefix(INVALID) {
                Some(first) => format!("not valid, {}", oracle::rule(first)),
                None => format!("not decoded, {}", oracle::rule(error)),
            },
        };
        *found.counts.entry(what).or_default() += 1;
        let ours = file.judge(version);
        if ours != theirs {
            found.differing.push((i, said(file, &ours, &theirs)));
        }
    }
    Ok(found)
}

/// Kubernetes' error for each, if it has any.
pub fn theirs(oracle: &Oracle, files: &[File]) -> Result<Vec<Option<String>>, String> {
    let questions: Vec<Value> = files.iter().map(File::to_oracle).collect();
    let answers = oracle.ask(&questions)?;
    let errors = answers
        .iter()
        .map(|a| a["error"].as_str().map(str::to_owned));
    Ok(errors.collect())
}

/// A file, and both errors.
pub fn said(file: &File, ours: &Option<String>, theirs: &Option<String>) -> String {
    format!(
        "{}\n  ours        {ours:?}\n  Kubernetes' {theirs:?}",
        file.text
    )
}

#[cfg(test)]
mod tests {
    use kube_authn::Version;

    #[test]
    fn every_configuration_gets_kubernetes_own_error() {
        let files = super::read("validation.jsonl");
        assert_eq!(files.len(), 137, "the table is there");
        let faults: Vec<String> = Version::ALL
            .into_iter()
            .flat_map(|version| files.iter().filter_map(move |file| file.fault(version)))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
