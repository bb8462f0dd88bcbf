//! The behaviours of Kubernetes' authorizer, one table each. They are those
//! of its own unit tests (`plugin/pkg/auth/authorizer/rbac`,
//! `pkg/registry/rbac/validation`) and of what those leave open.

use crate::build::{ask, binding, named, role, rule, urls, user, words};
use kube_rbac::{
    Decision, Policy, PolicyRule, RoleRef, SubjectRef, Version, authorize, decide, resolve, rules,
    rules_for,
};
use rstest::rstest;

#[rstest]
#[case::any_verb(rule("*", "group1", "resource1"), "verb1", "group1", "resource1", true)]
#[case::any_verb(rule("*", "group1", "resource1"), "verb2", "group1", "resource1", true)]
#[case::any_verb(
    rule("*", "group1", "resource1"),
    "verb1",
    "group2",
    "resource1",
    false
)]
#[case::any_verb(
    rule("*", "group1", "resource1"),
    "verb1",
    "group1",
    "resource2",
    false
)]
#[case::any_group(rule("verb1", "*", "resource1"), "verb1", "group2", "resource1", true)]
#[case::any_group(rule("verb1", "*", "resource1"), "verb2", "group2", "resource1", false)]
#[case::any_group(rule("verb1", "*", "resource1"), "verb1", "group2", "resource2", false)]
#[case::any_group_has_the_core(rule("get", "*", "pods"), "get", "", "pods", true)]
#[case::core_is_not_any(rule("get", "core", "pods"), "get", "apps", "pods", false)]
#[case::any_resource(rule("verb1", "group1", "*"), "verb1", "group1", "resource2", true)]
#[case::any_resource_has_subresources(rule("get", "core", "*"), "get", "", "pods/log", true)]
#[case::any_resource(rule("verb1", "group1", "*"), "verb1", "group2", "resource2", false)]
#[case::lists_are_multiplied(rule("v1 v2", "g1 g2", "r1 r2"), "v2", "g1", "r2", true)]
#[case::lists_are_multiplied(rule("v1 v2", "g1 g2", "r1 r2"), "v1", "g2", "r1", true)]
#[case::lists_are_multiplied(rule("v1 v2", "g1 g2", "r1 r2"), "v3", "g1", "r1", false)]
#[case::subresource(rule("*", "*", "pods/status"), "get", "", "pods/status", true)]
#[case::subresource(rule("*", "*", "pods/status"), "get", "", "pods/log", false)]
#[case::subresource(rule("*", "*", "pods/status"), "get", "", "jobs/status", false)]
#[case::subresource_is_not_resource(rule("*", "*", "pods/status"), "get", "", "pods", false)]
#[case::resource_is_not_subresource(rule("*", "*", "pods"), "get", "", "pods/status", false)]
#[case::any_resources_subresource(rule("*", "*", "*/scale"), "get", "", "anything/scale", true)]
#[case::any_resources_subresource(rule("*", "*", "*/scale"), "get", "", "pods/status", false)]
#[case::any_resources_subresource(rule("*", "*", "*/scale"), "get", "", "scale", false)]
#[case::no_wildcard_after_the_slash(rule("*", "*", "pods/*"), "get", "", "pods/log", false)]
#[case::no_wildcard_within(rule("*", "*", "po*"), "get", "", "pods", false)]
#[case::verbs_have_case(rule("get", "*", "*"), "GET", "", "pods", false)]
#[case::no_verbs(rule("", "*", "*"), "get", "", "pods", false)]
#[case::no_groups(rule("*", "", "*"), "get", "", "pods", false)]
#[case::urls_are_no_resources(urls("*", "*"), "get", "", "pods", false)]
fn a_rule_allows_resources(
    #[case] rule: PolicyRule,
    #[case] verb: &str,
    #[case] group: &str,
    #[case] resource: &str,
    #[case] expected: bool,
) {
    let request = ask(user("u", &[]), verb, group, resource, "", "");
    assert_eq!(rules::allows(&rule, &request), expected);
}

