//! The way of an allowed request, and the nearest miss of one that is not.

use crate::generator::{Made, made, request, runner};
use kube_rbac::explain::{BindingEdit, BindingName, RequestEdit, Via};
use kube_rbac::{
    Attributes, Binding, Edit, Object, OwnedAttributes, Policy, PolicyRule, Role, RoleRef,
    SubjectRef, Target, User, Version, bootstrap, decide, explain, resolve, rules,
};
use proptest::prelude::*;
use rstest::rstest;

fn policies_with_requests() -> impl Strategy<Value = (Made, Vec<OwnedAttributes>)> {
    made().prop_flat_map(|made| {
        let requests = prop::collection::vec(request(&made.policy(Version::V1_37)), 12);
        (Just(made), requests)
    })
}

#[test]
fn the_nearest_miss_applied_is_allowed_and_changes_one_thing() {
    let result = runner(11).run(&policies_with_requests(), |(made, requests)| {
        let policy = made.policy(Version::V1_37);
        for request in &requests {
            let request = request.borrow();
            let explanation = explain(&policy, &request);
            prop_assert_eq!(&explanation.decision, &decide(&policy, &request));
            prop_assert_eq!(explanation.decision.allowed, explanation.path.is_some());
            let Some(miss) = explanation.nearest_miss else {
                continue;
            };
            prop_assert!(!explanation.decision.allowed);
            let (edited, asked) = miss.edit.apply(&policy, &request);
            prop_assert!(
                decide(&edited, &asked.borrow()).allowed,
                "{}",
                miss.sentence
            );
            let kept = |b: &Binding| edited.binding(b.namespace.as_deref(), &b.name);
            let changed = policy
                .bindings()
                .filter(|old| kept(old) != Some(old))
                .count();
            prop_assert_eq!(policy.bindings().count(), edited.bindings().count());
            let requests = usize::from(asked != request.to_owned());
            prop_assert_eq!(changed + requests, 1);
        }
        Ok(())
    });
    result.unwrap();
}

#[test]
fn a_miss_is_told_wherever_another_subject_would_do() {
    let result = runner(12).run(&policies_with_requests(), |(made, requests)| {
        let policy = made.policy(Version::V1_37);
        for request in &requests {
            let request = request.borrow();
            let would_do = policy.bindings().any(|binding| {
                let reaches = binding
                    .namespace
                    .as_deref()
                    .is_none_or(|own| own == request.namespace());
                let is_default = binding.labels.contains_key(bootstrap::LABEL);
                let role = resolve::referenced_role(&policy, binding);
                let allows =
                    |role: &Role| role.rules.iter().any(|rule| rules::allows(rule, &request));
                reaches && !is_default && role.is_ok_and(allows)
            });
            let explanation = explain(&policy, &request);
            if would_do && !explanation.decision.allowed {
                prop_assert!(explanation.nearest_miss.is_some());
            }
        }
        Ok(())
    });
    result.unwrap();
}

/// One slip in the binding by which a request was allowed.
fn slip(subject: &SubjectRef, how: u8) -> Option<SubjectRef> {
    // A user name does not say where such a service account's namespace ends;
    // and nothing is like an empty name.
    let odd = |part: &str| subject.kind == "ServiceAccount" && part.contains(':');
    if subject.name.is_empty() || odd(&subject.name) || odd(&subject.namespace) {
        return None;
    }
    let named = |name: String| {
        Some(SubjectRef {
            name,
            ..subject.clone()
        })
    };
    let name = subject.name.as_str();
    match how {
        0 if name.chars().count() > 3 => named(name.chars().skip(1).collect()),
        1 if name.chars().count() > 3 => named(format!("{name}s")),
        2 => named(name.to_uppercase()),
        3 => named(format!("other:{name}")),
        4 => name
            .split_once(':')
            .and_then(|(_, rest)| named(rest.to_owned())),
        5 if subject.kind == "Group" => Some(SubjectRef::user(name)),
        5 if subject.kind == "User" => Some(SubjectRef::group(name)),
        6 if subject.kind == "ServiceAccount" => Some(SubjectRef {
            namespace: "elsewhere".into(),
            ..subject.clone()
        }),
        _ => None,
    }
}

