//! The default policy is Kubernetes' own, object by object, and what Kubernetes
//! asks of it in its tests holds.

#![allow(
    clippy::disallowed_methods,
    reason = "tests measure and wait by the machine's clock"
)]

use crate::build::rule;
use kube_rbac::{
    Attributes, Policy, Role, Target, User, Version, aggregation, bootstrap, decide, escalation,
    parse_object, to_json,
};
use rstest::rstest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;

#[test]
fn every_default_object_survives_the_way_through_the_domain() {
    for json in bootstrap::objects(Version::V1_37) {
        let object = parse_object(&json).unwrap();
        assert_eq!(to_json(&object), json);
    }
}

#[test]
fn the_default_policy_holds_exactly_the_dumped_objects() {
    let policy = bootstrap::policy(Version::V1_37);
    let mut dumped = bootstrap::objects(Version::V1_37);
    let roles = policy
        .roles()
        .map(|r| to_json(&kube_rbac::Object::Role((**r).clone())));
    let bindings = policy
        .bindings()
        .map(|b| to_json(&kube_rbac::Object::Binding((**b).clone())));
    let mut held: Vec<Value> = roles.chain(bindings).collect();
    let key = |v: &Value| {
        (
            v["kind"].to_string(),
            v["metadata"]["namespace"].to_string(),
            v["metadata"]["name"].to_string(),
        )
    };
    dumped.sort_by_key(key);
    held.sort_by_key(key);
    assert_eq!(held, dumped);
    let count = |kind: &str| held.iter().filter(|v| v["kind"] == kind).count();
    assert_eq!(
        [
            count("ClusterRole"),
            count("ClusterRoleBinding"),
            count("Role"),
            count("RoleBinding")
        ],
        [73, 54, 7, 7]
    );
}

#[test]
fn our_aggregation_gives_the_rules_that_kubernetes_controller_gave() {
    let dumped = bootstrap::policy(Version::V1_37);
    let mut policy = dumped.clone();
    for name in ["admin", "edit", "view"] {
        let mut role = (**policy.role(None, name).unwrap()).clone();
        role.rules.clear();
        policy.put_role(role);
    }
    assert_ne!(policy, dumped);
    assert_eq!(
        aggregation::aggregate(&mut policy),
        ["admin", "edit", "view"]
    );
    assert_eq!(policy, dumped);
    assert!(aggregation::aggregate(&mut policy).is_empty());
}

#[test]
fn a_user_without_bindings_may_look_at_what_is_open_to_all() {
    let policy = bootstrap::policy(Version::V1_37);
    let groups = ["system:authenticated".to_owned()];
    let may = |verb, target| {
        let user = User {
            name: "jane",
            groups: &groups,
        };
        decide(&policy, &Attributes { user, verb, target }).allowed
    };
    for path in [
        "/version",
        "/healthz",
        "/api",
        "/apis/apps/v1",
        "/openapi/v3/api",
    ] {
        assert!(may("get", Target::NonResource { path }), "{path}");
    }
    assert!(!may("get", Target::NonResource { path: "/metrics" }));
    let review = Target::Resource {
        api_group: "authorization.k8s.io",
        resource: "selfsubjectaccessreviews",
        subresource: "",
        name: "",
        namespace: "",
    };
    assert!(may("create", review));
    let pods = Target::Resource {
        api_group: "",
        resource: "pods",
        subresource: "",
        name: "",
        namespace: "default",
    };
    assert!(!may("list", pods));
}

#[test]
fn the_default_policy_is_read_once_and_shared() {
    let first = bootstrap::policy(Version::V1_37);
    let start = Instant::now();
    let mut second = bootstrap::policy(Version::V1_37);
    println!("a further copy took {:?}", start.elapsed());
    let role = second.role(None, "view").unwrap().clone();
    assert!(std::sync::Arc::ptr_eq(
        &role,
        first.role(None, "view").unwrap()
    ));
    second.remove_role(None, "view");
    assert!(first.role(None, "view").is_some());
}

/// `TestMonitoringURLs` (`test/integration/auth/rbac_test.go`), as far as it is
/// about rights: its one case, monitoring endpoints, path by path.
#[rstest]
#[case::metrics("/metrics")]
#[case::metrics_slis("/metrics/slis")]
#[case::livez("/livez")]
#[case::readyz("/readyz")]
#[case::healthz("/healthz")]
#[case::statusz("/statusz")]
fn the_group_of_monitoring_may_get_what_is_monitored(#[case] path: &str) {
    let policy = bootstrap::policy(Version::V1_37);
    // Without system:authenticated, which may get some of these anyway.
    let groups = ["system:monitoring".to_owned()];
    let user = User {
        name: "monitoring-user",
        groups: &groups,
    };
    let target = Target::NonResource { path };
    let verb = "get";
    let decision = decide(&policy, &Attributes { user, verb, target });
    assert_eq!(
        (decision.allowed, decision.reason.as_str()),
        (
            true,
            r#"RBAC: allowed by ClusterRoleBinding "system:monitoring" of ClusterRole "system:monitoring" to Group "system:monitoring""#
        )
    );
}

/// The roles of which `bootstrappolicy` has a function each: those of the
/// cluster that are not a controller's, those of the controllers, and those of
/// the namespaces.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Cluster,
    Controllers,
    Namespaces,
}

const CONTROLLER: &str = "system:controller:";

impl Of {
    fn is(self, namespace: Option<&str>, name: &str) -> bool {
        let of = match (namespace, name.starts_with(CONTROLLER)) {
            (Some(_), _) => Self::Namespaces,
            (None, true) => Self::Controllers,
            (None, false) => Self::Cluster,
        };
        of == self
    }

