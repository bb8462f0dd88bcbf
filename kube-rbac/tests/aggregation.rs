//! `TestSyncClusterRole` of Kubernetes' cluster role aggregation controller
//! (`pkg/controller/clusterroleaggregation/clusterroleaggregation_controller_test.go`).

use crate::build::{role, words};
use kube_rbac::{LabelSelector, Policy, PolicyRule, Role, aggregation};
use rstest::rstest;

/// Rules of one verb and one resource each, without a group.
fn rules(verb: &str, resources: &str) -> Vec<PolicyRule> {
    let one = |resource: String| PolicyRule {
        verbs: words(verb),
        resources: vec![resource],
        ..PolicyRule::default()
    };
    words(resources).into_iter().map(one).collect()
}

fn hammer() -> Vec<PolicyRule> {
    rules("hammer", "nails wedges")
}

fn chisel() -> Vec<PolicyRule> {
    rules("chisel", "mortises")
}

fn saw() -> Vec<PolicyRule> {
    rules("saw", "boards")
}

/// A ClusterRole with the label `foo`.
fn tool(name: &str, label: &str, rules: Vec<PolicyRule>) -> Role {
    Role {
        labels: [("foo".to_owned(), label.to_owned())].into(),
        ..role(None, name, rules)
    }
}

/// The ClusterRole `combined`, with a selector for each value of `foo`.
fn combined(selected: &[&str], rules: Vec<PolicyRule>) -> Role {
    let selectors = selected.iter().map(|label| LabelSelector {
        match_labels: [("foo".to_owned(), (*label).to_owned())].into(),
        ..LabelSelector::default()
    });
    Role {
        aggregation: Some(selectors.collect()),
        ..role(None, "combined", rules)
    }
}

/// What there is, and what `combined` is to be; `None` where it is not to be
/// written at all.
#[rstest]
#[case::remove_dead_rules(
    vec![tool("hammer", "bar", hammer()), combined(&["bar"], saw())],
    Some(combined(&["bar"], hammer()))
)]
#[case::strip_rules(
    vec![tool("hammer", "not-bar", hammer()), combined(&["bar"], hammer())],
    Some(combined(&["bar"], vec![]))
)]
#[case::select_properly_and_put_in_order(
    vec![
        tool("hammer", "bar", hammer()),
        tool("chisel", "bar", chisel()),
        tool("saw", "not-bar", saw()),
        combined(&["bar"], vec![]),
    ],
    Some(combined(&["bar"], [chisel(), hammer()].concat()))
)]
#[case::select_properly_with_multiple_selectors(
    vec![
        tool("hammer", "bar", hammer()),
        tool("chisel", "bar", chisel()),
        tool("saw", "not-bar", saw()),
        combined(&["bar", "not-bar"], vec![]),
    ],
    Some(combined(&["bar", "not-bar"], [chisel(), hammer(), saw()].concat()))
)]
#[case::select_properly_remove_duplicates(
    vec![
        tool("hammer", "bar", hammer()),
        tool("chisel", "bar", chisel()),
        tool("saw", "bar", saw()),
        tool("other-saw", "not-bar", saw()),
        combined(&["bar", "not-bar"], vec![]),
    ],
    Some(combined(&["bar", "not-bar"], [chisel(), hammer(), saw()].concat()))
)]
#[case::no_diff_skip(
    vec![tool("hammer", "bar", hammer()), combined(&["bar"], hammer())],
    None
)]
fn the_combined_role_has_the_rules_of_the_selected_ones(
    #[case] starting: Vec<Role>,
    #[case] expected: Option<Role>,
) {
    let mut policy = Policy::new();
    for role in starting {
        policy.put_role(role);
    }
    let mut wanted = policy.clone();
    let written = Vec::from_iter(expected.iter().map(|role| role.name.clone()));
    expected.into_iter().for_each(|role| wanted.put_role(role));
    assert_eq!(aggregation::aggregate(&mut policy), written);
    assert_eq!(policy, wanted);
}
