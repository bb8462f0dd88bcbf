//! Cases with their verdicts, as they stand in the corpus: what is asked,
//! what Kubernetes' own code answered, and what ours answers.

use super::Made;
use kube_rbac::{
    Object, OwnedAttributes, OwnedTarget, OwnedUser, Policy, PolicyRule, decide, escalation,
    parse_object, resolve, to_json, wire,
};
use serde_json::{Value, json};

/// A policy and all that is asked of it: one line of `decisions.jsonl`.
pub struct PolicyCases {
    pub made: Made,
    pub requests: Vec<OwnedAttributes>,
    /// For the user and the namespace of this request.
    pub rules_for: Vec<usize>,
    /// What the user of this request grants in its namespace.
    pub escalations: Vec<(usize, Vec<PolicyRule>)>,
}

/// The answers to a policy's questions, each as compact JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct PolicyVerdicts {
    /// `[allowed, reason]`
    pub requests: Vec<Value>,
    /// `[rules, error]`
    pub rules_for: Vec<Value>,
    /// The error, or an empty text.
    pub escalations: Vec<Value>,
}

impl PolicyCases {
    /// Who asked that, and in which namespace.
    pub fn asker(&self, request: usize) -> (&OwnedUser, &str) {
        let request = &self.requests[request];
        (&request.user, request.borrow().namespace())
    }

    pub fn ours(&self, policy: &Policy) -> PolicyVerdicts {
        let requests = self.requests.iter().map(|request| {
            let decision = decide(policy, &request.borrow());
            json!([decision.allowed, decision.reason])
        });
        let rules_for = self.rules_for.iter().map(|which| {
            let (user, namespace) = self.asker(*which);
            let (rules, errors) = resolve::all_rules(policy, &user.borrow(), namespace);
            let rules: Vec<Value> = rules.into_iter().map(short_rule).collect();
            json!([
                rules,
                resolve::aggregate_text(&errors, resolve::NotFoundStyle::Lister)
            ])
        });
        let escalations = self.escalations.iter().map(|(which, rules)| {
            let (user, namespace) = self.asker(*which);
            let result =
                escalation::confirm_no_escalation(policy, &user.borrow(), namespace, rules);
            Value::from(result.err().unwrap_or_default())
        });
        PolicyVerdicts {
            requests: requests.collect(),
            rules_for: rules_for.collect(),
            escalations: escalations.collect(),
        }
    }

    /// The corpus' line. Verdicts on requests are few and long, so that they
    /// stand in a table, and each request ends with its place there.
    pub fn to_line(&self, verdicts: &PolicyVerdicts) -> Value {
        let objects: Vec<Value> = self.made.objects.iter().map(slim).collect();
        let mut table: Vec<&Value> = Vec::new();
        let mut place = |verdict| match table.iter().position(|known| *known == verdict) {
            Some(place) => place,
            None => {
                table.push(verdict);
                table.len() - 1
            }
        };
        let requests = self
            .requests
            .iter()
            .zip(&verdicts.requests)
            .map(|(request, verdict)| {
                let mut case = request_to_list(request);
                case.push(place(verdict).into());
                Value::from(case)
            });
        let requests: Vec<Value> = requests.collect();
        let rules_for = self.rules_for.iter().zip(&verdicts.rules_for);
        let escalations = self.escalations.iter().zip(&verdicts.escalations);
        json!({
            "onDefaults": self.made.on_defaults,
            "objects": objects,
            "verdicts": table,
            "requests": requests,
            "rulesFor": rules_for.map(|(which, v)| json!([which, v])).collect::<Vec<_>>(),
            "escalate": escalations
                .map(|((which, rules), v)| json!([which, short_rules(rules), v]))
                .collect::<Vec<_>>(),
        })
    }

    pub fn from_line(line: &Value) -> (PolicyCases, PolicyVerdicts) {
        let objects = list(&line["objects"])
            .iter()
            .map(|json| parse_object(json).unwrap());
        let made = Made {
            on_defaults: line["onDefaults"].as_bool().unwrap(),
            objects: objects.collect(),
        };
        let last = |case: &Value| list(case).last().unwrap().clone();
        let cases = PolicyCases {
            made,
            requests: list(&line["requests"])
                .iter()
                .map(request_from_list)
                .collect(),
            rules_for: list(&line["rulesFor"])
                .iter()
                .map(|c| place(&c[0]))
                .collect(),
            escalations: list(&line["escalate"])
                .iter()
                .map(|c| (place(&c[0]), long_rules(&c[1])))
                .collect(),
        };
        let verdicts = PolicyVerdicts {
            requests: list(&line["requests"])
                .iter()
                .map(|case| line["verdicts"][place(&last(case))].clone())
                .collect(),
            rules_for: list(&line["rulesFor"]).iter().map(last).collect(),
            escalations: list(&line["escalate"]).iter().map(last).collect(),
        };
        (cases, verdicts)
    }
}