#[rstest]
#[case::any(urls("get", "*"), "get", "/foo/bar/one", true)]
#[case::any_path_not_any_verb(urls("get", "*"), "put", "/foo", false)]
#[case::exact(urls("*", "/foo /foo/bar/one"), "put", "/foo/bar/one", true)]
#[case::exact(urls("*", "/foo /foo/bar/one"), "put", "/foo/bar", false)]
#[case::below(urls("get", "/foo/*"), "get", "/foo/bar/one", true)]
#[case::below_is_not_itself(urls("get", "/foo/*"), "get", "/foo", false)]
#[case::below_with_nothing(urls("get", "/foo/*"), "get", "/foo/", true)]
#[case::below_another(urls("get", "/foo/*"), "get", "/notfoo/bar", false)]
#[case::prefix(urls("get", "/foo*"), "get", "/foobar", true)]
#[case::many_stars_are_one(urls("get", "/foo**"), "get", "/foobar", true)]
#[case::a_star_within_is_none(urls("get", "/foo/*/one"), "get", "/foo/bar/one", false)]
#[case::a_star_asked_for(urls("get", "/foo/*/one"), "get", "/foo/*/one", true)]
#[case::resources_are_no_urls(rule("*", "*", "*"), "get", "/version", false)]
fn a_rule_allows_paths(
    #[case] rule: PolicyRule,
    #[case] verb: &str,
    #[case] path: &str,
    #[case] expected: bool,
) {
    assert_eq!(
        rules::allows(&rule, &ask(user("u", &[]), verb, "", path, "", "")),
        expected
    );
}

#[rstest]
#[case::of_the_list("web", "get", "web", true)]
#[case::not_of_the_list("web db", "get", "other", false)]
#[case::a_list_has_no_name("web", "list", "", false)]
#[case::a_star_is_a_name("*", "get", "web", false)]
#[case::a_star_is_a_name("*", "get", "*", true)]
fn resource_names_restrict(
    #[case] names: &str,
    #[case] verb: &str,
    #[case] name: &str,
    #[case] expected: bool,
) {
    let rule = named(rule("*", "*", "*"), names);
    assert_eq!(
        rules::allows(&rule, &ask(user("u", &[]), verb, "", "pods", name, "")),
        expected
    );
}

fn masters() -> SubjectRef {
    SubjectRef::group("system:authenticated")
}

