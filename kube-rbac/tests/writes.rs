//! What the API server asks before it stores a role or a binding, and what is
//! done with roles afterwards. The tables are those of Kubernetes' own unit
//! tests (`component-helpers/auth/rbac/validation`, `pkg/registry/rbac`,
//! `pkg/controller/clusterroleaggregation`) and of what those leave open.

use crate::build::{binding, named, role, rule, urls, user, words};
use kube_rbac::escalation::{
    Refusal, RoleWrite, binding_write, compact, compact_string, confirm_no_escalation, covers,
    role_write,
};
use kube_rbac::{
    Binding, LabelSelector, Policy, PolicyRule, Requirement, Role, RoleRef, SubjectRef, Version,
    aggregation,
};
use rstest::rstest;

#[rstest]
#[case::the_same(vec![rule("get", "core", "pods")], rule("get", "core", "pods"), "")]
#[case::a_subresource_of_any(vec![rule("get", "core", "*/scale")], rule("get", "core", "foo/scale"), "")]
#[case::another_subresource_of_any(vec![rule("get", "core", "*/scale")], rule("get", "core", "foo/log"), "get core foo/log")]
#[case::any_subresource_is_any_resource(vec![rule("get", "core", "*/scale")], rule("get", "core", "foo"), "get core foo")]
#[case::a_resource_is_no_subresource(vec![rule("get", "core", "pods")], rule("get", "core", "pods/log"), "get core pods/log")]
#[case::several_rules_together(vec![rule("get", "core", "a"), rule("list", "core", "a"), rule("get list", "core", "b")], rule("get list", "core", "a b"), "")]
#[case::several_groups(vec![rule("get", "g1 g2", "a")], rule("get", "g1", "a"), "")]
#[case::a_group_too_many(vec![rule("get", "g1", "a")], rule("get", "g1 g2", "a"), "get g2 a")]
#[case::one_of_the_product(vec![rule("get", "core", "a b"), rule("list", "core", "a")], rule("get list", "core", "a b"), "list core b")]
#[case::any_group(vec![rule("get", "*", "a")], rule("get", "g1 g2", "a"), "")]
#[case::groups_are_not_any(vec![rule("get", "g1 g2", "a")], rule("get", "*", "a"), "get * a")]
#[case::any_group_is_any(vec![rule("get", "*", "a")], rule("get", "*", "a"), "")]
#[case::any_resource(vec![rule("get", "core", "*")], rule("get", "core", "a b/c"), "")]
#[case::resources_are_not_any(vec![rule("get", "core", "a b")], rule("get", "core", "*"), "get core *")]
#[case::any_verb(vec![rule("*", "core", "a")], rule("get list", "core", "a"), "")]
#[case::verbs_are_not_any(vec![rule("get list", "core", "a")], rule("*", "core", "a"), "* core a")]
#[case::any_verb_is_any(vec![rule("*", "core", "a")], rule("*", "core", "a"), "")]
#[case::all_covers_a_name(vec![rule("get", "core", "a")], named(rule("get", "core", "a"), "x"), "")]
#[case::a_name_does_not_cover_all(vec![named(rule("get", "core", "a"), "x")], rule("get", "core", "a"), "get core a")]
#[case::names(vec![named(rule("get", "core", "a"), "x y")], named(rule("get", "core", "a"), "y"), "")]
#[case::another_name(vec![named(rule("get", "core", "a"), "x")], named(rule("get", "core", "a"), "x y"), "get core a y")]
#[case::url(vec![urls("get", "/foo /bar")], urls("get", "/bar"), "")]
#[case::another_url(vec![urls("get", "/foo")], urls("get", "/bar"), "get /bar")]
#[case::every_url(vec![urls("get", "*")], urls("get", "/foo /bar/*"), "")]
#[case::a_url_is_not_every(vec![urls("get", "/foo")], urls("get", "*"), "get *")]
#[case::urls_below(vec![urls("get", "/foo/*")], urls("get", "/foo/bar /foo/bar/*"), "")]
#[case::urls_below_are_not_above(vec![urls("get", "/foo/*")], urls("get", "/foo"), "get /foo")]
#[case::urls_below_are_not_a_prefix(vec![urls("get", "/foo/*")], urls("get", "/foo*"), "get /foo*")]
#[case::a_star_after_the_prefix(vec![urls("get", "/foo*")], urls("get", "/foobar /foo/*"), "")]
#[case::urls_with_names_cover_nothing(vec![named(urls("get", "/foo"), "x")], urls("get", "/foo"), "get /foo")]
#[case::resources_are_no_urls(vec![rule("*", "*", "*")], urls("get", "/foo"), "get /foo")]
#[case::urls_are_no_resources(vec![urls("*", "*")], rule("get", "core", "a"), "get core a")]
#[case::nothing_is_covered(vec![], rule("", "", ""), "")]
fn rights_are_covered(
    #[case] owner: Vec<PolicyRule>,
    #[case] requested: PolicyRule,
    #[case] missing: &str,
) {
    let expected: Vec<PolicyRule> = match words(missing).as_slice() {
        [] => vec![],
        [verb, url] => vec![urls(verb, url)],
        [verb, group, resource, names @ ..] => {
            let group = if group.is_empty() { "core" } else { group };
            vec![named(rule(verb, group, resource), &names.join(" "))]
        }
        [_] => unreachable!("a verb alone is no rule"),
    };
    assert_eq!(
        covers(&owner, &[requested]).err().unwrap_or_default(),
        expected
    );
}

