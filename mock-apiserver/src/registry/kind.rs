//! The kinds that are served: one table, from which routes, discovery,
//! selectors and messages come.

use serde_json::Value;

use super::names::NameRule;
use crate::wire;

/// A served kind, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
#[allow(missing_docs, reason = "the variants are Kubernetes' kinds")]
pub enum Id {
    ConfigMap,
    Event,
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
    /// `deployment`.
    pub singular: &'static str,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// What kubectl accepts for short.
    pub short_names: &'static [&'static str],
    /// Groups of kinds, such as `all`.
    pub categories: &'static [&'static str],
    /// The verbs of the resource itself.
    pub verbs: &'static [&'static str],
    /// What hangs below an object.
    pub subresources: &'static [Subresource],
    /// The hash that discovery shows (of group, version and kind).
    pub storage_version_hash: &'static str,
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

/// A subresource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// The last part of the path.
    pub name: &'static str,
    /// What it does.
    pub action: Action,
    /// Its verbs.
    pub verbs: &'static [&'static str],
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

/// What a subresource does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reads and writes `status` alone.
    Status,
    /// Reads and writes `spec.replicas` as an `autoscaling/v1 Scale`.
    Scale,
    /// Writes a namespace's `spec.finalizers`.
    Finalize,
}

const ALL_VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const NAMESPACE_VERBS: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];
const SUBRESOURCE_VERBS: &[&str] = &["get", "patch", "update"];

const STATUS: Subresource = Subresource {
    name: "status",
    action: Action::Status,
    verbs: SUBRESOURCE_VERBS,
};

const BASE: Kind = Kind {
    id: Id::ConfigMap,
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    singular: "",
    namespaced: true,
    short_names: &[],
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[],
    storage_version_hash: "",
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

/// All kinds, in the order of [`Id`], which is discovery's within a group.
pub static KINDS: [Kind; COUNT] = [
    Kind {
        id: Id::ConfigMap,
        kind: "ConfigMap",
        plural: "configmaps",
        singular: "configmap",
        short_names: &["cm"],
        storage_version_hash: "qFsyl6wFWjQ=",
        message: "k8s.io.api.core.v1.ConfigMap",
        ..BASE
    },
    Kind {
        id: Id::Event,
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        verbs: &["get", "list", "watch"],
        storage_version_hash: "r2yiGXH7wu8=",
        message: "k8s.io.api.core.v1.Event",
        fields: Some(&[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]),
        ..BASE
    },
    Kind {
        id: Id::Namespace,
        kind: "Namespace",
        plural: "namespaces",
        singular: "namespace",
        namespaced: false,
        short_names: &["ns"],
        verbs: NAMESPACE_VERBS,
        subresources: &[
            Subresource {
                name: "finalize",
                action: Action::Finalize,
                verbs: &["update"],
            },
            STATUS,
        ],
        storage_version_hash: "Q3oi5N2YM8M=",
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
        singular: "node",
        namespaced: false,
        short_names: &["no"],
        subresources: &[STATUS],
        storage_version_hash: "XwShjMxG9Fs=",
        message: "k8s.io.api.core.v1.Node",
        fields: Some(&["spec.unschedulable"]),
        ..BASE
    },
    Kind {
        id: Id::Pod,
        kind: "Pod",
        plural: "pods",
        singular: "pod",
        short_names: &["po"],
        categories: &["all"],
        subresources: &[STATUS],
        storage_version_hash: "xPOwRZ+Yhw8=",
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
        singular: "secret",
        storage_version_hash: "S6u1pOWzb84=",
        message: "k8s.io.api.core.v1.Secret",
        fields: Some(&["type"]),
        ..BASE
    },
    Kind {
        id: Id::ServiceAccount,
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short_names: &["sa"],
        storage_version_hash: "pbx9ZvyFpBE=",
        message: "k8s.io.api.core.v1.ServiceAccount",
        returns_deleted: true,
        ..BASE
    },
    Kind {
        id: Id::Service,
        kind: "Service",
        plural: "services",
        singular: "service",
        short_names: &["svc"],
        categories: &["all"],
        subresources: &[STATUS],
        storage_version_hash: "0/CO1lhkEBI=",
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
        singular: "deployment",
        short_names: &["deploy"],
        categories: &["all"],
        subresources: &[
            Subresource {
                name: "scale",
                action: Action::Scale,
                verbs: SUBRESOURCE_VERBS,
            },
            STATUS,
        ],
        storage_version_hash: "8aSe+NMegvE=",
        message: "k8s.io.api.apps.v1.Deployment",
        ..BASE
    },
    Kind {
        id: Id::ClusterRoleBinding,
        kind: "ClusterRoleBinding",
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        namespaced: false,
        storage_version_hash: "48tpQ8gZHFc=",
        message: "k8s.io.api.rbac.v1.ClusterRoleBinding",
        ..RBAC
    },
    Kind {
        id: Id::ClusterRole,
        kind: "ClusterRole",
        plural: "clusterroles",
        singular: "clusterrole",
        namespaced: false,
        storage_version_hash: "bYE5ZWDrJ44=",
        message: "k8s.io.api.rbac.v1.ClusterRole",
        ..RBAC
    },
    Kind {
        id: Id::RoleBinding,
        kind: "RoleBinding",
        plural: "rolebindings",
        singular: "rolebinding",
        storage_version_hash: "eGsCzGH6b1g=",
        message: "k8s.io.api.rbac.v1.RoleBinding",
        ..RBAC
    },
    Kind {
        id: Id::Role,
        kind: "Role",
        plural: "roles",
        singular: "role",
        storage_version_hash: "7FuwZcIIItM=",
        message: "k8s.io.api.rbac.v1.Role",
        ..RBAC
    },
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
    /// The kind served as `resource` of a group and version.
    pub fn find(group: &str, version: &str, resource: &str) -> Option<&'static Self> {
        KINDS
            .iter()
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

    /// The subresource called `name`.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|s| s.name == name)
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
    use super::*;

    #[test]
    fn every_kind_is_at_its_ids_place_and_has_a_type() {
        let schema = super::super::schema::schema();
        assert!(schema.message(SCALE.message).is_some());
        for (index, kind) in KINDS.iter().enumerate() {
            assert_eq!(kind.id as usize, index, "{}", kind.kind);
            assert_eq!(
                super::super::schema::schema()
                    .message(kind.message)
                    .is_some(),
                kind.id != Id::Event,
                "{}",
                kind.message
            );
        }
    }
}