/// Whether the owner's rules cover those requested: `null`, or what is missing.
pub fn our_missing(owner: &[PolicyRule], requested: &[PolicyRule]) -> Value {
    match escalation::covers(owner, requested) {
        Ok(()) => Value::Null,
        Err(missing) => short_rules(&missing),
    }
}

/// Rules as lists: `[verbs, apiGroups, resources, resourceNames, nonResourceURLs]`,
/// without the empty ones at the end.
pub fn short_rules(rules: &[PolicyRule]) -> Value {
    rules.iter().map(short_rule).collect()
}

fn short_rule(rule: &PolicyRule) -> Value {
    let PolicyRule {
        verbs,
        api_groups,
        resources,
        resource_names,
        non_resource_urls,
    } = rule;
    let mut lists = vec![
        verbs,
        api_groups,
        resources,
        resource_names,
        non_resource_urls,
    ];
    while lists.pop_if(|list| list.is_empty()).is_some() {}
    json!(lists)
}

pub fn long_rules(json: &Value) -> Vec<PolicyRule> {
    let rules = list(json).iter().map(|rule| {
        let part = |i: usize| rule.get(i).map(texts).unwrap_or_default();
        PolicyRule {
            verbs: part(0),
            api_groups: part(1),
            resources: part(2),
            resource_names: part(3),
            non_resource_urls: part(4),
        }
    });
    rules.collect()
}

/// Rules as Kubernetes prints them, shortened.
pub fn shortened(rules: &Value) -> Value {
    short_rules(&wire::parse_rules(rules).unwrap())
}

/// The object without what is the same in all of them.
pub fn slim(object: &Object) -> Value {
    let mut json = to_json(object);
    let map = json.as_object_mut().unwrap();
    map.shift_remove("apiVersion");
    if map.get("rules").is_some_and(Value::is_null) {
        map.shift_remove("rules");
    }
    let is_default = |v: &Value| v == "rbac.authorization.k8s.io";
    let subjects = map
        .get_mut("subjects")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for subject in subjects.filter_map(Value::as_object_mut) {
        let defaulted = matches!(subject["kind"].as_str(), Some("User" | "Group"));
        if defaulted && subject.get("apiGroup").is_some_and(is_default) {
            subject.shift_remove("apiGroup");
        }
    }
    if let Some(role_ref) = map.get_mut("roleRef").and_then(Value::as_object_mut) {
        role_ref.shift_remove("apiGroup");
    }
    json
}

fn request_to_list(request: &OwnedAttributes) -> Vec<Value> {
    let mut case = vec![
        json!(request.user.name),
        json!(request.user.groups),
        json!(request.verb),
    ];
    match &request.target {
        OwnedTarget::Resource {
            api_group,
            resource,
            subresource,
            name,
            namespace,
        } => {
            case.extend([api_group, resource, subresource, name, namespace].map(|s| json!(s)));
        }
        OwnedTarget::NonResource { path } => case.push(json!(path)),
    }
    case
}

fn request_from_list(case: &Value) -> OwnedAttributes {
    let case = list(case);
    let target = match &case[3..case.len() - 1] {
        [path] => OwnedTarget::NonResource { path: text(path) },
        [api_group, resource, subresource, name, namespace] => OwnedTarget::Resource {
            api_group: text(api_group),
            resource: text(resource),
            subresource: text(subresource),
            name: text(name),
            namespace: text(namespace),
        },
        other => panic!("a request of {} parts", other.len()),
    };
    let user = OwnedUser {
        name: text(&case[0]),
        groups: texts(&case[1]),
    };
    OwnedAttributes {
        user,
        verb: text(&case[2]),
        target,
    }
}

pub fn list(json: &Value) -> &[Value] {
    json.as_array().unwrap()
}

fn place(json: &Value) -> usize {
    usize::try_from(json.as_u64().unwrap()).unwrap()
}

fn text(json: &Value) -> String {
    json.as_str().unwrap().to_owned()
}

fn texts(json: &Value) -> Vec<String> {
    list(json).iter().map(text).collect()
}