#[test]
fn one_slip_in_a_subject_is_found_as_a_near_miss() {
    let strategy = (policies_with_requests(), 0..7u8);
    let found = std::cell::Cell::new(0);
    let result = runner(13).run(&strategy, |((made, requests), how)| {
        let policy = made.policy(Version::V1_37);
        for request in &requests {
            let request = request.borrow();
            let Some(path) = explain(&policy, &request).path else {
                continue;
            };
            let namespace = path.binding.namespace.as_deref();
            let mut binding = (**policy.binding(namespace, &path.binding.name).unwrap()).clone();
            let Some(wrong) = slip(&path.subject, how).filter(|wrong| *wrong != path.subject)
            else {
                continue;
            };
            binding.subjects[path.subject_index] = wrong;
            if binding.labels.contains_key(bootstrap::LABEL) {
                continue;
            }
            let mut slipped = policy.clone();
            slipped.put_binding(binding);
            let explanation = explain(&slipped, &request);
            if explanation.decision.allowed {
                continue;
            }
            let miss = explanation.nearest_miss;
            prop_assert!(
                miss.as_ref().is_some_and(|miss| miss.distance <= 4),
                "{miss:?}"
            );
            found.set(found.get() + 1);
        }
        Ok(())
    });
    result.unwrap();
    assert!(found.get() > 200, "{}", found.get());
}

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> PolicyRule {
    let list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
    PolicyRule {
        verbs: list(verbs),
        api_groups: list(groups),
        resources: list(resources),
        ..PolicyRule::default()
    }
}

fn cluster_role(name: &str, rules: &[PolicyRule]) -> Role {
    Role {
        name: name.into(),
        rules: rules.to_vec(),
        ..Role::default()
    }
}

fn binding(namespace: Option<&str>, name: &str, role: &str, subject: SubjectRef) -> Binding {
    Binding {
        namespace: namespace.map(str::to_owned),
        name: name.into(),
        subjects: vec![subject],
        role_ref: RoleRef::cluster_role(role),
        ..Binding::default()
    }
}

/// The default policy, a role `deployer` and one binding.
fn policy_with(binding: Binding) -> Policy {
    let mut policy = bootstrap::policy(Version::V1_37);
    let deploy = rule(&["get", "list"], &["apps"], &["deployments"]);
    let named = PolicyRule {
        resource_names: vec!["web".into()],
        ..rule(&["get"], &[""], &["configmaps"])
    };
    policy.put_role(cluster_role("deployer", &[deploy, named]));
    policy.put_binding(binding);
    policy
}

const JANE: &str = "jane@example.com";

fn ask<'a>(groups: &'a [String], verb: &'a str, resource: &'a str) -> Attributes<'a> {
    Attributes {
        user: User { name: JANE, groups },
        verb,
        target: Target::Resource {
            api_group: "apps",
            resource,
            subresource: "",
            name: "",
            namespace: "prod",
        },
    }
}

fn groups() -> Vec<String> {
    vec!["oidc:admins".into(), "system:authenticated".into()]
}