#[rstest]
#[case::verbs_are_joined(vec![rule("get", "core", "a"), rule("list", "core", "a")], vec![rule("get list", "core", "a")])]
#[case::not_over_groups(vec![rule("get", "g1", "a"), rule("list", "g2", "a")], vec![rule("get", "g1", "a"), rule("list", "g2", "a")])]
#[case::by_name(vec![named(rule("get", "core", "a"), "x"), rule("get", "core", "a"), named(rule("list", "core", "a"), "x")], vec![named(rule("get list", "core", "a"), "x"), rule("get", "core", "a")])]
#[case::not_of_several_names(vec![named(rule("get", "core", "a"), "x y"), named(rule("list", "core", "a"), "x y")], vec![named(rule("get", "core", "a"), "x y"), named(rule("list", "core", "a"), "x y")])]
#[case::urls_come_first(vec![rule("get", "core", "a"), urls("get", "/x"), urls("put", "/x")], vec![urls("get", "/x"), urls("put", "/x"), rule("get", "core", "a")])]
fn missing_rules_are_compacted(#[case] rules: Vec<PolicyRule>, #[case] expected: Vec<PolicyRule>) {
    assert_eq!(compact(&rules), expected);
}

#[test]
fn a_rule_is_printed_with_its_fields_in_kubernetes_order() {
    let rule = PolicyRule {
        non_resource_urls: words("/x"),
        ..named(rule("get", "core", "a"), "n")
    };
    assert_eq!(
        compact_string(&rule),
        r#"{APIGroups:[""], Resources:["a"], NonResourceURLs:["/x"], ResourceNames:["n"], Verbs:["get"]}"#
    );
    assert_eq!(compact_string(&PolicyRule::default()), "{}");
}

/// `alice` may view; `steve` may escalate, `bo` bind the role `view`, both
/// only in `dev` when bound there.
fn policy() -> Policy {
    let mut policy = Policy::new();
    let view = rule("get list", "core", "pods");
    policy.put_role(role(None, "view", vec![view]));
    policy.put_role(role(None, "all", vec![rule("*", "*", "*"), urls("*", "*")]));
    let roles = "clusterroles roles";
    let escalate = rule("escalate", "rbac.authorization.k8s.io", roles);
    policy.put_role(role(None, "escalate", vec![escalate]));
    let bind = named(
        rule("bind", "rbac.authorization.k8s.io", "clusterroles"),
        "view all",
    );
    policy.put_role(role(None, "bind", vec![bind]));
    let mut give = |namespace, name: &str, who: &str| {
        let subjects = vec![SubjectRef::user(who)];
        policy.put_binding(binding(
            namespace,
            who,
            RoleRef::cluster_role(name),
            subjects,
        ));
    };
    give(None, "view", "alice");
    give(None, "escalate", "steve");
    give(None, "bind", "bo");
    give(Some("dev"), "view", "local-alice");
    give(Some("dev"), "escalate", "local-steve");
    give(Some("dev"), "bind", "local-bo");
    give(None, "all", "root");
    give(None, "gone", "unlucky");
    policy
}

