//! The kinds that are stored: one table, from which routes, selectors and
//! messages come. What may be done with them is in [`super::served`].

use serde_json::Value;

use kube_rbac::Version;
use kube_rbac::names::NameRule;

use super::unstored;
use crate::wire;

/// A stored kind, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
#[allow(missing_docs, reason = "the variants are Kubernetes' kinds")]
pub enum Id {
    ConfigMap,
    Namespace,
    Node,
    Pod,
    Secret,
    ServiceAccount,
    Service,
    Deployment,
    ClusterRoleBinding,
    ClusterRole,
    RoleBinding,
    Role,
    /// Whatever else Kubernetes serves; see [`super::unstored`].
    Unstored,
}

/// How many kinds there are.
pub const COUNT: usize = 13;

/// What is known of a kind before any object of it is seen.
pub struct Kind {
    /// Its name among the kinds.
    pub id: Id,
    /// The API group; empty for core.
    pub group: &'static str,
    /// The group's version.
    pub version: &'static str,
    /// `Deployment`.
    pub kind: &'static str,
    /// `deployments`: the resource.
    pub plural: &'static str,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// What is done by which subresource; the others that Kubernetes has are
    /// not served.
    pub subresources: &'static [(&'static str, Action)],
    /// The Go type, by its protobuf name.
    pub message: &'static str,
    /// Which names are valid.
    pub names: NameRule,
    /// Fields that a field selector may name besides `metadata.name` and,
    /// where it applies, `metadata.namespace`; `None` where Kubernetes only
    /// has its general two and says so in other words.
    pub fields: Option<&'static [&'static str]>,
    /// Whether a deletion answers with the object instead of a `Status`.
    pub returns_deleted: bool,
}

/// What a body is read as: a kind and its Go type.
#[derive(Clone, Copy)]
pub struct Form {
    /// The kind, fully qualified.
    pub kind: wire::Kind<'static>,
    /// The Go type, by its protobuf name.
    pub message: &'static str,
}

/// What `scale` subresources speak.
pub const SCALE: Form = Form {
    kind: wire::Kind {
        group: "autoscaling",
        version: "v1",
        kind: "Scale",
    },
    message: "k8s.io.api.autoscaling.v1.Scale",
};

/// What `pods/eviction` takes.
pub const EVICTION: Form = Form {
    kind: wire::Kind {
        group: "policy",
        version: "v1",
        kind: "Eviction",
    },
    message: "k8s.io.api.policy.v1.Eviction",
};

/// What a subresource does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reads and writes `status` alone.
    Status,
    /// Reads and writes `spec.replicas` as an `autoscaling/v1 Scale`.
    Scale,
    /// Writes a namespace's `spec.finalizers`.
    Finalize,
    /// Deletes a pod that nothing protects.
    Evict,
    /// Nothing: Kubernetes has it and this cluster has not.
    Unserved,
}

const STATUS: (&str, Action) = ("status", Action::Status);

/// The row that others differ from.
pub const BASE: Kind = Kind {
    id: Id::Unstored,
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    namespaced: true,
    subresources: &[],
    message: "",
    names: NameRule::Subdomain,
    fields: None,
    returns_deleted: false,
};

const RBAC: Kind = Kind {
    group: "rbac.authorization.k8s.io",
    names: NameRule::PathSegment,
    ..BASE
};

