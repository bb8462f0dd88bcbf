//! Reading an audit policy, and what is wrong with one in Kubernetes' words
//! (apiserver, `pkg/audit/policy/reader.go` and
//! `pkg/apis/audit/validation/validation.go`).

use std::fmt;

use kube_rbac::Version;
use serde_json::{Value, json};

use super::event::Stage;
use super::policy::{GroupResources, Level, Policy, Rule, Stages};
use crate::authn::authn_version;
use crate::registry::schema::schema;
use crate::wire::{self, Cause, Fault, aggregate, quote};
use kube_rbac::names;

const GROUP_VERSION: &str = "audit.k8s.io/v1";
/// Who says no version is read as this one, and refused for it.
const INTERNAL: &str = "audit.k8s.io/__internal";
const KINDS: [&str; 4] = ["Event", "EventList", "Policy", "PolicyList"];
const MESSAGE: &str = "k8s.io.apiserver.pkg.apis.audit.v1.Policy";

/// Why a policy cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}

impl Policy {
    /// Reads a policy file, which is YAML or JSON. Fields that are unknown or
    /// given twice are warned of in the log and no more.
    ///
    /// # Errors
    /// What Kubernetes says of it; about YAML that is none, in other words.
    pub fn parse(text: &str, version: Version) -> Result<Self, PolicyError> {
        let (object, mut faults) = read(text).map_err(undecodable)?;
        let (kind, api_version) = wire::type_of(&object).map_err(undecodable)?;
        check_type(kind, api_version, authn_version(version).scheme())?;
        let schema = schema(version);
        let message = schema.message(MESSAGE);
        let decoded = message.map(|message| match &object {
            Value::Null => schema.decode(message, &Value::Object(serde_json::Map::new())),
            object => schema.decode(message, object),
        });
        let decoded = decoded
            .transpose()
            .map_err(undecodable)?
            .ok_or_else(|| PolicyError("the policy's type is not described".to_owned()))?;
        faults.extend(decoded.unknown);
        if !faults.is_empty() {
            tracing::warn!(
                "Audit policy contains errors, falling back to lenient decoding: strict decoding error: {}",
                faults.join(", ")
            );
        }
        let causes = faults_of(&decoded.value);
        if !causes.is_empty() {
            let causes = causes.iter().map(|c| format!("{}: {}", c.field, c.message));
            return Err(PolicyError(aggregate(causes)));
        }
        let policy = Self::of(&decoded.value);
        if policy.rules.is_empty() {
            let error = "loaded illegal policy with 0 rules";
            return Err(PolicyError(error.to_owned()));
        }
        Ok(policy)
    }

    /// The policy that a valid document is.
    fn of(document: &Value) -> Self {
        Self {
            omit_stages: stages(&document["omitStages"]),
            omit_managed_fields: document["omitManagedFields"] == true,
            rules: items(&document["rules"]).map(rule).collect(),
        }
    }

    /// The policy as a file that a kube-apiserver reads,
    /// `--audit-policy-file`.
    pub fn to_document(&self) -> Value {
        json!({
            "apiVersion": GROUP_VERSION,
            "kind": "Policy",
            "omitStages": names_of(self.omit_stages),
            "omitManagedFields": self.omit_managed_fields,
            "rules": self.rules.iter().map(document_of).collect::<Vec<_>>(),
        })
    }
}

fn names_of(stages: Stages) -> Vec<&'static str> {
    let named = Stage::ALL
        .into_iter()
        .filter(|stage| stages.contains(*stage));
    named.map(Stage::name).collect()
}

fn document_of(rule: &Rule) -> Value {
    let resources: Vec<Value> = rule
        .resources
        .iter()
        .map(|one| json!({"group": one.group, "resources": one.resources, "resourceNames": one.resource_names}))
        .collect();
    let mut document = json!({
        "level": rule.level.name(),
        "users": rule.users,
        "userGroups": rule.user_groups,
        "verbs": rule.verbs,
        "resources": resources,
        "namespaces": rule.namespaces,
        "nonResourceURLs": rule.non_resource_urls,
        "omitStages": names_of(rule.omit_stages),
    });
    // Left out it means what the policy says for all rules.
    if let (Some(omit), Some(fields)) = (rule.omit_managed_fields, document.as_object_mut()) {
        fields.insert("omitManagedFields".to_owned(), omit.into());
    }
    document
}

fn undecodable(why: impl fmt::Display) -> PolicyError {
    PolicyError(format!("failed decoding: {why}"))
}

/// The first document of the text, and its fields that are given twice.
fn read(text: &str) -> Result<(Value, Vec<String>), String> {
    if text.trim_start().starts_with('{') {
        return wire::parse_json(text.as_bytes())
            .map_err(|why| format!("couldn't get version/kind; json parse error: {why}"));
    }
    wire::yaml::read(text)
        .map(|read| (read.value, Vec::new()))
        .map_err(|fault| fault.to_string())
}

