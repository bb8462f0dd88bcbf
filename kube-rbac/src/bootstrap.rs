//! What a new cluster's policy is: Kubernetes' own default roles and bindings.
//!
//! The data are the output of Kubernetes' code (see `bootstrap/README.md`),
//! with the rules of the aggregated roles filled in.

use crate::policy::Policy;
use crate::version::Version;
use crate::wire::parse_object;
use serde_json::Value;
use std::sync::OnceLock;

/// The label by which the default objects are known.
pub const LABEL: &str = "kubernetes.io/bootstrapping";

/// The default policy of that version. It is read once a process; every
/// further call is a cheap clone that shares all roles.
pub fn policy(version: Version) -> Policy {
    static POLICIES: [OnceLock<Policy>; Version::ALL.len()] =
        [const { OnceLock::new() }; Version::ALL.len()];
    POLICIES[version as usize]
        .get_or_init(|| load(version))
        .clone()
}

/// The default objects as Kubernetes' API prints them: ClusterRoles,
/// ClusterRoleBindings, Roles, RoleBindings, each by namespace and name.
pub fn objects(version: Version) -> Vec<Value> {
    let mut list: Value =
        serde_json::from_str(version.bootstrap_json()).expect("the embedded policy is JSON");
    match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn load(version: Version) -> Policy {
    let parsed = objects(version);
    parsed
        .iter()
        .map(|json| parse_object(json).expect("the embedded policy is of the RBAC kinds"))
        .collect()
}
