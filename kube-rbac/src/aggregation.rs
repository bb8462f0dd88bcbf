//! What Kubernetes' cluster role aggregation controller does
//! (`pkg/controller/clusterroleaggregation`): a ClusterRole with an
//! aggregationRule gets the rules of the ClusterRoles that it selects.

use crate::objects::{PolicyRule, Role};
use crate::policy::Policy;
use std::sync::Arc;

/// Fills the rules of every aggregated ClusterRole until nothing changes, and
/// gives the names of those that did change, sorted.
///
/// An aggregated role may select another one, hence the rounds. Where roles
/// select each other in a circle the rounds are ended by their number, as
/// each can pass a rule on by one role at most.
pub fn aggregate(policy: &mut Policy) -> Vec<String> {
    let names: Vec<String> = policy
        .roles()
        .filter(|role| role.namespace.is_none() && role.aggregation.is_some())
        .map(|role| role.name.clone())
        .collect();
    let mut changed = Vec::new();
    for _ in 0..names.len() + 2 {
        let before = changed.len();
        for name in &names {
            if let Some(role) = aggregated(policy, name) {
                policy.put_role(role);
                changed.push(name.clone());
            }
        }
        if changed.len() == before {
            break;
        }
    }
    changed.sort();
    changed.dedup();
    changed
}

/// The role with its new rules, or `None` when it already has them, or has a
/// selector that is not valid (the controller gives such a role up).
fn aggregated(policy: &Policy, name: &str) -> Option<Role> {
    let role = policy.role(None, name)?;
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in role.aggregation.as_ref()? {
        for other in cluster_roles(policy) {
            if !selector.matches(&other.labels)? || other.name == role.name {
                continue;
            }
            for rule in &other.rules {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    (rules != role.rules).then(|| Role {
        rules,
        ..Role::clone(role)
    })
}

fn cluster_roles(policy: &Policy) -> impl Iterator<Item = &Arc<Role>> {
    policy.roles().take_while(|role| role.namespace.is_none())
}