#[rstest]
#[case::the_user(vec![SubjectRef::user("foobar")], None, "foobar", "", Some(0))]
#[case::the_second(vec![SubjectRef::user("barfoo"), SubjectRef::user("foobar")], None, "foobar", "", Some(1))]
#[case::nobody(vec![SubjectRef::user("barfoo"), SubjectRef::user("foobar")], None, "zimzam", "", None)]
#[case::the_group(vec![SubjectRef::user("barfoo"), SubjectRef::group("foobar")], None, "zimzam", "foobar", Some(1))]
#[case::the_group_in_a_namespace(vec![SubjectRef::group("foobar")], Some("ns"), "zimzam", "foobar", Some(0))]
#[case::a_user_is_no_group(vec![SubjectRef::group("foobar")], None, "foobar", "", None)]
#[case::a_group_is_no_user(vec![SubjectRef::user("foobar")], None, "zimzam", "foobar", None)]
#[case::the_first_that_applies(vec![SubjectRef::user("x"), SubjectRef::group("g"), SubjectRef::user("u")], None, "u", "g", Some(1))]
#[case::a_service_account(vec![SubjectRef::service_account("kube-system", "default")], Some("ns"), "system:serviceaccount:kube-system:default", "", Some(0))]
#[case::a_service_account_everywhere(vec![SubjectRef::service_account("kube-system", "default")], None, "system:serviceaccount:kube-system:default", "", Some(0))]
#[case::a_service_account_of_the_bindings_namespace(vec![SubjectRef::service_account("", "default")], Some("ns"), "system:serviceaccount:ns:default", "", Some(0))]
#[case::a_service_account_of_another_namespace(vec![SubjectRef::service_account("", "default")], Some("ns"), "system:serviceaccount:other:default", "", None)]
#[case::a_service_account_of_no_namespace(vec![SubjectRef::service_account("", "default")], None, "system:serviceaccount::default", "", None)]
#[case::a_service_account_as_a_user(vec![SubjectRef::user("system:serviceaccount:ns:default")], None, "system:serviceaccount:ns:default", "", Some(0))]
#[case::a_star_is_a_name(vec![SubjectRef::user("*")], None, "foobar", "", None)]
#[case::a_star_is_a_name(vec![SubjectRef::user("*")], None, "*", "", Some(0))]
#[case::both_system_groups(vec![masters(), SubjectRef::group("system:unauthenticated")], None, "u", "system:authenticated", Some(0))]
#[case::both_system_groups(vec![masters(), SubjectRef::group("system:unauthenticated")], None, "system:anonymous", "system:unauthenticated", Some(1))]
#[case::an_unknown_kind(vec![SubjectRef { kind: "Robot".into(), ..SubjectRef::user("u") }], None, "u", "u", None)]
#[case::the_api_group_is_not_looked_at(vec![SubjectRef { api_group: "wrong".into(), ..SubjectRef::user("u") }], None, "u", "", Some(0))]
fn a_subject_applies(
    #[case] subjects: Vec<SubjectRef>,
    #[case] namespace: Option<&str>,
    #[case] name: &str,
    #[case] groups: &str,
    #[case] expected: Option<usize>,
) {
    let mut policy = Policy::new();
    policy.put_role(role(None, "all", vec![rule("*", "*", "*")]));
    policy.put_binding(binding(
        namespace,
        "b",
        RoleRef::cluster_role("all"),
        subjects,
    ));
    let groups = words(groups);
    let request = ask(user(name, &groups), "get", "", "pods", "", "ns");
    let path = kube_rbac::explain(&policy, &request).path;
    assert_eq!(path.map(|path| path.subject_index), expected);
}

/// The four scenarios of Kubernetes' TestAuthorizer.
#[rstest]
#[case::bound_in_a_namespace("admin", "", "get", "", "Pods", "ns1", true)]
#[case::bound_in_a_namespace("joe", "group1 admins", "watch", "", "Foobar", "ns1", true)]
#[case::bound_in_a_namespace("admin", "admins", "get", "", "Pods", "ns2", false)]
#[case::bound_in_a_namespace("admin", "admins", "get", "", "Nodes", "", false)]
#[case::bound_in_a_namespace("joe", "group1", "get", "", "Pods", "ns1", false)]
#[case::a_path("foo", "", "get", "", "/apis", "", true)]
#[case::a_path("", "bar", "get", "", "/apis", "", true)]
#[case::a_path("foo", "", "watch", "", "/apis", "", false)]
#[case::a_path("foo", "", "get", "", "/api/v1", "", false)]
#[case::paths_below("prefixed", "", "get", "", "/apis/v1/foobar", "", true)]
#[case::paths_below("prefixed", "", "get", "", "/apis", "", false)]
#[case::a_subresource("scaler", "", "get", "", "deployments/scale", "ns1", true)]
#[case::a_subresource("scaler", "", "get", "", "pods/status", "ns1", true)]
#[case::a_subresource("scaler", "", "get", "", "pods", "ns1", false)]
#[case::a_resource_only("podder", "", "get", "", "pods", "ns1", true)]
#[case::a_resource_only("podder", "", "get", "", "pods/status", "ns1", false)]
#[case::urls_in_a_namespace_are_inert("local", "", "get", "", "/metrics", "", false)]
fn requests_are_decided(
    #[case] name: &str,
    #[case] groups: &str,
    #[case] verb: &str,
    #[case] group: &str,
    #[case] what: &str,
    #[case] namespace: &str,
    #[case] expected: bool,
) {
    let users = |names: &str| {
        words(names)
            .into_iter()
            .map(SubjectRef::user)
            .collect::<Vec<_>>()
    };
    let mut policy = Policy::new();
    let mut bind = |namespace, role_name: &str, rules, mut subjects: Vec<SubjectRef>, group| {
        policy.put_role(role(None, role_name, rules));
        subjects.push(SubjectRef::group(group));
        let role_ref = RoleRef::cluster_role(role_name);
        policy.put_binding(binding(namespace, role_name, role_ref, subjects));
    };
    let local = Some("ns1");
    bind(
        local,
        "admin",
        vec![rule("*", "*", "*")],
        users("admin"),
        "admins",
    );
    bind(
        None,
        "getter",
        vec![urls("get", "/apis")],
        users("foo"),
        "bar",
    );
    bind(
        None,
        "prefix",
        vec![urls("get", "/apis/*")],
        users("prefixed"),
        "-",
    );
    let scale = vec![rule("*", "*", "pods/status"), rule("*", "*", "*/scale")];
    bind(local, "scaler", scale, users("scaler"), "-");
    bind(
        local,
        "podder",
        vec![rule("*", "*", "pods")],
        users("podder"),
        "-",
    );
    bind(
        local,
        "local",
        vec![urls("get", "/metrics")],
        users("local"),
        "-",
    );
    let groups = words(groups);
    let request = ask(user(name, &groups), verb, group, what, "", namespace);
    assert_eq!(decide(&policy, &request).allowed, expected);
}