/// All kinds, in the order of [`Id`].
pub static KINDS: [Kind; COUNT] = [
    Kind {
        id: Id::ConfigMap,
        kind: "ConfigMap",
        plural: "configmaps",
        message: "k8s.io.api.core.v1.ConfigMap",
        ..BASE
    },
    Kind {
        id: Id::Namespace,
        kind: "Namespace",
        plural: "namespaces",
        namespaced: false,
        subresources: &[("finalize", Action::Finalize), STATUS],
        message: "k8s.io.api.core.v1.Namespace",
        names: NameRule::Label,
        fields: Some(&["status.phase"]),
        returns_deleted: true,
        ..BASE
    },
    Kind {
        id: Id::Node,
        kind: "Node",
        plural: "nodes",
        namespaced: false,
        subresources: &[STATUS],
        message: "k8s.io.api.core.v1.Node",
        fields: Some(&["spec.unschedulable"]),
        ..BASE
    },
    Kind {
        id: Id::Pod,
        kind: "Pod",
        plural: "pods",
        subresources: &[("eviction", Action::Evict), STATUS],
        message: "k8s.io.api.core.v1.Pod",
        fields: Some(&[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ]),
        returns_deleted: true,
        ..BASE
    },
    Kind {
        id: Id::Secret,
        kind: "Secret",
        plural: "secrets",
        message: "k8s.io.api.core.v1.Secret",
        fields: Some(&["type"]),
        ..BASE
    },
    Kind {
        id: Id::ServiceAccount,
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        message: "k8s.io.api.core.v1.ServiceAccount",
        returns_deleted: true,
        ..BASE
    },
    Kind {
        id: Id::Service,
        kind: "Service",
        plural: "services",
        subresources: &[STATUS],
        message: "k8s.io.api.core.v1.Service",
        names: NameRule::Dns1035,
        fields: Some(&["spec.clusterIP", "spec.type"]),
        returns_deleted: true,
        ..BASE
    },
    Kind {
        id: Id::Deployment,
        group: "apps",
        kind: "Deployment",
        plural: "deployments",
        subresources: &[("scale", Action::Scale), STATUS],
        message: "k8s.io.api.apps.v1.Deployment",
        ..BASE
    },
    Kind {
        id: Id::ClusterRoleBinding,
        kind: "ClusterRoleBinding",
        plural: "clusterrolebindings",
        namespaced: false,
        message: "k8s.io.api.rbac.v1.ClusterRoleBinding",
        ..RBAC
    },
    Kind {
        id: Id::ClusterRole,
        kind: "ClusterRole",
        plural: "clusterroles",
        namespaced: false,
        message: "k8s.io.api.rbac.v1.ClusterRole",
        ..RBAC
    },
    Kind {
        id: Id::RoleBinding,
        kind: "RoleBinding",
        plural: "rolebindings",
        message: "k8s.io.api.rbac.v1.RoleBinding",
        ..RBAC
    },
    Kind {
        id: Id::Role,
        kind: "Role",
        plural: "roles",
        message: "k8s.io.api.rbac.v1.Role",
        ..RBAC
    },
    // Never found by its name, which is empty; there is no object of it.
    BASE,
];

impl Id {
    /// The row of the table.
    pub fn kind(self) -> &'static Kind {
        &KINDS[self as usize]
    }

    /// Whether objects of this kind are RBAC policy.
    pub fn is_rbac(self) -> bool {
        matches!(
            self,
            Self::Role | Self::ClusterRole | Self::RoleBinding | Self::ClusterRoleBinding
        )
    }
}

impl Kind {
    /// The kind that `resource` of a group and version is served as in `minor`,
    /// stored or not.
    pub fn find(
        minor: Version,
        group: &str,
        version: &str,
        resource: &str,
    ) -> Option<&'static Self> {
        KINDS
            .iter()
            .chain(unstored::kinds(minor))
            .find(|k| k.plural == resource && k.group == group && k.version == version)
    }

    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        group_version(self.group, self.version)
    }

    /// The kind as bodies are read.
    pub fn form(&self) -> Form {
        Form {
            kind: wire::Kind {
                group: self.group,
                version: self.version,
                kind: self.kind,
            },
            message: self.message,
        }
    }

    /// `object` as one of this kind, whatever it says it is.
    pub fn typed(&self, object: &Value) -> Value {
        wire::with_type(object.clone(), self.form().kind)
    }

    /// What the subresource called `name` does.
    pub fn action(&self, name: &str) -> Action {
        self.subresources
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(Action::Unserved, |(_, action)| *action)
    }
}

/// `group/version`, or the version alone in the core group.
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::served;
    use super::*;

    #[test]
    fn every_kind_is_at_its_ids_place_and_has_a_type_in_every_minor() {
        for minor in Version::ALL {
            let schema = super::super::schema::schema(minor);
            for form in [SCALE, EVICTION] {
                assert!(schema.message(form.message).is_some());
            }
            for (index, kind) in KINDS.iter().enumerate() {
                assert_eq!(kind.id as usize, index, "{}", kind.kind);
                let typed = schema.message(kind.message).is_some();
                assert_eq!(typed, kind.id != Id::Unstored, "{}", kind.message);
            }
        }
    }

    /// What the table says is what Kubernetes says, in every minor.
    #[test]
    fn every_kind_is_served_by_kubernetes_in_the_same_scope() {
        for minor in Version::ALL {
            for kind in KINDS.iter().filter(|k| k.id != Id::Unstored) {
                let served = served::find(minor, kind.group, kind.version, kind.plural);
                let served = served.expect("served");
                assert_eq!(served.response_kind.kind, kind.kind);
                assert_eq!(served.namespaced(), kind.namespaced, "{}", kind.kind);
                for (name, _) in kind.subresources {
                    assert!(
                        !served.subresource_verbs(name).is_empty(),
                        "{}/{name} of {minor}",
                        kind.plural
                    );
                }
            }
        }
    }
}