const ATTEMPT: &str = "is attempting to grant RBAC permissions not currently held";

#[rstest]
#[case::masters("anyone", "system:masters", None, "get list", true)]
#[case::who_has_the_rules("alice", "", None, "get list", true)]
#[case::who_has_more("root", "", Some("dev"), "get list", true)]
#[case::who_has_less("alice", "", None, "get delete", false)]
#[case::who_has_nothing("bob", "", None, "get", false)]
#[case::nothing_is_granted("bob", "", None, "", true)]
#[case::who_may_escalate("steve", "", None, "get delete", true)]
#[case::who_may_escalate("steve", "", Some("dev"), "get delete", true)]
#[case::who_may_escalate_there("local-steve", "", Some("dev"), "get", true)]
#[case::who_may_escalate_elsewhere("local-steve", "", Some("prod"), "get", false)]
#[case::who_may_escalate_elsewhere("local-steve", "", None, "get", false)]
#[case::who_has_the_rules_there("local-alice", "", Some("dev"), "get list", true)]
#[case::who_has_the_rules_elsewhere("local-alice", "", Some("prod"), "get list", false)]
#[case::who_has_the_rules_elsewhere("local-alice", "", None, "get list", false)]
fn a_role_is_written_by(
    #[case] name: &str,
    #[case] group: &str,
    #[case] namespace: Option<&str>,
    #[case] verbs: &str,
    #[case] expected: bool,
) {
    let groups = words(group);
    let new = role(namespace, "new", vec![rule(verbs, "core", "pods")]);
    let write = RoleWrite {
        user: user(name, &groups),
        request_name: "",
        new: &new,
        old: None,
    };
    let result = role_write(&policy(), Version::V1_37, &write);
    assert_eq!(result.is_ok(), expected, "{result:?}");
}

#[rstest]
#[case::masters("anyone", "system:masters", None, "gone", Ok(()))]
#[case::who_may_bind("bo", "", None, "all", Ok(()))]
#[case::who_may_bind("bo", "", Some("prod"), "all", Ok(()))]
#[case::who_may_bind_others("bo", "", None, "escalate", Err(()))]
#[case::who_may_bind_there("local-bo", "", Some("dev"), "all", Ok(()))]
#[case::who_may_bind_elsewhere("local-bo", "", Some("prod"), "all", Err(()))]
#[case::who_may_bind_elsewhere("local-bo", "", None, "all", Err(()))]
#[case::who_has_the_rules("alice", "", Some("dev"), "view", Ok(()))]
#[case::who_has_less("alice", "", Some("dev"), "all", Err(()))]
#[case::who_has_the_rules_there("local-alice", "", Some("dev"), "view", Ok(()))]
#[case::who_has_the_rules_there("local-alice", "", None, "view", Err(()))]
fn a_binding_is_written_by(
    #[case] name: &str,
    #[case] group: &str,
    #[case] namespace: Option<&str>,
    #[case] role_name: &str,
    #[case] expected: Result<(), ()>,
) {
    let groups = words(group);
    let new = binding(namespace, "new", RoleRef::cluster_role(role_name), vec![]);
    let result = binding_write(&policy(), Version::V1_37, &user(name, &groups), &new);
    match &result {
        Err(Refusal::Forbidden(text)) => assert!(text.contains(ATTEMPT), "{text}"),
        other => assert_eq!(*other, Ok(())),
    }
    assert_eq!(result.is_ok(), expected.is_ok());
}

