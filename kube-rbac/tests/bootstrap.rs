//! The default policy is Kubernetes' own, object by object.

#![allow(
    clippy::disallowed_methods,
    reason = "tests measure and wait by the machine's clock"
)]

use kube_rbac::{
    Attributes, Target, User, Version, aggregation, bootstrap, decide, parse_object, to_json,
};
use serde_json::Value;
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