/// Whether what says it is this can become a policy; what it does not say is
/// taken from the type that it is read into.
fn check_type(kind: &str, api_version: &str, scheme: &str) -> Result<(), PolicyError> {
    let kind = if kind.is_empty() { "Policy" } else { kind };
    // Before the slash may be nothing.
    let api_version = match api_version.strip_prefix('/').unwrap_or(api_version) {
        "" => INTERNAL,
        said => said,
    };
    let known = KINDS.contains(&kind);
    match api_version {
        GROUP_VERSION if kind == "Policy" => Ok(()),
        GROUP_VERSION if known => Err(undecodable(format!(
            "converting (v1.{kind}) to (audit.Policy): unknown conversion"
        ))),
        INTERNAL if kind == "Policy" => Err(PolicyError(format!(
            "unknown group version field {INTERNAL}, Kind=Policy in policy"
        ))),
        INTERNAL if known => Err(undecodable(format!(
            "converting (audit.{kind}) to (audit.Policy): unknown conversion"
        ))),
        INTERNAL => Err(undecodable(format!(
            "no kind {} is registered for the internal version of group \"audit.k8s.io\" in scheme \"{scheme}\"",
            quote(kind)
        ))),
        other => Err(undecodable(wire::not_registered(kind, other, scheme))),
    }
}

fn rule(rule: &Value) -> Rule {
    Rule {
        level: level(&rule["level"]).unwrap_or_default(),
        users: texts(&rule["users"]),
        user_groups: texts(&rule["userGroups"]),
        verbs: texts(&rule["verbs"]),
        resources: items(&rule["resources"])
            .map(|resources| GroupResources {
                group: text(&resources["group"]).to_owned(),
                resources: texts(&resources["resources"]),
                resource_names: texts(&resources["resourceNames"]),
            })
            .collect(),
        namespaces: texts(&rule["namespaces"]),
        non_resource_urls: texts(&rule["nonResourceURLs"]),
        omit_stages: stages(&rule["omitStages"]),
        omit_managed_fields: rule["omitManagedFields"].as_bool(),
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(list: &Value) -> Vec<String> {
    items(list).map(|item| text(item).to_owned()).collect()
}

fn level(value: &Value) -> Option<Level> {
    let found = Level::NAMES.iter().find(|(name, _)| *name == text(value));
    found.map(|(_, level)| *level)
}

fn stage(value: &Value) -> Option<Stage> {
    Stage::ALL.into_iter().find(|s| s.name() == text(value))
}

fn stages(list: &Value) -> Stages {
    items(list).filter_map(stage).collect()
}

fn faults_of(document: &Value) -> Vec<Cause> {
    let mut faults = Vec::new();
    check_stages(&document["omitStages"], "omitStages", &mut faults);
    for (index, rule) in items(&document["rules"]).enumerate() {
        check_rule(rule, &format!("rules[{index}]"), &mut faults);
    }
    faults
}

fn check_rule(rule: &Value, path: &str, faults: &mut Vec<Cause>) {
    let named = &rule["level"];
    if text(named).is_empty() {
        faults.push(Cause::new(
            &format!("{path}.level"),
            Fault::Required,
            None,
            "",
        ));
    } else if level(named).is_none() {
        let names: Vec<String> = Level::NAMES.iter().map(|(name, _)| quote(name)).collect();
        let supported = format!("supported values: {}", names.join(", "));
        let field = format!("{path}.level");
        faults.push(Cause::new(
            &field,
            Fault::NotSupported,
            Some(named),
            &supported,
        ));
    }
    let urls = &rule["nonResourceURLs"];
    let path_of_urls = format!("{path}.nonResourceURLs");
    for (index, url) in items(urls).enumerate() {
        check_url(url, &format!("{path_of_urls}[{index}]"), faults);
    }
    for resources in items(&rule["resources"]) {
        check_resources(resources, &format!("{path}.resources"), faults);
    }
    check_stages(&rule["omitStages"], &format!("{path}.omitStages"), faults);
    let of_resources = items(&rule["resources"]).chain(items(&rule["namespaces"]));
    if items(urls).next().is_some() && of_resources.count() > 0 {
        faults.push(Cause::new(
            &path_of_urls,
            Fault::Invalid,
            Some(urls),
            "rules cannot apply to both regular resources and non-resource URLs",
        ));
    }
}

fn check_url(url: &Value, path: &str, faults: &mut Vec<Cause>) {
    let mut invalid = |detail| faults.push(Cause::new(path, Fault::Invalid, Some(url), detail));
    let spec = text(url);
    if spec == "*" {
        return;
    }
    if !spec.starts_with('/') {
        invalid("non-resource URL rules must begin with a '/' character");
    }
    if spec.find('*').is_some_and(|at| at + 1 < spec.len()) {
        invalid("non-resource URL wildcards '*' must be the final character of the rule");
    }
}

fn check_resources(resources: &Value, path: &str, faults: &mut Vec<Cause>) {
    let group = &resources["group"];
    let wrong = names::subdomain(text(group));
    if !matches!(text(group), "" | "*") && !wrong.is_empty() {
        let field = format!("{path}.group");
        faults.push(Cause::new(
            &field,
            Fault::Invalid,
            Some(group),
            &wrong.join(","),
        ));
    }
    let names = &resources["resourceNames"];
    if items(names).next().is_some() && items(&resources["resources"]).next().is_none() {
        faults.push(Cause::new(
            &format!("{path}.resourceNames"),
            Fault::Invalid,
            Some(names),
            "using resourceNames requires at least one resource",
        ));
    }
}

fn check_stages(list: &Value, path: &str, faults: &mut Vec<Cause>) {
    for (index, named) in items(list).enumerate() {
        if stage(named).is_none() {
            let names = Stage::ALL.map(Stage::name).join(",");
            faults.push(Cause::new(
                &format!("{path}[{index}]"),
                Fault::Invalid,
                Some(named),
                &format!("allowed stages are {names}"),
            ));
        }
    }
}