#[test]
fn a_role_that_is_not_there_can_be_bound_only_by_who_may_bind_anything() {
    let try_bind = |name, role_ref: RoleRef, namespace| {
        let new = binding(namespace, "new", role_ref, vec![]);
        binding_write(&policy(), Version::V1_37, &user(name, &[]), &new)
    };
    assert_eq!(
        try_bind("root", RoleRef::cluster_role("gone"), None),
        Ok(())
    );
    let not_found = |resource| {
        Err(Refusal::RoleNotFound {
            resource,
            name: "gone".to_owned(),
        })
    };
    assert_eq!(
        try_bind("alice", RoleRef::cluster_role("gone"), None),
        not_found("clusterroles")
    );
    assert_eq!(
        try_bind("alice", RoleRef::role("gone"), Some("dev")),
        not_found("roles")
    );
    let odd = RoleRef {
        kind: "Robot".into(),
        ..RoleRef::role("x")
    };
    assert_eq!(
        try_bind("root", odd, None),
        Err(Refusal::Other(
            r#"unsupported role reference kind: "Robot""#.into()
        ))
    );
}

#[test]
fn an_aggregation_rule_needs_every_right() {
    let aggregated = |selectors| Role {
        aggregation: Some(selectors),
        ..role(None, "new", vec![])
    };
    let any = || vec![LabelSelector::default()];
    let write = |name, new: &Role, old: Option<&Role>| {
        let write = RoleWrite {
            user: user(name, &[]),
            request_name: "new",
            new,
            old,
        };
        role_write(&policy(), Version::V1_37, &write)
    };
    let refused =
        Refusal::Forbidden("must have cluster-admin privileges to use the aggregationRule".into());
    let plain = role(None, "new", vec![]);
    assert_eq!(
        write("alice", &aggregated(any()), None),
        Err(refused.clone())
    );
    assert_eq!(
        write("alice", &plain, Some(&aggregated(any()))),
        Err(refused)
    );
    assert_eq!(write("alice", &aggregated(vec![]), None), Ok(()));
    assert_eq!(write("alice", &plain, Some(&plain)), Ok(()));
    assert_eq!(write("root", &aggregated(any()), None), Ok(()));
    assert_eq!(write("steve", &aggregated(any()), None), Ok(()));
}

#[test]
fn the_refusal_names_the_user_the_groups_and_what_is_missing_sorted() {
    let groups = words("g1 system:authenticated");
    let rules = [
        rule("get delete list", "apps core", "pods"),
        named(rule("get", "core", "secrets"), "b a"),
        urls("get", "/metrics"),
    ];
    let result = confirm_no_escalation(&policy(), &user("alice", &groups), "", &rules);
    let expected = [
        r#"user "alice" (groups=["g1" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:"#,
        r#"{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}"#,
        r#"{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get"]}"#,
        r#"{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}"#,
        r#"{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "delete" "list"]}"#,
        r#"{NonResourceURLs:["/metrics"], Verbs:["get"]}"#,
    ];
    assert_eq!(result.unwrap_err(), expected.join("\n"));
}

