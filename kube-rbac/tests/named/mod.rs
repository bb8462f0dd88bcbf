//! Kubernetes' own tables under their own names (`corpus/upstream.jsonl`):
//! what is asked, as `oracle-rbac` takes it, what it answered, and what ours
//! answers.

use std::collections::HashMap;
use std::path::PathBuf;

use kube_rbac::{
    Attributes, OwnedUser, Policy, Target, decide, escalation, parse_object, resolve, validate,
    wire,
};
use serde_json::{Value, json};

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
        answer: Value,
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
                name: text_of(&line["name"]).to_owned(),
                ask: line["ask"].clone(),
                answer: line["answer"].clone(),
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

    /// The line as it is kept.
    pub fn to_json(&self) -> Value {
        match self {
            Line::Policy { .. } => self.to_oracle(),
            Line::Case { name, ask, answer } => json!({"name": name, "ask": ask, "answer": answer}),
        }
    }
}

/// The cases whose answer is not ours, in words.
pub fn differing(lines: &[Line]) -> Vec<String> {
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
            Line::Case { name, ask, answer } => {
                let policy = ask["policy"].as_str().map(|name| &policies[name]);
                let ours = ours(policy, ask);
                if ours != *answer {
                    found.push(format!("{name}\n  ours   {ours}\n  theirs {answer}"));
                }
            }
        }
    }
    found
}

fn ours(policy: Option<&Policy>, ask: &Value) -> Value {
    if let Some(covers) = ask.get("covers") {
        let rules = |side: &str| wire::parse_rules(&covers[side]).unwrap();
        let missing = escalation::covers(&rules("owner"), &rules("requested"));
        let covered = missing.is_ok();
        let missing = missing.err().unwrap_or_default();
        let missing: Vec<Value> = missing.iter().map(wire::rule_to_json).collect();
        return json!({"covered": covered, "missing": missing});
    }
    if let Some(object) = ask.get("validate") {
        let errors = match ask.get("old") {
            None => validate::create(object),
            Some(old) => validate::update(object, old),
        };
        let errors = errors.unwrap();
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        return json!({ "errors": errors });
    }
    let policy = policy.expect("a policy is named");
    if let Some(question) = ask.get("rulesFor") {
        let user = user(&question["user"]);
        let namespace = text_of(&question["namespace"]);
        let (rules, errors) = resolve::all_rules(policy, &user.borrow(), namespace);
        let rules: Vec<Value> = rules.into_iter().map(wire::rule_to_json).collect();
        let error = resolve::aggregate_text(&errors, resolve::NotFoundStyle::Lister);
        return json!({"rules": rules, "error": error});
    }
    let user = user(&ask["user"]);
    let request = Attributes {
        user: user.borrow(),
        verb: text_of(&ask["verb"]),
        target: match ask["path"].as_str() {
            Some(path) => Target::NonResource { path },
            None => Target::Resource {
                api_group: text_of(&ask["apiGroup"]),
                resource: text_of(&ask["resource"]),
                subresource: text_of(&ask["subresource"]),
                name: text_of(&ask["name"]),
                namespace: text_of(&ask["namespace"]),
            },
        },
    };
    let decision = decide(policy, &request);
    json!({"allowed": decision.allowed, "reason": decision.reason, "error": ""})
}

fn user(json: &Value) -> OwnedUser {
    let groups = json["groups"].as_array().into_iter().flatten();
    OwnedUser {
        name: text_of(&json["name"]).to_owned(),
        groups: groups.map(|group| text_of(group).to_owned()).collect(),
    }
}

fn text_of(json: &Value) -> &str {
    json.as_str().unwrap_or_default()
}