#[rstest]
#[case::a_letter_of_the_group(
    binding(None, "b", "deployer", SubjectRef::group("oidc:admin")),
    "group `oidc:admins` is bound nowhere; `oidc:admin` is, by ClusterRoleBinding `b`"
)]
#[case::the_case_of_the_group(
    binding(None, "b", "deployer", SubjectRef::group("oidc:Admins")),
    "ClusterRoleBinding `b` names group `oidc:Admins`, but the group here is `oidc:admins`: \
     upper and lower case differ"
)]
#[case::the_prefix_of_the_group(
    binding(None, "b", "deployer", SubjectRef::group("admins")),
    "ClusterRoleBinding `b` names group `admins`, but the group here is `oidc:admins`: \
     the prefix `oidc:` is missing in the binding"
)]
#[case::a_prefix_too_many(
    binding(None, "b", "deployer", SubjectRef::user("oidc:jane@example.com")),
    "ClusterRoleBinding `b` names user `oidc:jane@example.com`, but the user here is \
     `jane@example.com`, without the prefix `oidc:`"
)]
#[case::a_group_bound_as_a_user(
    binding(None, "b", "deployer", SubjectRef::user("oidc:admins")),
    "ClusterRoleBinding `b` names user `oidc:admins`, but `oidc:admins` is a group"
)]
#[case::what_kubelogin_prints(
    binding(
        None,
        "b",
        "deployer",
        SubjectRef::user("https://idp.example/pool#5c1f")
    ),
    "the binding names user `https://idp.example/pool#5c1f`, as kubelogin's setup prints it, \
     but the user name here is the e-mail `jane@example.com` (ClusterRoleBinding `b`)"
)]
#[case::another_namespace(
    binding(Some("dev"), "b", "deployer", SubjectRef::group("oidc:admins")),
    "the RoleBinding is in `dev`, the request in `prod`: RoleBinding `b` gives \
     group `oidc:admins` ClusterRole `deployer`"
)]
#[case::a_role_that_is_not_there(
    binding(Some("prod"), "b", "deployr", SubjectRef::group("oidc:admins")),
    "RoleBinding `b` in `prod` refers to ClusterRole `deployr`, which does not exist; \
     ClusterRole `deployer` does"
)]
#[case::a_kind_that_matches_nobody(
    binding(
        None,
        "b",
        "deployer",
        SubjectRef { kind: "group".into(), ..SubjectRef::group("oidc:admins") }
    ),
    "ClusterRoleBinding `b` names `oidc:admins` as a `group`, which matches nobody; it is a Group"
)]
#[case::somebody_else(
    binding(None, "b", "deployer", SubjectRef::group("operators")),
    "nothing that allows this names user `jane@example.com` or a group of theirs; \
     ClusterRoleBinding `b` gives ClusterRole `deployer`, which does, but not to \
     user `jane@example.com`"
)]
fn what_is_wrong_with_the_binding_is_said(#[case] binding: Binding, #[case] expected: &str) {
    let (policy, groups) = (policy_with(binding), groups());
    let request = ask(&groups, "list", "deployments");
    let explanation = explain(&policy, &request);
    let miss = explanation.nearest_miss.as_ref().unwrap();
    assert_eq!(miss.sentence, expected);
    assert_eq!(explanation.sentence(&request.user), expected);
    let (policy, request) = miss.edit.apply(&policy, &request);
    assert!(decide(&policy, &request.borrow()).allowed);
}

/// The policy of the other tests, with `deploy-admins`, who only look, and
/// `deploy-admin`, who may all, and `superuser`.
fn policy_with_roles(binding: Binding) -> Policy {
    let mut policy = policy_with(binding);
    let look = rule(&["get", "watch"], &["apps"], &["deployments"]);
    policy.put_role(cluster_role("deploy-admins", &[look]));
    let all = rule(&["*"], &["apps"], &["deployments"]);
    policy.put_role(cluster_role("deploy-admin", &[all]));
    policy.put_role(cluster_role("superuser", &[rule(&["*"], &["*"], &["*"])]));
    policy
}

#[rstest]
#[case::a_slip_that_is_a_role_too(
    "deploy-admins",
    "delete",
    "deployments",
    "RoleBinding `b` in `prod` refers to ClusterRole `deploy-admins`, \
     which does not allow this; ClusterRole `deploy-admin` does"
)]
#[case::a_missing_role_like_no_other(
    "team-operators",
    "list",
    "deployments",
    "RoleBinding `b` in `prod` refers to ClusterRole `team-operators`, \
     which does not exist; ClusterRole `deployer` would allow this"
)]
#[case::a_missing_role_like_no_other_where_only_defaults_would_do(
    "team-viewers",
    "list",
    "replicasets",
    "RoleBinding `b` in `prod` refers to ClusterRole `team-viewers`, \
     which does not exist; ClusterRole `view` would allow this"
)]
#[case::the_rule_rather_than_a_wider_role(
    "deployer",
    "delete",
    "deployments",
    "ClusterRole `deployer`, which RoleBinding `b` in `prod` gives group `oidc:admins`, \
     allows `get`, `list` on `deployments`, not `delete`"
)]
#[case::a_wider_role_where_the_rules_are_far_off(
    "deploy-admins",
    "impersonate",
    "users",
    "RoleBinding `b` in `prod` refers to ClusterRole `deploy-admins`, \
     which does not allow this; ClusterRole `superuser` does"
)]
fn the_role_that_was_meant_is_told(
    #[case] role: &str,
    #[case] verb: &str,
    #[case] resource: &str,
    #[case] expected: &str,
) {
    let admins = SubjectRef::group("oidc:admins");
    let policy = policy_with_roles(binding(Some("prod"), "b", role, admins));
    let groups = groups();
    let request = ask(&groups, verb, resource);
    let miss = explain(&policy, &request).nearest_miss.unwrap();
    assert_eq!(miss.sentence, expected);
    let (policy, request) = miss.edit.apply(&policy, &request);
    assert!(decide(&policy, &request.borrow()).allowed);
}

