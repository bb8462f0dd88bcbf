//! Configuration files and what the API server says of them when it starts:
//! Kubernetes' own test cases (`corpus/upstream-validation.jsonl`) and more
//! (`corpus/validation.jsonl`).

use std::collections::BTreeMap;
use std::path::Path;

use kube_authn::config::AuthenticationConfiguration;
use kube_authn::{Authenticator, ConfigError};
use serde_json::{Value, json};

use super::{corpus, oracle, upstream};

/// A file and the error that Kubernetes has for it.
pub struct File {
    pub name: String,
    pub text: String,
    pub disallowed_issuers: Vec<String>,
    pub error: Option<String>,
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
            not_yet: line["notYet"].as_str().map(str::to_owned),
        })
    };
    text.lines().filter_map(file).collect()
}

impl File {
    /// What this crate says, be it of the file or of CEL in it.
    pub fn judge(&self) -> Option<String> {
        let configuration = match AuthenticationConfiguration::from_json(&self.text) {
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
    pub fn fault(&self) -> Option<String> {
        let (name, ours) = (&self.name, self.judge());
        match &self.not_yet {
            _ if ours == self.error => self
                .not_yet
                .is_some()
                .then(|| format!("{name} is answered now: take its notYet out")),
            Some(_) if ours == self.not_yet => None,
            _ => Some(format!(
                "{name}\n  ours        {ours:?}\n  Kubernetes' {:?}",
                self.error
            )),
        }
    }

    /// The file as the oracle reads it.
    pub fn to_oracle(&self) -> Value {
        json!({"id": self.name, "config": self.text, "disallowedIssuers": self.disallowed_issuers})
    }
}

/// What came of asking Kubernetes about files.
#[derive(Default)]
pub struct Comparison {
    /// How they fell.
    pub counts: BTreeMap<&'static str, usize>,
    /// Those on which the answers differ, in words.
    pub differing: Vec<String>,
}

pub fn compare(oracle: &Path, files: &[File]) -> Comparison {
    let questions = files.iter().map(File::to_oracle).collect();
    let mut found = Comparison::default();
    for (file, answer) in files.iter().zip(oracle::ask(oracle, questions)) {
        let (ours, theirs) = (file.judge(), answer["error"].as_str().map(str::to_owned));
        let what = match &theirs {
            None => "sound",
            Some(error) if error.starts_with("invalid authentication configuration") => "not valid",
            Some(_) => "not decoded",
        };
        *found.counts.entry(what).or_default() += 1;
        if ours != theirs {
            found.differing.push(format!(
                "{}\n  ours        {ours:?}\n  Kubernetes' {theirs:?}",
                file.text
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::File;

    #[test]
    fn every_configuration_gets_kubernetes_own_error() {
        let files = super::read("validation.jsonl");
        assert_eq!(files.len(), 137, "the table is there");
        let faults: Vec<String> = files.iter().filter_map(File::fault).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
