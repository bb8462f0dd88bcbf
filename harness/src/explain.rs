//! The nearest miss behind a denial, worked out from a cluster's own RBAC
//! objects by `kube-rbac`.

use kube_rbac::{Policy, User};
use serde_json::Value;

use crate::scenario::question::Question;

/// The sentence about the smallest edit that would turn no into yes; nothing
/// when the objects say yes, or no single edit does.
pub fn nearest_miss(
    objects: &[Value],
    username: &str,
    groups: &[String],
    question: &Question,
    group: &str,
    resource: &str,
) -> Option<String> {
    let mut policy = Policy::default();
    for object in objects {
        // An object that Kubernetes stored and we cannot read is left out; the
        // answer itself comes from the cluster, this is only the explanation.
        if let Ok(object) = kube_rbac::parse_object(object) {
            policy.put(object);
        }
    }
    let user = User {
        name: username,
        groups,
    };
    let explanation = kube_rbac::explain(&policy, &question.asked_by(user, group, resource));
    explanation.nearest_miss.map(|miss| miss.sentence)
}