#[test]
fn nobody_is_told_to_refer_to_cluster_admin() {
    let admins = SubjectRef::group("oidc:admins");
    let groups = groups();
    for role in ["team-operators", "deployer"] {
        let policy = policy_with(binding(None, "b", role, admins.clone()));
        let request = ask(&groups, "impersonate", "users");
        assert_eq!(explain(&policy, &request).nearest_miss, None);
    }
}

#[test]
fn the_narrowest_of_the_bindings_that_would_do_is_told() {
    let operators = SubjectRef::group("operators");
    let mut policy = policy_with_roles(binding(None, "a", "superuser", operators.clone()));
    policy.put_binding(binding(Some("prod"), "z", "deployer", operators));
    let groups = groups();
    let miss = explain(&policy, &ask(&groups, "list", "deployments"))
        .nearest_miss
        .unwrap();
    let binding = BindingName {
        namespace: Some("prod".into()),
        name: "z".into(),
    };
    let edit = BindingEdit::AddSubject(SubjectRef::user(JANE));
    assert_eq!(miss.edit, Edit::Binding { binding, edit });
}

#[test]
fn a_binding_that_would_do_only_in_the_namespace_of_the_request_is_told() {
    let builder = SubjectRef::service_account("", "builder");
    let policy = policy_with(binding(Some("dev"), "b", "deployer", builder));
    let user = User {
        name: "system:serviceaccount:prod:builder",
        groups: &[],
    };
    let request = Attributes {
        user,
        ..ask(&[], "list", "deployments")
    };
    let miss = explain(&policy, &request).nearest_miss.unwrap();
    assert_eq!(
        miss.sentence,
        "the RoleBinding is in `dev`, the request in `prod`: there RoleBinding `b` would give \
         service account `builder` ClusterRole `deployer`"
    );
    let (policy, request) = miss.edit.apply(&policy, &request);
    assert!(decide(&policy, &request.borrow()).allowed);
    assert!(policy.binding(Some("dev"), "b").is_none());
}

#[rstest]
#[case::verb("GET", "apps", RequestEdit::Verb("get".into()))]
#[case::kin("watch", "apps", RequestEdit::Verb("list".into()))]
#[case::a_slip_of_kin("lists", "apps", RequestEdit::Verb("list".into()))]
#[case::api_group("get", "batches", RequestEdit::ApiGroup("apps".into()))]
#[case::a_slip_of_an_api_group("get", "bacth", RequestEdit::ApiGroup("batch".into()))]
fn the_nearest_of_what_a_rule_has_is_told(
    #[case] verb: &str,
    #[case] api_group: &str,
    #[case] edit: RequestEdit,
) {
    let mut policy = policy_with(binding(None, "b", "various", SubjectRef::user(JANE)));
    let verbs = ["create", "delete", "list", "get"];
    let various = rule(&verbs, &["apps", "batch"], &["deployments"]);
    policy.put_role(cluster_role("various", &[various]));
    let target = Target::Resource {
        api_group,
        resource: "deployments",
        subresource: "",
        name: "",
        namespace: "prod",
    };
    let request = Attributes {
        target,
        ..ask(&[], verb, "deployments")
    };
    let miss = explain(&policy, &request).nearest_miss.unwrap();
    assert_eq!(miss.edit, Edit::Request(edit));
}

