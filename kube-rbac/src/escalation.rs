//! Nobody may give away by a role or a binding what they do not have.
//!
//! [`covers`] compares rights (`k8s.io/component-helpers/auth/rbac/validation`),
//! [`confirm_no_escalation`] words the refusal
//! (`pkg/registry/rbac/validation/rule.go`), [`role_write`] and
//! [`binding_write`] are what the API server asks before it stores a role or a
//! binding (`pkg/registry/rbac/*/policybased/storage.go`), with the verbs
//! `escalate` and `bind` that lift the rule.

use crate::attributes::{Attributes, Target, User};
use crate::objects::{API_GROUP, Binding, PolicyRule, Role};
use crate::policy::Policy;
use crate::quote::{push_quoted, push_quoted_list};
use crate::resolve::{
    self, NotFoundStyle, ResolveError, aggregate_text, all_rules, is_privileged, referenced_role,
};
use crate::rules::url_covers;
use crate::version::Version;
use std::collections::BTreeSet;

/// Whether all that `requested` allows is allowed by `owner`; if not, what is
/// missing, broken down to one verb, group, resource and name each.
pub fn covers(owner: &[PolicyRule], requested: &[PolicyRule]) -> Result<(), Vec<PolicyRule>> {
    let owner: Vec<&PolicyRule> = owner.iter().collect();
    covers_refs(&owner, requested)
}

fn covers_refs(owner: &[&PolicyRule], requested: &[PolicyRule]) -> Result<(), Vec<PolicyRule>> {
    let missing: Vec<PolicyRule> = requested
        .iter()
        .flat_map(break_down)
        .filter(|atom| !owner.iter().any(|rule| rule_covers(rule, atom)))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(missing)
    }
}

/// The rule as rules of one verb and either one group, resource and at most
/// one name, or one URL.
pub fn break_down(rule: &PolicyRule) -> Vec<PolicyRule> {
    let one = |s: &String| vec![s.clone()];
    let names: Vec<Vec<String>> = match rule.resource_names.as_slice() {
        [] => vec![Vec::new()],
        names => names.iter().map(one).collect(),
    };
    let mut atoms = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                atoms.extend(names.iter().map(|name| PolicyRule {
                    verbs: one(verb),
                    api_groups: one(group),
                    resources: one(resource),
                    resource_names: name.clone(),
                    non_resource_urls: Vec::new(),
                }));
            }
        }
    }
    for url in &rule.non_resource_urls {
        atoms.extend(rule.verbs.iter().map(|verb| PolicyRule {
            verbs: one(verb),
            non_resource_urls: one(url),
            ..PolicyRule::default()
        }));
    }
    atoms
}

/// Whether one rule covers a rule that was broken down. Mind that a rule with
/// resource names covers no URL either.
fn rule_covers(owner: &PolicyRule, atom: &PolicyRule) -> bool {
    let has = |list: &[String], wanted: &String| list.contains(wanted);
    let names = owner.resource_names.is_empty()
        || (!atom.resource_names.is_empty()
            && atom
                .resource_names
                .iter()
                .all(|name| has(&owner.resource_names, name)));
    let star = |list: &[String]| list.iter().any(|s| s == "*");
    names
        && (star(&owner.verbs) || atom.verbs.iter().all(|v| has(&owner.verbs, v)))
        && (star(&owner.api_groups) || atom.api_groups.iter().all(|g| has(&owner.api_groups, g)))
        && atom
            .resources
            .iter()
            .all(|r| resource_covers(&owner.resources, r))
        && atom.non_resource_urls.iter().all(|url| {
            owner
                .non_resource_urls
                .iter()
                .any(|own| url_covers(own, url))
        })
}

fn resource_covers(owner: &[String], resource: &str) -> bool {
    let subresource = resource.split_once('/').map(|(_, subresource)| subresource);
    owner.iter().any(|own| {
        own == "*"
            || own == resource
            || (subresource.is_some() && own.strip_prefix("*/") == subresource)
    })
}

/// `Err` with Kubernetes' text when the rules allow what the user does not
/// have in the namespace (empty: cluster-wide).
pub fn confirm_no_escalation(
    policy: &Policy,
    user: &User<'_>,
    namespace: &str,
    rules: &[PolicyRule],
) -> Result<(), String> {
    let (owned, errors) = all_rules(policy, user, namespace);
    covers_refs(&owned, rules).map_err(|missing| refusal(user, &missing, &errors))
}

fn refusal(user: &User<'_>, missing: &[PolicyRule], errors: &[ResolveError<'_>]) -> String {
    let descriptions: BTreeSet<String> = compact(missing).iter().map(compact_string).collect();
    let descriptions: Vec<String> = descriptions.into_iter().collect();
    let mut text = String::from("user ");
    push_quoted(&mut text, user.name);
    text.push_str(" (groups=");
    push_quoted_list(&mut text, user.groups);
    text.push_str(") is attempting to grant RBAC permissions not currently held:\n");
    text.push_str(&descriptions.join("\n"));
    if !errors.is_empty() {
        text.push_str("; resolution errors: [");
        text.push_str(&aggregate_text(errors, NotFoundStyle::Storage));
        text.push(']');
    }
    text
}

