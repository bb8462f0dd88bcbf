//! The cases of Kubernetes' own tests of RBAC, with its verdicts:
//! `plugin/pkg/auth/authorizer/rbac`, `pkg/registry/rbac`,
//! `pkg/apis/rbac/validation` and `component-helpers/auth/rbac/validation`.
//! The requests of the integration's TestRBAC are in `mock-apiserver/tests`.

#[allow(dead_code, reason = "each test file uses its part")]
mod build;
#[allow(dead_code, reason = "the example writes what is only read here")]
mod named;
#[allow(dead_code, reason = "the example asks the oracle, too")]
mod question;

use std::collections::BTreeMap;

use build::{binding, role, rule, user};
use kube_rbac::escalation::{Refusal, RoleWrite, role_write};
use kube_rbac::{Policy, RoleRef, SubjectRef, Version};
use named::Line;
use rstest::rstest;

#[test]
fn every_case_of_kubernetes_own_tests_gets_its_answer() {
    let lines = named::read();
    for version in Version::ALL {
        let differing = named::differing(&lines, version);
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    }

    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        if let Line::Case { name, .. } = line {
            let test = name.split('/').next().unwrap();
            // These tests have a function a case.
            let family = ["TestCovers", "TestValidateRole"]
                .into_iter()
                .find(|family| name == test && test.starts_with(family));
            *counts.entry(family.unwrap_or(test)).or_default() += 1;
        }
    }
    let expected = BTreeMap::from([
        ("TestAuthorizer", 34),
        ("TestRuleMatches", 70),
        ("TestDefaultRuleResolver", 4),
        ("TestAppliesTo", 9),
        ("TestCovers", 23),
        ("TestNonResourceURLCovers", 14),
        ("TestValidateClusterRoleBinding", 10),
        ("TestValidateRoleBinding", 9),
        ("TestValidateRoleBindingUpdate", 2),
        ("TestValidateRole", 11),
    ]);
    assert_eq!(counts, expected);
}

/// `TestEscalation`. Its authorizer is made up and lets Steve do anything; here
/// he may `escalate`, which is what it is asked about.
#[rstest]
#[case::superuser("superuser", &["system:masters"], Ok(()))]
#[case::bob("bob", &[], Err("user \"bob\" (groups=[]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"))]
#[case::steve("steve", &[], Ok(()))]
#[case::alice("alice", &[], Ok(()))]
fn a_role_is_written_by_who_has_its_rights_or_may_escalate(
    #[case] name: &str,
    #[case] groups: &[&str],
    #[case] expected: Result<(), &str>,
    #[values("", "myrole")] request_name: &str,
) {
    let mut policy = Policy::new();
    let escalate = rule("escalate", "rbac.authorization.k8s.io", "roles");
    for (who, rules) in [("steve", escalate), ("alice", rule("*", "*", "*"))] {
        policy.put_role(role(None, who, vec![rules]));
        let subjects = vec![SubjectRef::user(who)];
        policy.put_binding(binding(None, who, RoleRef::cluster_role(who), subjects));
    }
    let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
    let new = role(Some("myns"), "myrole", vec![rule("get", "core", "pods")]);
    let write = RoleWrite {
        user: user(name, &groups),
        request_name,
        new: &new,
        old: (!request_name.is_empty()).then_some(&new),
    };
    assert_eq!(
        role_write(&policy, Version::V1_37, &write),
        expected.map_err(|text| Refusal::Forbidden(text.to_owned()))
    );
}