#[rstest]
#[case::the_verb(
    "delete", "apps", "deployments", "", "",
    "allows `get`, `list` on `deployments`, not `delete`",
    RequestEdit::Verb("get".into())
)]
#[case::the_api_group(
    "list", "", "deployments", "", "",
    "allows `deployments` in API group `apps`, not in the core API group",
    RequestEdit::ApiGroup("apps".into())
)]
#[case::the_resource(
    "list", "apps", "deployment", "", "",
    "allows `deployments`, not `deployment`",
    RequestEdit::Resource { resource: "deployments".into(), subresource: String::new() }
)]
#[case::the_subresource(
    "get", "apps", "deployments", "scale", "web",
    "allows `deployments`, not `deployments/scale`",
    RequestEdit::Resource { resource: "deployments".into(), subresource: String::new() }
)]
#[case::the_name(
    "get", "", "configmaps", "", "wbe",
    "allows `configmaps` by the names `web` only, not `wbe`",
    RequestEdit::Name("web".into())
)]
#[case::no_name(
    "get", "", "configmaps", "", "",
    "allows `configmaps` by the names `web` only, not a request that names none",
    RequestEdit::Name("web".into())
)]
fn what_of_the_request_the_role_lacks_is_said(
    #[case] verb: &str,
    #[case] api_group: &str,
    #[case] resource: &str,
    #[case] subresource: &str,
    #[case] name: &str,
    #[case] expected: &str,
    #[case] edit: RequestEdit,
) {
    let policy = policy_with(binding(
        None,
        "b",
        "deployer",
        SubjectRef::group("oidc:admins"),
    ));
    let groups = groups();
    let target = Target::Resource {
        api_group,
        resource,
        subresource,
        name,
        namespace: "prod",
    };
    let request = Attributes {
        user: User {
            name: JANE,
            groups: &groups,
        },
        verb,
        target,
    };
    let miss = explain(&policy, &request).nearest_miss.unwrap();
    let given = "ClusterRole `deployer`, which ClusterRoleBinding `b` gives group `oidc:admins`, ";
    assert_eq!(miss.sentence, format!("{given}{expected}"));
    assert_eq!(miss.edit, Edit::Request(edit));
}

#[test]
fn a_service_account_of_another_namespace_is_told_apart() {
    let account = SubjectRef::service_account("dev", "builder");
    let policy = policy_with(binding(None, "b", "deployer", account));
    let user = User {
        name: "system:serviceaccount:prod:builder",
        groups: &[],
    };
    let request = Attributes {
        user,
        ..ask(&[], "list", "deployments")
    };
    let miss = explain(&policy, &request).nearest_miss.unwrap();
    assert_eq!(
        miss.sentence,
        "ClusterRoleBinding `b` names service account `builder` of `dev`, \
         but the one here is of `prod`"
    );
    let subject = SubjectRef::service_account("prod", "builder");
    let binding = BindingName {
        namespace: None,
        name: "b".into(),
    };
    let edit = BindingEdit::Subject { index: 0, subject };
    assert_eq!(miss.edit, Edit::Binding { binding, edit });
}

#[test]
fn nobody_is_told_to_join_the_default_roles() {
    let policy = bootstrap::policy(Version::V1_37);
    let groups = groups();
    let request = ask(&groups, "list", "deployments");
    let explanation = explain(&policy, &request);
    assert_eq!(explanation.nearest_miss, None);
    assert_eq!(
        explanation.sentence(&request.user),
        "none of the 3 bindings that name user `jane@example.com` or a group of theirs allows this"
    );
    let near = ["system:master".to_owned()];
    let miss = explain(&policy, &ask(&near, "list", "deployments"))
        .nearest_miss
        .unwrap();
    assert_eq!(
        miss.edit,
        Edit::Request(RequestEdit::Group {
            from: "system:master".into(),
            to: "system:masters".into()
        })
    );
}