fn policy_for_reasons() -> Policy {
    let mut policy = Policy::new();
    policy.put_role(role(None, "y", vec![rule("get", "*", "pods")]));
    policy.put_role(role(Some("dev"), "r", vec![rule("get", "*", "secrets")]));
    let group = vec![SubjectRef::group("z \"1\"")];
    policy.put_binding(binding(None, "x", RoleRef::cluster_role("y"), group));
    let accounts = vec![
        SubjectRef::service_account("", "a"),
        SubjectRef::service_account("ci", "b"),
    ];
    policy.put_binding(binding(Some("dev"), "local", RoleRef::role("r"), accounts));
    let lost = |name: &str, role_ref, subject| binding(None, name, role_ref, vec![subject]);
    let unlucky = || SubjectRef::user("unlucky");
    policy.put_binding(lost("l1", RoleRef::cluster_role("gone"), unlucky()));
    policy.put_binding(lost(
        "l2",
        RoleRef::cluster_role("gone"),
        SubjectRef::user("once"),
    ));
    policy.put_binding(lost("l3", RoleRef::cluster_role("gone"), unlucky()));
    let role_ref = RoleRef {
        kind: "Robot".into(),
        ..RoleRef::role("r")
    };
    policy.put_binding(binding(Some("dev"), "l4", role_ref, vec![unlucky()]));
    policy.put_binding(binding(
        Some("dev"),
        "l5",
        RoleRef::role("gone"),
        vec![unlucky()],
    ));
    policy
}

#[rstest]
#[case::by_a_group(
    "u",
    "z \"1\"",
    "pods",
    "dev",
    true,
    r#"RBAC: allowed by ClusterRoleBinding "x" of ClusterRole "y" to Group "z \"1\"""#
)]
#[case::by_the_name_and_then_the_namespace(
    "system:serviceaccount:dev:a",
    "",
    "secrets",
    "dev",
    true,
    r#"RBAC: allowed by RoleBinding "local/dev" of Role "r" to ServiceAccount "a/dev""#
)]
#[case::of_another_namespace(
    "system:serviceaccount:ci:b",
    "",
    "secrets",
    "dev",
    true,
    r#"RBAC: allowed by RoleBinding "local/dev" of Role "r" to ServiceAccount "b/ci""#
)]
#[case::silence("nobody", "", "pods", "dev", false, "")]
#[case::a_role_that_is_gone(
    "once",
    "",
    "pods",
    "",
    false,
    r#"RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found"#
)]
#[case::the_same_fault_is_said_once(
    "unlucky",
    "",
    "pods",
    "",
    false,
    r#"RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found"#
)]
#[case::several_faults(
    "unlucky", "", "pods", "dev", false,
    r#"RBAC: [clusterrole.rbac.authorization.k8s.io "gone" not found, unsupported role reference kind: "Robot", role.rbac.authorization.k8s.io "gone" not found]"#
)]
fn the_reason_is_kubernetes_own(
    #[case] name: &str,
    #[case] group: &str,
    #[case] resource: &str,
    #[case] namespace: &str,
    #[case] allowed: bool,
    #[case] reason: &str,
) {
    let groups = [group.to_owned()];
    let request = ask(user(name, &groups), "get", "", resource, "", namespace);
    let expected = Decision {
        allowed,
        reason: reason.into(),
    };
    assert_eq!(decide(&policy_for_reasons(), &request), expected);
}

