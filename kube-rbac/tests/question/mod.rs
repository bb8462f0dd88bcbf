//! A question as `oracle-rbac` takes it, what ours answers to it, and of one on
//! which the two disagree the smallest.

use kube_rbac::{
    Attributes, OwnedUser, Policy, Target, Version, aggregation, decide, escalation, parse_object,
    resolve, validate, wire,
};
use oracle::{Oracle, Smaller};
use serde_json::{Value, json};

/// What is asked, and the objects that it is about, a list, if it is about any.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub objects: Value,
    pub ask: Value,
}

impl Question {
    /// What ours answers; nothing where the objects make no policy.
    pub fn ours(&self, version: Version) -> Option<Value> {
        if self.objects.is_null() {
            return ours(version, None, &self.ask);
        }
        let mut policy = Policy::new();
        for object in self.objects.as_array()? {
            policy.put(parse_object(object).ok()?);
        }
        aggregation::aggregate(&mut policy);
        ours(version, Some(&policy), &self.ask)
    }

    /// The lines that the oracle takes: one, or two where there are objects.
    pub fn to_oracle(&self, policy: &str) -> Vec<Value> {
        let mut ask = self.ask.clone();
        if self.objects.is_null() {
            return vec![ask];
        }
        ask["policy"] = policy.into();
        vec![load(policy, &self.objects), ask]
    }

    /// The smallest that two still answer differently, and `theirs` in the same
    /// form: what cannot be read any more is another matter.
    pub fn smallest(
        self,
        theirs: impl Fn(&[Self]) -> Result<Vec<Option<Value>>, String>,
        ours: impl Fn(&Self) -> Option<Value>,
    ) -> Result<Self, String> {
        let form = |answer: &Value| -> Vec<String> {
            let members = answer.as_object().into_iter().flatten();
            members.map(|(name, _)| name.clone()).collect()
        };
        let first = theirs(std::slice::from_ref(&self))?.pop().flatten();
        let wanted = first.as_ref().map(form);
        oracle::smallest(self, |questions| {
            let answers = questions.iter().zip(theirs(questions)?);
            let differ = answers.map(|(question, theirs)| match (theirs, ours(question)) {
                (Some(theirs), Some(ours)) => theirs != ours && wanted == Some(form(&theirs)),
                _ => false,
            });
            Ok(differ.collect())
        })
    }
}

/// What Kubernetes answers to each.
pub fn theirs(oracle: &Oracle, questions: &[Question]) -> Result<Vec<Option<Value>>, String> {
    let asked = questions.iter().enumerate();
    let lines: Vec<Vec<Value>> = asked
        .map(|(i, question)| question.to_oracle(&i.to_string()))
        .collect();
    let mut answers = oracle.ask(&lines.concat())?.into_iter();
    let answers = lines.iter().map(|lines| {
        let mut answers = answers.by_ref().take(lines.len());
        let loaded = lines.len() == 1 || answers.next().is_some_and(|a| a["ok"] == true);
        answers.next().filter(|_| loaded).map(answer_of)
    });
    Ok(answers.collect())
}

impl Smaller for Question {
    fn smaller(&self) -> Vec<Self> {
        let objects = self.objects.smaller().into_iter().map(|objects| Self {
            objects,
            ask: self.ask.clone(),
        });
        let ask = self.ask.smaller().into_iter().map(|ask| Self {
            objects: self.objects.clone(),
            ask,
        });
        objects.chain(ask).collect()
    }
}

/// The line that loads a policy under that name.
pub fn load(name: &str, objects: &Value) -> Value {
    json!({ "policy": name, "objects": objects, "aggregate": true })
}

/// An answer of the oracle's without the question's id, and without saying that
/// it is the old object that cannot be decoded.
pub fn answer_of(mut line: Value) -> Value {
    if let Some(line) = line.as_object_mut() {
        line.shift_remove("id");
    }
    if let Some(error) = line["malformed"]
        .as_str()
        .and_then(|e| e.strip_prefix("old: "))
    {
        line["malformed"] = error.to_owned().into();
    }
    line
}

/// What ours answers to one line; nothing where it is no question.
pub fn ours(version: Version, policy: Option<&Policy>, ask: &Value) -> Option<Value> {
    if let Some(covers) = ask.get("covers") {
        let rules = |side: &str| wire::parse_rules(&covers[side]).ok();
        let missing = escalation::covers(&rules("owner")?, &rules("requested")?);
        let covered = missing.is_ok();
        let missing = missing.err().unwrap_or_default();
        let missing: Vec<Value> = missing.iter().map(wire::rule_to_json).collect();
        return Some(json!({"covered": covered, "missing": missing}));
    }
    if let Some(object) = ask.get("validate") {
        return Some(match faults(version, object, ask.get("old")) {
            Ok(errors) => json!({ "errors": errors }),
            Err(error) => json!({ "malformed": error }),
        });
    }
    let policy = policy?;
    if let Some(question) = ask.get("rulesFor") {
        let user = user(&question["user"]);
        let namespace = text_of(&question["namespace"]);
        let (rules, errors) = resolve::all_rules(policy, &user.borrow(), namespace);
        let rules: Vec<Value> = rules.into_iter().map(wire::rule_to_json).collect();
        let error = resolve::aggregate_text(&errors, resolve::NotFoundStyle::Lister);
        return Some(json!({"rules": rules, "error": error}));
    }
    if let Some(question) = ask.get("escalate") {
        let user = user(&question["user"]);
        let namespace = text_of(&question["namespace"]);
        let rules = wire::parse_rules(&question["rules"]).ok()?;
        let refused =
            escalation::confirm_no_escalation(policy, &user.borrow(), namespace, &rules).err();
        return Some(json!({"error": refused.unwrap_or_default()}));
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
    Some(json!({"allowed": decision.allowed, "reason": decision.reason, "error": ""}))
}

/// The faults of a new object or of an update, or the text of the parser.
pub fn faults(version: Version, new: &Value, old: Option<&Value>) -> Result<Vec<String>, String> {
    let errors = match old {
        None => validate::create(version, new),
        Some(old) => validate::update(version, new, old),
    };
    errors
        .map(|errors| errors.iter().map(ToString::to_string).collect())
        .map_err(|error| error.to_string())
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