/// Joins rules that differ only by verb, where they are about a single group,
/// resource and at most one name (`CompactRules`). The others come first;
/// nothing else of the order means anything.
pub fn compact(rules: &[PolicyRule]) -> Vec<PolicyRule> {
    let (mut simple, mut compacted) = (Vec::<PolicyRule>::new(), Vec::new());
    for rule in rules {
        if !is_simple(rule) {
            compacted.push(rule.clone());
            continue;
        }
        let same = |other: &&mut PolicyRule| {
            other.api_groups == rule.api_groups
                && other.resources == rule.resources
                && other.resource_names == rule.resource_names
        };
        match simple.iter_mut().find(same) {
            Some(other) => other.verbs.extend_from_slice(&rule.verbs),
            None => simple.push(rule.clone()),
        }
    }
    compacted.append(&mut simple);
    compacted
}

fn is_simple(rule: &PolicyRule) -> bool {
    rule.resource_names.len() <= 1
        && rule.non_resource_urls.is_empty()
        && rule.api_groups.len() == 1
        && rule.resources.len() == 1
}

/// `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`
pub fn compact_string(rule: &PolicyRule) -> String {
    let parts = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("ResourceNames", &rule.resource_names),
        ("Verbs", &rule.verbs),
    ];
    let mut text = String::from("{");
    for (name, list) in parts.into_iter().filter(|(_, list)| !list.is_empty()) {
        if text.len() > 1 {
            text.push_str(", ");
        }
        text.push_str(name);
        text.push(':');
        push_quoted_list(&mut text, list);
    }
    text.push('}');
    text
}

/// Why a role or binding may not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 403: `RESOURCE "NAME" is forbidden: TEXT`.
    Forbidden(String),
    /// 404: the role that the binding refers to does not exist.
    RoleNotFound {
        /// `roles` or `clusterroles`
        resource: &'static str,
        /// The role's name.
        name: String,
    },
    /// A roleRef of another kind, which validation would have refused.
    Other(String),
}

/// A role that is to be created or updated.
#[derive(Clone, Copy, Debug)]
pub struct RoleWrite<'a> {
    /// Who writes.
    pub user: User<'a>,
    /// The name in the request's URL: empty when it is created by POST.
    pub request_name: &'a str,
    /// The role as it is to be.
    pub new: &'a Role,
    /// The role as it is, on update.
    pub old: Option<&'a Role>,
}

/// Whether the user may store the role. Updates that touch only owner
/// references and finalizers need not be asked.
pub fn role_write(policy: &Policy, version: Version, write: &RoleWrite<'_>) -> Result<(), Refusal> {
    let RoleWrite {
        user,
        request_name,
        new,
        old,
    } = write;
    if is_privileged(user) {
        return Ok(());
    }
    let namespace = new.namespace.as_deref().unwrap_or_default();
    let resource = if new.namespace.is_some() {
        "roles"
    } else {
        "clusterroles"
    };
    let escalate = RoleVerb {
        verb: "escalate",
        resource,
        name: request_name,
        namespace,
    };
    if escalate.is_allowed(policy, version, user) {
        return Ok(());
    }
    confirm_no_escalation(policy, user, namespace, &new.rules).map_err(Refusal::Forbidden)?;
    let aggregates = |role: &Role| role.aggregation.as_ref().is_some_and(|a| !a.is_empty());
    if new.namespace.is_none() && (aggregates(new) || old.is_some_and(aggregates)) {
        confirm_no_escalation(policy, user, namespace, &full_authority()).map_err(|_| {
            let text = "must have cluster-admin privileges to use the aggregationRule";
            Refusal::Forbidden(text.into())
        })?;
    }
    Ok(())
}

/// Whether the user may store the binding: by the verb `bind` on the role, or
/// by having all that the role allows.
pub fn binding_write(
    policy: &Policy,
    version: Version,
    user: &User<'_>,
    binding: &Binding,
) -> Result<(), Refusal> {
    if is_privileged(user) {
        return Ok(());
    }
    let namespace = binding.namespace.as_deref().unwrap_or_default();
    let resource = match binding.role_ref.kind.as_str() {
        "ClusterRole" => "clusterroles",
        _ => "roles",
    };
    let bind = RoleVerb {
        verb: "bind",
        resource,
        name: binding.role_ref.name.as_str(),
        namespace,
    };
    let known_kind = matches!(binding.role_ref.kind.as_str(), "ClusterRole" | "Role");
    if known_kind && bind.is_allowed(policy, version, user) {
        return Ok(());
    }
    let role = referenced_role(policy, binding).map_err(|error| match error {
        ResolveError::NotFound { name, .. } => Refusal::RoleNotFound {
            resource,
            name: name.to_owned(),
        },
        ResolveError::UnsupportedKind(_) => Refusal::Other(error.text(NotFoundStyle::Storage)),
    })?;
    confirm_no_escalation(policy, user, namespace, &role.rules).map_err(Refusal::Forbidden)
}

struct RoleVerb<'a> {
    verb: &'static str,
    resource: &'static str,
    name: &'a str,
    namespace: &'a str,
}

impl RoleVerb<'_> {
    fn is_allowed(&self, policy: &Policy, version: Version, user: &User<'_>) -> bool {
        let request = Attributes {
            user: *user,
            verb: self.verb,
            target: Target::Resource {
                api_group: API_GROUP,
                resource: self.resource,
                subresource: "",
                name: self.name,
                namespace: self.namespace,
            },
        };
        resolve::authorize(policy, &request, version).allowed
    }
}

fn full_authority() -> [PolicyRule; 2] {
    let star = || vec!["*".to_owned()];
    [
        PolicyRule {
            verbs: star(),
            api_groups: star(),
            resources: star(),
            ..PolicyRule::default()
        },
        PolicyRule {
            verbs: star(),
            non_resource_urls: star(),
            ..PolicyRule::default()
        },
    ]
}
