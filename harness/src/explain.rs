//! The nearest miss behind a denial, worked out from a cluster's own RBAC
//! objects by `kube-rbac`.

use kube_rbac::{Attributes, Policy};
use serde_json::Value;

/// The policy that a cluster's RBAC objects make, with the rules of its
/// aggregated roles filled in.
pub fn policy(objects: &[Value]) -> Policy {
    let mut policy = Policy::default();
    for object in objects {
        // An object that Kubernetes stored and we cannot read is left out; the
        // answer itself comes from the cluster, this is only the explanation.
        if let Ok(object) = kube_rbac::parse_object(object) {
            policy.put(object);
        }
    }
    kube_rbac::aggregation::aggregate(&mut policy);
    policy
}

/// The sentence about the smallest edit that would turn no into yes; nothing
/// when the objects say yes, or no single edit does.
pub fn nearest_miss(policy: &Policy, asked: &Attributes<'_>) -> Option<String> {
    let explanation = kube_rbac::explain(policy, asked);
    explanation.nearest_miss.map(|miss| miss.sentence)
}