#[test]
fn the_refusal_tells_of_roles_that_were_not_found_by_the_plural() {
    let rules = [rule("get", "core", "pods")];
    let text = confirm_no_escalation(&policy(), &user("unlucky", &[]), "", &rules).unwrap_err();
    let end = r#"; resolution errors: [clusterroles.rbac.authorization.k8s.io "gone" not found]"#;
    assert!(
        text.starts_with(r#"user "unlucky" (groups=[]) is"#) && text.ends_with(end),
        "{text}"
    );
}

fn labelled(name: &str, labels: &str, rules: Vec<PolicyRule>) -> Role {
    let labels = words(labels)
        .into_iter()
        .map(|label| (label, "true".to_owned()))
        .collect();
    Role {
        labels,
        ..role(None, name, rules)
    }
}

fn selecting(name: &str, labels: &str, selected: &[&str]) -> Role {
    let selectors = selected.iter().map(|label| LabelSelector {
        match_labels: [((*label).to_owned(), "true".to_owned())].into(),
        ..LabelSelector::default()
    });
    Role {
        aggregation: Some(selectors.collect()),
        ..labelled(name, labels, vec![])
    }
}

fn rules_of(policy: &Policy, name: &str) -> Vec<PolicyRule> {
    policy.role(None, name).unwrap().rules.clone()
}

#[test]
fn aggregation_takes_rules_by_selector_and_then_by_name_each_once() {
    let (one, two, three) = (
        rule("1", "g", "r"),
        rule("2", "g", "r"),
        rule("3", "g", "r"),
    );
    let mut policy = Policy::new();
    policy.put_role(selecting("sum", "", &["second", "first"]));
    policy.put_role(labelled("b", "first", vec![one.clone()]));
    policy.put_role(labelled("c", "second", vec![three.clone(), one.clone()]));
    policy.put_role(labelled("a", "first", vec![two.clone(), three.clone()]));
    policy.put_role(labelled("other", "third", vec![rule("4", "g", "r")]));
    assert_eq!(aggregation::aggregate(&mut policy), ["sum"]);
    assert_eq!(rules_of(&policy, "sum"), [three, one, two]);
}

#[test]
fn aggregation_goes_on_until_nothing_changes() {
    let get = rule("get", "g", "r");
    let mut policy = Policy::new();
    // The names are such that each role is filled before the one it takes from.
    policy.put_role(selecting("a", "", &["to-a"]));
    policy.put_role(selecting("b", "to-a", &["to-b"]));
    policy.put_role(selecting("c", "to-b", &["to-c"]));
    policy.put_role(labelled("d", "to-c", vec![get.clone()]));
    assert_eq!(aggregation::aggregate(&mut policy), ["a", "b", "c"]);
    assert_eq!(rules_of(&policy, "a"), [get]);
    policy.remove_role(None, "d");
    assert_eq!(aggregation::aggregate(&mut policy), ["a", "b", "c"]);
    assert!(rules_of(&policy, "a").is_empty());
}

#[test]
fn an_aggregated_role_does_not_take_from_itself_and_loses_rules_of_its_own() {
    let mut policy = Policy::new();
    let own = rule("get", "g", "r");
    let role = Role {
        rules: vec![own],
        ..selecting("self", "to-self", &["to-self"])
    };
    policy.put_role(role);
    aggregation::aggregate(&mut policy);
    assert!(rules_of(&policy, "self").is_empty());
}

#[test]
fn roles_that_take_from_each_other_come_to_an_end() {
    let mut policy = Policy::new();
    policy.put_role(Role {
        rules: vec![rule("a", "g", "r")],
        ..selecting("a", "to-b", &["to-a"])
    });
    policy.put_role(Role {
        rules: vec![rule("b", "g", "r")],
        ..selecting("b", "to-a", &["to-b"])
    });
    aggregation::aggregate(&mut policy);
    assert_eq!(rules_of(&policy, "a"), rules_of(&policy, "b"));
}

#[rstest]
#[case::of_the_values("team", "In", "blue green", true)]
#[case::not_of_the_values("team", "In", "green", false)]
#[case::without_the_label("none", "In", "blue", false)]
#[case::none_of_the_values("team", "NotIn", "green", true)]
#[case::one_of_the_values("team", "NotIn", "blue", false)]
#[case::not_in_without_the_label("none", "NotIn", "blue", true)]
#[case::there("team", "Exists", "", true)]
#[case::not_there("none", "Exists", "", false)]
#[case::absent("none", "DoesNotExist", "", true)]
#[case::not_absent("team", "DoesNotExist", "", false)]
fn a_selector_selects(
    #[case] key: &str,
    #[case] operator: &str,
    #[case] values: &str,
    #[case] expected: bool,
) {
    let requirement = Requirement {
        key: key.into(),
        operator: operator.into(),
        values: words(values),
    };
    let selector = LabelSelector {
        match_expressions: vec![requirement],
        ..LabelSelector::default()
    };
    let labels = [("team".to_owned(), "blue".to_owned())].into();
    assert_eq!(selector.matches(&labels), Some(expected));
}

#[rstest]
#[case::no_values("In", "")]
#[case::values("Exists", "x")]
#[case::unknown("Like", "x")]
#[case::not_a_label("In", "-x")]
fn a_selector_that_is_not_valid_selects_nothing(#[case] operator: &str, #[case] values: &str) {
    let requirement = Requirement {
        key: "k".into(),
        operator: operator.into(),
        values: words(values),
    };
    let selector = LabelSelector {
        match_expressions: vec![requirement],
        ..LabelSelector::default()
    };
    assert_eq!(selector.matches(&[].into()), None);
}

#[test]
fn an_empty_binding_is_a_cluster_role_binding() {
    assert_eq!(Binding::default().kind(), "ClusterRoleBinding");
}
