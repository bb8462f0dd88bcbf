//! Configuration files and what the API server says of them when it starts;
//! the data are `corpus/validation.jsonl`: Kubernetes' own test cases and more.

use std::collections::BTreeMap;
use std::path::Path;

use kube_authn::ConfigError;
use kube_authn::config::AuthenticationConfiguration;
use serde_json::{Value, json};

use super::{corpus, oracle};

/// A file and the error that Kubernetes has for it.
pub struct File {
    pub name: String,
    pub text: String,
    pub disallowed_issuers: Vec<String>,
    pub error: Option<String>,
}

pub fn read() -> Vec<File> {
    let path = corpus::path("validation.jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let issuers = line["disallowedIssuers"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        File {
            name: line["name"].as_str().expect("a name").to_owned(),
            text: line["config"].as_str().expect("a configuration").to_owned(),
            disallowed_issuers: issuers
                .iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect(),
            error: line["error"].as_str().map(str::to_owned),
        }
    };
    text.lines().map(file).collect()
}

impl File {
    /// What this crate says.
    pub fn judge(&self) -> Option<String> {
        match AuthenticationConfiguration::from_json(&self.text) {
            Err(error) => Some(error.to_string()),
            Ok(configuration) => {
                let errors = configuration.validate(&self.disallowed_issuers);
                (!errors.is_empty()).then(|| {
                    format!(
                        "invalid authentication configuration: {}",
                        ConfigError::Invalid(errors)
                    )
                })
            }
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
    #[test]
    fn every_configuration_gets_kubernetes_own_error() {
        let files = super::read();
        assert!(files.len() > 150, "the table is there");
        for file in files {
            assert_eq!(file.judge(), file.error, "{}", file.name);
        }
    }
}