#[test]
fn a_path_with_a_slash_too_few_is_told() {
    let policy = {
        let mut policy = Policy::new();
        let urls = PolicyRule {
            verbs: vec!["get".into()],
            non_resource_urls: vec!["/healthz/*".into()],
            ..PolicyRule::default()
        };
        policy.put_role(cluster_role("health", &[urls]));
        policy.put_binding(binding(None, "b", "health", SubjectRef::user(JANE)));
        policy
    };
    let target = Target::NonResource { path: "/healthz" };
    let request = Attributes {
        user: User {
            name: JANE,
            groups: &[],
        },
        verb: "get",
        target,
    };
    let miss = explain(&policy, &request).nearest_miss.unwrap();
    assert_eq!(
        miss.edit,
        Edit::Request(RequestEdit::Path("/healthz/".into()))
    );
}

#[test]
fn a_path_that_one_rule_allows_may_be_spelled_by_another() {
    let urls = |url: &str| PolicyRule {
        verbs: vec!["get".into()],
        non_resource_urls: vec![url.into()],
        ..PolicyRule::default()
    };
    let mut policy = Policy::new();
    policy.put_role(cluster_role("all", &[urls("/apis/*")]));
    policy.put_role(cluster_role("one", &[urls("/apis/apps/v1")]));
    policy.put_binding(binding(None, "b", "all", SubjectRef::user(JANE)));
    let target = Target::NonResource {
        path: "/apsi/apps/v1",
    };
    let request = Attributes {
        target,
        ..ask(&[], "get", "")
    };
    let miss = explain(&policy, &request).nearest_miss.unwrap();
    let expected = RequestEdit::Path("/apis/apps/v1".into());
    assert_eq!(miss.edit, Edit::Request(expected));
}

#[test]
fn a_slip_in_the_name_of_a_service_account_is_told() {
    let account = SubjectRef::service_account("", "biulder");
    let policy = policy_with(binding(Some("prod"), "b", "deployer", account));
    let user = User {
        name: "system:serviceaccount:prod:builder",
        groups: &[],
    };
    let request = Attributes {
        user,
        ..ask(&[], "list", "deployments")
    };
    let miss = explain(&policy, &request).nearest_miss.unwrap();
    let subject = SubjectRef::service_account("", "builder");
    let binding = BindingName {
        namespace: Some("prod".into()),
        name: "b".into(),
    };
    let edit = BindingEdit::Subject { index: 0, subject };
    assert_eq!(miss.edit, Edit::Binding { binding, edit });
}

#[test]
fn the_way_of_an_allowed_request_is_told() {
    let policy = policy_with(binding(
        None,
        "b",
        "deployer",
        SubjectRef::group("oidc:admins"),
    ));
    let groups = groups();
    let request = ask(&groups, "list", "deployments");
    let explanation = explain(&policy, &request);
    let path = explanation.path.as_ref().unwrap();
    assert_eq!(path.via, Via::Group("oidc:admins".into()));
    assert_eq!((path.role_name.as_str(), path.rule_index), ("deployer", 0));
    assert_eq!(
        explanation.sentence(&request.user),
        "group `oidc:admins` has ClusterRole `deployer` by ClusterRoleBinding `b`; \
         its rule 1 allows get, list on deployments in apps"
    );
    assert_eq!(explanation.nearest_miss, None);
    assert_eq!(
        explanation.decision.reason,
        "RBAC: allowed by ClusterRoleBinding \"b\" of ClusterRole \"deployer\" \
         to Group \"oidc:admins\""
    );
}

#[test]
fn an_edit_leaves_the_policy_it_is_applied_to_alone() {
    let policy = policy_with(binding(None, "b", "deployer", SubjectRef::group("admins")));
    let before = policy.clone();
    let groups = groups();
    let request = ask(&groups, "list", "deployments");
    let miss = explain(&policy, &request).nearest_miss.unwrap();
    let (edited, _) = miss.edit.apply(&policy, &request);
    assert!(edited != policy && policy == before);
    let object = Object::Binding((**edited.binding(None, "b").unwrap()).clone());
    assert_eq!(
        kube_rbac::to_json(&object)["subjects"][0]["name"],
        "oidc:admins"
    );
}
