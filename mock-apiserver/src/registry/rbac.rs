//! The RBAC objects and the policy that requests are decided by: one is
//! never changed without the other.

use kube_rbac::Policy;
use serde_json::Value;

use super::admission::canonical;
use super::kind::{Id, KINDS};
use super::object::{self, meta, set_meta};
use super::store::State;
use super::{Call, Inner};
use crate::authz::Authorizer;
use crate::wire::Status;

/// Revisions kept free for the bootstrap objects (141 of them in 1.37) and
/// for what a cluster's own policy may add to them.
pub const BOOTSTRAP_REVISIONS: u64 = 256;

impl Inner {
    /// Puts the bootstrap objects into the store, once. Nothing can have
    /// changed the policy before, since every change goes by way of here.
    pub(super) fn bootstrap(&self) {
        self.store.with(|state| {
            if std::mem::replace(&mut state.bootstrapped, true) {
                return;
            }
            let policy = self.authorizer.policy();
            let known = kube_rbac::bootstrap::objects(self.authorizer.version());
            let more = not_among(&known, &policy);
            let kept = known.into_iter().filter(|object| is_in(object, &policy));
            for (object, revision) in kept.chain(more).zip(1..BOOTSTRAP_REVISIONS) {
                let Some(id) = kind_of(&object) else { continue };
                let mut object = object;
                set_meta(&mut object, "uid", object::new_uid());
                set_meta(&mut object, "resourceVersion", "0");
                set_meta(&mut object, "creationTimestamp", self.started.as_str());
                state.seed(id, canonical(id, object), revision);
            }
        });
    }

    /// Whether the user may write this role or binding at all: nobody can
    /// give away what they have not got. An update that only touches owners
    /// and finalizers is the garbage collector's, and gives nothing away.
    ///
    /// # Errors
    /// 403 and 404 in Kubernetes' words.
    pub(super) fn check_escalation(
        &self,
        call: &Call<'_>,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        if old.is_some_and(|old| only_gc_fields_differ(object, old)) {
            return Ok(());
        }
        // The path says what the object is, not the object.
        let typed = |object| call.kind.typed(object);
        match call.kind.id {
            Id::Role | Id::ClusterRole => {
                let old = old.map(typed);
                self.authorizer
                    .check_role_write(call.user, call.info, &typed(object), old.as_ref())
            }
            Id::RoleBinding | Id::ClusterRoleBinding => self
                .authorizer
                .check_binding_write(call.user, &typed(object)),
            _ => Ok(()),
        }
    }
}

fn only_gc_fields_differ(new: &Value, old: &Value) -> bool {
    let without = |object: &Value| {
        let mut object = object.clone();
        for field in ["ownerReferences", "finalizers", "managedFields", "selfLink"] {
            object::remove_meta(&mut object, field);
        }
        object
    };
    without(new) == without(old)
}

/// Makes the policy what the written object says, and the aggregated roles
/// what the policy says then.
pub fn written(authorizer: &Authorizer, state: &mut State, id: Id, object: &Value) {
    if !id.is_rbac() {
        return;
    }
    let Ok(parsed) = kube_rbac::parse_object(&id.kind().typed(object)) else {
        // It was validated on the way in, which parses it too.
        return;
    };
    let changed = authorizer.update(|policy| {
        policy.put(parsed);
        aggregate(policy, id)
    });
    write_back(authorizer, state, &changed);
}

/// Takes a removed object out of the policy.
pub fn removed(authorizer: &Authorizer, state: &mut State, id: Id, object: &Value) {
    if !id.is_rbac() {
        return;
    }
    let namespace = id.kind().namespaced.then(|| meta(object, "namespace"));
    let name = meta(object, "name");
    let changed = authorizer.update(|policy| {
        match id {
            Id::Role | Id::ClusterRole => {
                policy.remove_role(namespace, name);
            }
            _ => {
                policy.remove_binding(namespace, name);
            }
        }
        aggregate(policy, id)
    });
    write_back(authorizer, state, &changed);
}

fn aggregate(policy: &mut Policy, id: Id) -> Vec<String> {
    if id == Id::ClusterRole {
        kube_rbac::aggregation::aggregate(policy)
    } else {
        Vec::new()
    }
}