#[test]
fn a_rule_found_after_a_missing_role_allows_without_complaint() {
    let mut policy = policy_for_reasons();
    let unlucky = vec![SubjectRef::user("unlucky")];
    policy.put_binding(binding(None, "z", RoleRef::cluster_role("y"), unlucky));
    let decision = decide(
        &policy,
        &ask(user("unlucky", &[]), "get", "", "pods", "", "dev"),
    );
    assert!(decision.allowed && decision.reason.starts_with("RBAC: allowed by"));
}

#[test]
fn of_several_bindings_the_first_by_name_is_named_and_cluster_wide_ones_come_first() {
    let mut policy = Policy::new();
    policy.put_role(role(None, "y", vec![rule("*", "*", "*")]));
    let subjects = || vec![SubjectRef::group("g"), SubjectRef::user("u")];
    for (namespace, name) in [(Some("dev"), "a"), (None, "c"), (None, "b")] {
        policy.put_binding(binding(
            namespace,
            name,
            RoleRef::cluster_role("y"),
            subjects(),
        ));
    }
    let groups = words("other g");
    let request = ask(user("u", &groups), "get", "", "pods", "", "dev");
    let reason = |policy: &Policy| decide(policy, &request).reason;
    assert!(reason(&policy).contains(r#"ClusterRoleBinding "b" of ClusterRole "y" to Group "g""#));
    policy.remove_binding(None, "b");
    policy.remove_binding(None, "c");
    assert!(reason(&policy).contains(r#"RoleBinding "a/dev" of ClusterRole "y" to Group "g""#));
    policy.remove_binding(Some("dev"), "a");
    assert_eq!(decide(&policy, &request), Decision::default());
}

#[test]
fn a_binding_put_again_forgets_its_old_subjects() {
    let mut policy = Policy::new();
    policy.put_role(role(None, "y", vec![rule("*", "*", "*")]));
    let of = |name: &str| {
        let subjects = vec![SubjectRef::user(name), SubjectRef::user(name)];
        binding(None, "b", RoleRef::cluster_role("y"), subjects)
    };
    let may = |policy: &Policy, name| {
        decide(policy, &ask(user(name, &[]), "get", "", "pods", "", "")).allowed
    };
    policy.put_binding(of("first"));
    let before = policy.clone();
    policy.put_binding(of("second"));
    assert!(!may(&policy, "first") && may(&policy, "second"));
    assert!(may(&before, "first") && !may(&before, "second"));
}

#[test]
fn more_groups_than_usual_are_all_asked() {
    let mut policy = Policy::new();
    policy.put_role(role(None, "y", vec![rule("get", "*", "*")]));
    policy.put_role(role(None, "n", vec![rule("list", "*", "*")]));
    let groups: Vec<String> = (0..20).map(|i| format!("g{i}")).collect();
    for (i, group) in groups.iter().enumerate() {
        let role_ref = RoleRef::cluster_role(if i == 19 { "y" } else { "n" });
        let subjects = vec![SubjectRef::group(group.as_str())];
        policy.put_binding(binding(None, &format!("b{i:02}"), role_ref, subjects));
    }
    assert!(decide(&policy, &ask(user("u", &groups), "get", "", "pods", "", "")).allowed);
    assert!(
        !decide(
            &policy,
            &ask(user("u", &groups[..19]), "get", "", "pods", "", "")
        )
        .allowed
    );
}

#[test]
fn the_union_lets_masters_through_and_marks_whose_reason_it_is() {
    let policy = policy_for_reasons();
    let groups = words("system:masters");
    let privileged = ask(user("root", &groups), "anything", "x", "y", "", "");
    let expected = Decision {
        allowed: true,
        reason: String::new(),
    };
    assert_eq!(authorize(&policy, &privileged, Version::V1_37), expected);
    assert!(!decide(&policy, &privileged).allowed);

    let denied = ask(user("once", &[]), "get", "", "pods", "", "");
    let reason = authorize(&policy, &denied, Version::V1_37).reason;
    assert_eq!(
        reason,
        r#"rbac: RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found"#
    );
    let nobody = ask(user("nobody", &[]), "get", "", "pods", "", "");
    assert_eq!(
        authorize(&policy, &nobody, Version::V1_37),
        Decision::default()
    );
    let groups = words("none");
    let z = ["z \"1\"".to_owned()];
    let allowed = ask(user("u", &z), "get", "", "pods", "", "");
    assert!(
        authorize(&policy, &allowed, Version::V1_37)
            .reason
            .starts_with("RBAC: allowed")
    );
    assert!(
        !authorize(
            &policy,
            &ask(user("u", &groups), "get", "", "pods", "", ""),
            Version::V1_37
        )
        .allowed
    );
}

#[test]
fn rules_for_a_user_are_those_of_the_cluster_and_of_the_namespace() {
    let mut policy = policy_for_reasons();
    let me = || vec![SubjectRef::user("me")];
    policy.put_role(role(
        None,
        "both",
        vec![urls("get", "/x"), rule("get", "*", "pods")],
    ));
    policy.put_binding(binding(None, "m", RoleRef::cluster_role("both"), me()));
    policy.put_binding(binding(None, "n", RoleRef::cluster_role("both"), me()));
    policy.put_binding(binding(Some("dev"), "m", RoleRef::role("r"), me()));
    policy.put_binding(binding(Some("dev"), "o", RoleRef::role("gone"), me()));
    let here = rules_for(&policy, &user("me", &[]), "dev");
    let pods = rule("get", "*", "pods");
    let expected = [pods.clone(), pods.clone(), rule("get", "*", "secrets")];
    assert_eq!(here.resource_rules, expected);
    assert_eq!(
        here.non_resource_rules,
        [urls("get", "/x"), urls("get", "/x")]
    );
    assert_eq!(
        here.errors,
        [r#"role.rbac.authorization.k8s.io "gone" not found"#]
    );
    let elsewhere = rules_for(&policy, &user("me", &[]), "");
    assert_eq!(elsewhere.resource_rules, [pods.clone(), pods]);
    assert!(elsewhere.errors.is_empty());
    let (none, _) = resolve::all_rules(&policy, &user("", &[]), "dev");
    assert!(none.is_empty());
}

/// No API server stores such a rule, but a file may have it; each list gets
/// the half that it is about.
#[test]
fn a_rule_of_both_kinds_is_listed_in_halves() {
    let mut policy = Policy::new();
    let both = PolicyRule {
        non_resource_urls: vec!["/x".to_owned()],
        ..rule("get", "*", "pods")
    };
    policy.put_role(role(None, "both", vec![both]));
    let me = vec![SubjectRef::user("me")];
    policy.put_binding(binding(None, "m", RoleRef::cluster_role("both"), me));
    let rules = rules_for(&policy, &user("me", &[]), "");
    assert_eq!(rules.resource_rules, [rule("get", "*", "pods")]);
    assert_eq!(rules.non_resource_rules, [urls("get", "/x")]);
}
