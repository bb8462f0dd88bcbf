//! The cases of Kubernetes' own tests of RBAC, with its verdicts:
//! `plugin/pkg/auth/authorizer/rbac`, `pkg/registry/rbac`,
//! `pkg/apis/rbac/validation` and `component-helpers/auth/rbac/validation`.
//! The requests of the integration's TestRBAC are in `mock-apiserver/tests`. Its
//! TestRBACContextContamination asks each thing in three Go contexts, which have no
//! counterpart here; of who may do something, as TestSubjectLocator asks, nobody is
//! told here, so each is asked whether they may.

use std::collections::BTreeMap;

use crate::build::{binding, named, role, rule, user};
use crate::named::Line;
use kube_rbac::escalation::{Refusal, RoleWrite, compact, covers, role_write};
use kube_rbac::{Policy, PolicyRule, RoleRef, SubjectRef, Version};
use rstest::rstest;

#[test]
fn every_case_of_kubernetes_own_tests_gets_its_answer() {
    let lines = crate::named::read();
    for version in Version::ALL {
        let differing = crate::named::differing(&lines, version);
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
        ("TestRBACContextContamination", 11),
        // Its six actions, of each of four subjects: may they, as it lists them?
        ("TestSubjectLocator", 24),
    ]);
    assert_eq!(counts, expected);
}

/// `TestEscalation` of roles and of cluster roles. Its authorizer is made up and lets
/// Steve do anything; here he may `escalate`, which is what it is asked about.
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
    #[values(Some("myns"), None)] namespace: Option<&str>,
) {
    let mut policy = Policy::new();
    let kind = if namespace.is_some() {
        "roles"
    } else {
        "clusterroles"
    };
    let escalate = rule("escalate", "rbac.authorization.k8s.io", kind);
    for (who, rules) in [("steve", escalate), ("alice", rule("*", "*", "*"))] {
        policy.put_role(role(None, who, vec![rules]));
        let subjects = vec![SubjectRef::user(who)];
        policy.put_binding(binding(None, who, RoleRef::cluster_role(who), subjects));
    }
    let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
    let new = role(namespace, "myrole", vec![rule("get", "core", "pods")]);
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

/// With URLs as well as resources, as no valid rule is.
fn and_url(rule: PolicyRule, url: &str) -> PolicyRule {
    PolicyRule {
        non_resource_urls: vec![url.to_owned()],
        ..rule
    }
}

/// `TestCompactRules` (`pkg/registry/rbac/validation/policy_compact_test.go`);
/// `None` where the rules stay as they are. In which order they come out means
/// nothing there either. Nor are lists there told apart here that are empty and
/// that are missing.
#[rstest]
#[case::empty(vec![], None)]
#[case::simple(
    vec![
        rule("get", "core", "builds"),
        rule("list", "core", "builds"),
        rule("update patch", "core", "builds"),
        rule("create", "extensions", "daemonsets"),
        rule("delete", "extensions", "daemonsets"),
        named(rule("patch", "extensions", "daemonsets"), "core"),
        named(rule("get", "extensions", "daemonsets"), "foo"),
        named(rule("list", "extensions", "daemonsets"), "foo"),
        rule("educate", "core", "dolphins"),
        rule("", "core", "pirates"),
        rule("", "core", "pods"),
        rule("create", "core", "pods"),
    ],
    Some(vec![
        rule("create delete", "extensions", "daemonsets"),
        named(rule("patch", "extensions", "daemonsets"), "core"),
        named(rule("get list", "extensions", "daemonsets"), "foo"),
        rule("get list update patch", "core", "builds"),
        rule("educate", "core", "dolphins"),
        rule("", "core", "pirates"),
        rule("create", "core", "pods"),
    ])
)]
#[case::complex_multi_group(
    vec![rule("get", "core builds.openshift.io", "builds"), rule("list", "core builds.openshift.io", "builds")],
    None
)]
#[case::complex_multi_resource(
    vec![rule("get", "core", "builds images"), rule("list", "core", "builds images")],
    None
)]
#[case::complex_named_resource(
    vec![named(rule("get", "core", "builds"), "mybuild"), named(rule("list", "core", "builds"), "mybuild2")],
    None
)]
#[case::complex_non_resource(
    vec![and_url(rule("get", "core", "builds"), "/"), and_url(rule("get", "core", "builds"), "/foo")],
    None
)]
fn simple_rules_that_differ_by_verb_become_one(
    #[case] rules: Vec<PolicyRule>,
    #[case] expected: Option<Vec<PolicyRule>>,
) {
    let mut compacted = compact(&rules);
    assert_eq!(covers(&compacted, &rules), Ok(()));
    assert_eq!(covers(&rules, &compacted), Ok(()));
    let mut expected = expected.unwrap_or(rules);
    compacted.sort();
    expected.sort();
    assert_eq!(compacted, expected);
}

/// `TestIsSimpleResourceRule` of the same file: a simple rule goes into a rule
/// with its group, resource and name, another one is left alone even with
/// itself.
#[rstest]
#[case::simple_no_verbs(rule("", "core", "builds"), Some(rule("x", "core", "builds")))]
#[case::simple_one_verb(rule("get", "core", "builds"), Some(rule("x", "core", "builds")))]
#[case::simple_one_empty_resource_name(
    named(rule("get", "core", "builds"), "core"),
    Some(named(rule("x", "core", "builds"), "core"))
)]
#[case::simple_one_resource_name(
    named(rule("get", "core", "builds"), "foo"),
    Some(named(rule("x", "core", "builds"), "foo"))
)]
#[case::simple_multi_verb(rule("get list", "core", "builds"), Some(rule("x", "core", "builds")))]
#[case::complex_empty(PolicyRule::default(), None)]
#[case::complex_no_group(rule("get", "", "builds"), None)]
#[case::complex_multi_group(rule("get", "a b", "builds"), None)]
#[case::complex_no_resource(rule("get", "core", ""), None)]
#[case::complex_multi_resource(rule("get", "core", "builds images"), None)]
#[case::complex_resource_names(named(rule("get", "core", "builds"), "foo bar"), None)]
#[case::complex_non_resource_urls(and_url(rule("get", "core", "builds"), "/"), None)]
fn a_simple_rule_has_one_group_one_resource_and_one_name_at_most(
    #[case] given: PolicyRule,
    #[case] same: Option<PolicyRule>,
) {
    match same {
        Some(same) => {
            let verbs = [same.verbs.clone(), given.verbs.clone()].concat();
            let joined = PolicyRule {
                verbs,
                ..same.clone()
            };
            assert_eq!(compact(&[same, given]), [joined]);
        }
        None => {
            let twice = [given.clone(), given];
            assert_eq!(compact(&twice), twice);
        }
    }
}
