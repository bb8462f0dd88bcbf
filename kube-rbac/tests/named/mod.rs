//! Kubernetes' own tables under their own names (`corpus/upstream.jsonl`):
//! what is asked, as `oracle-rbac` takes it, and what it answered.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use kube_rbac::{Policy, Version, parse_object};
use serde_json::{Value, json};

use crate::question::ours;

pub fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/upstream.jsonl")
}

/// A line: a policy, or a case under its name.
pub enum Line {
    Policy {
        name: String,
        objects: Value,
    },
    Case {
        name: String,
        ask: Value,
        /// The newest release's.
        answer: Value,
        /// Those of older releases that answer otherwise.
        older: BTreeMap<Version, Value>,
    },
}

pub fn read() -> Vec<Line> {
    let text = std::fs::read_to_string(path()).unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["policy"].as_str() {
            Some(name) => Line::Policy {
                name: name.to_owned(),
                objects: line["objects"].clone(),
            },
            None => Line::Case {
                name: line["name"].as_str().unwrap().to_owned(),
                ask: line["ask"].clone(),
                answer: line["answer"].clone(),
                older: line["older"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(version, answer)| (version.parse().unwrap(), answer.clone()))
                    .collect(),
            },
        }
    };
    text.lines().map(line).collect()
}

impl Line {
    /// The line as the oracle reads it.
    pub fn to_oracle(&self) -> Value {
        match self {
            Line::Policy { name, objects } => json!({"policy": name, "objects": objects}),
            Line::Case { name, ask, .. } => {
                let mut question = ask.clone();
                question["id"] = name.as_str().into();
                question
            }
        }
    }

    /// What that release answers.
    pub fn answer(&self, version: Version) -> Option<&Value> {
        match self {
            Line::Policy { .. } => None,
            Line::Case { answer, older, .. } => Some(older.get(&version).unwrap_or(answer)),
        }
    }

    /// Keeps what that release answers now.
    pub fn answered(&mut self, version: Version, now: Value) {
        if let Line::Case { answer, older, .. } = self {
            if version == Version::default() {
                *answer = now;
            } else if now == *answer {
                older.remove(&version);
            } else {
                older.insert(version, now);
            }
        }
    }

    /// The line as it is kept.
    pub fn to_json(&self) -> Value {
        match self {
            Line::Policy { .. } => self.to_oracle(),
            Line::Case {
                name,
                ask,
                answer,
                older,
            } => {
                let mut line = json!({"name": name, "ask": ask, "answer": answer});
                for (version, answer) in older {
                    line["older"][version.to_string()] = answer.clone();
                }
                line
            }
        }
    }
}

/// The cases whose answer by that release is not ours, in words.
pub fn differing(lines: &[Line], version: Version) -> Vec<String> {
    let mut policies: HashMap<&str, Policy> = HashMap::new();
    let mut found = Vec::new();
    for line in lines {
        match line {
            Line::Policy { name, objects } => {
                let mut policy = Policy::new();
                for object in objects.as_array().unwrap() {
                    policy.put(parse_object(object).unwrap());
                }
                policies.insert(name, policy);
            }
            Line::Case { name, ask, .. } => {
                let policy = ask["policy"].as_str().map(|name| &policies[name]);
                let ours = ours(version, policy, ask).unwrap();
                let theirs = line.answer(version).unwrap();
                if ours != *theirs {
                    found.push(format!(
                        "{name}, {version}\n  ours   {ours}\n  theirs {theirs}"
                    ));
                }
            }
        }
    }
    found
}