/// Writes the rules that aggregation gave to ClusterRoles into the objects.
fn write_back(authorizer: &Authorizer, state: &mut State, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let policy = authorizer.policy();
    for name in names {
        let (Some(role), Some(stored)) =
            (policy.role(None, name), state.get(Id::ClusterRole, name))
        else {
            continue;
        };
        let mut value = stored.value.clone();
        value["rules"] = kube_rbac::wire::rules_to_json(&role.rules);
        if value["rules"] != stored.value["rules"] {
            state.put(Id::ClusterRole, canonical(Id::ClusterRole, value));
        }
    }
}

fn kind_of(object: &Value) -> Option<Id> {
    let kind = object::text(object, &["kind"]);
    KINDS
        .iter()
        .find(|k| k.kind == kind && k.id.is_rbac())
        .map(|k| k.id)
}

/// Whether the policy has this object.
fn is_in(object: &Value, policy: &Policy) -> bool {
    let namespace = Some(meta(object, "namespace")).filter(|n| !n.is_empty());
    let name = meta(object, "name");
    match kind_of(object) {
        Some(Id::Role | Id::ClusterRole) => policy.role(namespace, name).is_some(),
        Some(_) => policy.binding(namespace, name).is_some(),
        None => false,
    }
}

/// The policy's objects that are not among the known ones: a cluster may be
/// started with a policy of its own.
fn not_among(known: &[Value], policy: &Policy) -> Vec<Value> {
    let names: std::collections::HashSet<(&str, &str, &str)> = known
        .iter()
        .map(|o| {
            (
                object::text(o, &["kind"]),
                meta(o, "namespace"),
                meta(o, "name"),
            )
        })
        .collect();
    let roles = policy
        .roles()
        .map(|role| kube_rbac::Object::Role((**role).clone()));
    let bindings = policy
        .bindings()
        .map(|binding| kube_rbac::Object::Binding((**binding).clone()));
    roles
        .chain(bindings)
        .filter(|object| {
            let namespace = object.namespace().unwrap_or_default();
            !names.contains(&(object.kind(), namespace, object.name()))
        })
        .map(|object| kube_rbac::to_json(&object))
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn pod(metadata: &Value, spec: &Value) -> Value {
        let mut pod = json!({"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "foo", "annotations": {}, "ownerReferences": []}, "spec": {}});
        for (part, more) in [("metadata", metadata), ("spec", spec)] {
            for (key, value) in more.as_object().expect("an object") {
                pod[part][key] = value.clone();
            }
        }
        pod
    }

    fn same() -> Value {
        pod(&json!({}), &json!({}))
    }

    fn other() -> Value {
        json!({"restartPolicy": "Always"})
    }

    fn owned() -> Value {
        json!({"ownerReferences": [{"name": "foo"}]})
    }

    fn owned_and_annotated() -> Value {
        json!({"ownerReferences": [{"name": "foo"}], "annotations": {"foo": "bar"}})
    }

    fn managed() -> Value {
        pod(
            &json!({"managedFields": [{"manager": "manager"}]}),
            &json!({}),
        )
    }

    /// `TestIsOnlyMutatingGCFields` (`pkg/registry/rbac/helpers_test.go`), each
    /// case the object and what it was.
    #[rstest]
    #[case::same(same(), same(), true)]
    #[case::different_managed_fields(same(), managed(), true)]
    #[case::only_annotations(pod(&json!({"annotations": {"foo": "bar"}}), &json!({})), same(), false)]
    #[case::only_other(pod(&json!({}), &other()), same(), false)]
    #[case::only_owner_ref(pod(&owned(), &json!({})), same(), true)]
    #[case::owner_ref_and_finalizer(pod(&json!({"ownerReferences": [{"name": "foo"}], "finalizers": ["final"]}), &json!({})), same(), true)]
    #[case::and_annotations(pod(&owned_and_annotated(), &json!({})), same(), false)]
    #[case::and_other(pod(&owned(), &other()), same(), false)]
    #[case::and_nil(pod(&owned(), &other()), Value::Null, false)]
    fn owners_and_finalizers_are_the_garbage_collectors(
        #[case] object: Value,
        #[case] old: Value,
        #[case] expected: bool,
    ) {
        assert_eq!(only_gc_fields_differ(&object, &old), expected);
    }

    /// No case of that table, but of the same function.
    #[test]
    fn a_self_link_counts_for_as_little() {
        let linked = pod(&json!({"selfLink": "/x"}), &json!({}));
        assert!(only_gc_fields_differ(&linked, &same()));
    }
}