    fn roles(self, policy: &Policy) -> Vec<&Role> {
        let roles = policy.roles().map(|role| &**role);
        roles
            .filter(|role| self.is(role.namespace.as_deref(), &role.name))
            .collect()
    }
}

/// `TestEditViewRelationship`
/// (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy_test.go`): what
/// would let a reader become more, and what nobody can get.
#[rstest]
#[case::pods_attach("core", "pods/attach")]
#[case::pods_proxy("core", "pods/proxy")]
#[case::pods_exec("core", "pods/exec")]
#[case::pods_portforward("core", "pods/portforward")]
#[case::secrets("core", "secrets")]
#[case::services_proxy("core", "services/proxy")]
#[case::deployments_rollback("apps extensions", "deployments/rollback")]
fn who_may_view_has_no_powers_beyond(#[case] groups: &str, #[case] resource: &str) {
    let policy = bootstrap::policy(Version::V1_37);
    let view = policy.role(None, "system:aggregate-to-view").unwrap();
    let read = rule("get list watch", groups, resource);
    let missing = escalation::covers(&view.rules, std::slice::from_ref(&read)).unwrap_err();
    // Not only not in whole, as there: none of it.
    assert_eq!(missing, escalation::break_down(&read));
}

/// `TestClusterRoleLabel` of that file and `TestControllerRoleLabel` of
/// `controller_policy_test.go` beside it.
#[rstest]
#[case::cluster_role_label(Of::Cluster, 32, 13)]
#[case::controller_role_label(Of::Controllers, 41, 41)]
fn default_roles_and_bindings_are_labelled(
    #[case] of: Of,
    #[case] roles: usize,
    #[case] bindings: usize,
) {
    let policy = bootstrap::policy(Version::V1_37);
    let label = BTreeMap::from([(bootstrap::LABEL.to_owned(), "rbac-defaults".to_owned())]);
    let found = of.roles(&policy);
    assert_eq!(found.len(), roles);
    for role in found {
        let mut labels = role.labels.clone();
        if of == Of::Cluster {
            // These may have labels by which others aggregate them.
            labels.retain(|key, _| key == bootstrap::LABEL);
        }
        assert_eq!(labels, label, "{}", role.name);
    }
    let found = policy
        .bindings()
        .filter(|binding| of.is(binding.namespace.as_deref(), &binding.name));
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), bindings);
    for binding in found {
        assert_eq!(binding.labels, label, "{}", binding.name);
    }
}

/// `TestNodeRuleVerbsConsistency`, `TestClusterRoleVerbsConsistency` and
/// `TestNamespaceRoleVerbsConsistency` of `policy_test.go`,
/// `TestControllerRoleVerbsConsistency` of `controller_policy_test.go`: who may
/// list may watch, but for the one named.
#[rstest]
#[case::node_rule_verbs_consistency(Of::Cluster, "system:node", &[])]
#[case::cluster_role_verbs_consistency(Of::Cluster, "", &[])]
#[case::namespace_role_verbs_consistency(Of::Namespaces, "", &[])]
#[case::controller_role_verbs_consistency(Of::Controllers, "", &["storage-version-migrator-controller"])]
fn who_may_list_may_watch(#[case] of: Of, #[case] only: &str, #[case] expected: &[&str]) {
    let policy = bootstrap::policy(Version::V1_37);
    let mut roles = of.roles(&policy);
    roles.retain(|role| only.is_empty() || role.name == only);
    assert!(!roles.is_empty());
    let may = |verbs: &[String], verb: &str| verbs.iter().any(|v| v == verb);
    let lists_only = |role: &&Role| {
        let mut rules = role.rules.iter();
        rules.any(|rule| may(&rule.verbs, "list") && !may(&rule.verbs, "watch"))
    };
    let found = roles.into_iter().filter(lists_only);
    let found: Vec<&str> = found
        .map(|role| role.name.trim_start_matches(CONTROLLER))
        .collect();
    assert_eq!(found, expected);
}

/// `TestNoStarsForControllers` of `controller_policy_test.go`: only these may
/// have a star.
#[test]
fn no_stars_for_controllers() {
    let allowed = [
        "namespace-controller",
        "generic-garbage-collector",
        "resourcequota-controller",
        "horizontal-pod-autoscaler",
        "clusterrole-aggregation-controller",
        "disruption-controller",
        "storage-version-migrator-controller",
    ];
    let policy = bootstrap::policy(Version::V1_37);
    for role in Of::Controllers.roles(&policy) {
        if allowed.contains(&role.name.trim_start_matches(CONTROLLER)) {
            continue;
        }
        for rule in &role.rules {
            for list in [&rule.verbs, &rule.api_groups, &rule.resources] {
                assert!(!list.contains(&"*".to_owned()), "{}: {rule:?}", role.name);
            }
        }
    }
}

/// `TestPodGroupProtectionControllerRBAC` and `TestJobControllerSchedulingRules`
/// of `controller_policy_test.go`, with the feature gates off, as they are by
/// default.
#[test]
fn what_feature_gates_add_is_not_there() {
    let policy = bootstrap::policy(Version::V1_37);
    let protection = format!("{CONTROLLER}podgroup-protection-controller");
    assert_eq!(policy.role(None, &protection), None);
    assert_eq!(policy.binding(None, &protection), None);
    let jobs = policy.role(None, &format!("{CONTROLLER}job-controller"));
    let mut groups = jobs.unwrap().rules.iter().flat_map(|rule| &rule.api_groups);
    assert!(groups.all(|group| group != "scheduling.k8s.io"));
}
