//! The four kinds of `rbac.authorization.k8s.io/v1`, as values.
//!
//! A `Role` without a namespace is a ClusterRole and a `Binding` without one a
//! ClusterRoleBinding: the rules for both are the same but for where they
//! reach.

use std::collections::BTreeMap;

/// The API group of the RBAC kinds, and of `User` and `Group` subjects.
pub const API_GROUP: &str = "rbac.authorization.k8s.io";

/// One rule of a role; either about resources or about non-resource URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyRule {
    /// Verbs, or `*`.
    pub verbs: Vec<String>,
    /// API groups, `""` for the core group, or `*`.
    pub api_groups: Vec<String>,
    /// `resource`, `resource/subresource`, `*/subresource` or `*`.
    pub resources: Vec<String>,
    /// When not empty, the only names for which the rule holds.
    pub resource_names: Vec<String>,
    /// Paths: exact, with a trailing `*`, or `*`.
    pub non_resource_urls: Vec<String>,
}

/// A Role, or a ClusterRole when it has no namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// `None` for a ClusterRole.
    pub namespace: Option<String>,
    /// `metadata.name`
    pub name: String,
    /// `metadata.labels`, which aggregation selects by.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`
    pub annotations: BTreeMap<String, String>,
    /// What the role allows.
    pub rules: Vec<PolicyRule>,
    /// `aggregationRule.clusterRoleSelectors`; `None` without aggregationRule.
    pub aggregation: Option<Vec<LabelSelector>>,
}

/// A RoleBinding, or a ClusterRoleBinding when it has no namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// `None` for a ClusterRoleBinding.
    pub namespace: Option<String>,
    /// `metadata.name`
    pub name: String,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`
    pub annotations: BTreeMap<String, String>,
    /// Who is given the role.
    pub subjects: Vec<SubjectRef>,
    /// The role that is given.
    pub role_ref: RoleRef,
}

/// One subject of a binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubjectRef {
    /// `User`, `Group` or `ServiceAccount`; anything else matches nobody.
    pub kind: String,
    /// Not looked at when a request is decided.
    pub api_group: String,
    /// The user's, group's or service account's name.
    pub name: String,
    /// Of a service account; in a RoleBinding it may be left empty.
    pub namespace: String,
}

/// The role that a binding refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RoleRef {
    /// `rbac.authorization.k8s.io`; not looked at when a request is decided.
    pub api_group: String,
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// The role's name.
    pub name: String,
}

/// `metav1.LabelSelector`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Labels that must be there with these values.
    pub match_labels: BTreeMap<String, String>,
    /// Requirements that must all hold.
    pub match_expressions: Vec<Requirement>,
}

/// `metav1.LabelSelectorRequirement`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// For `In` and `NotIn`.
    pub values: Vec<String>,
}

/// Any object that a policy is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// Role or ClusterRole
    Role(Role),
    /// RoleBinding or ClusterRoleBinding
    Binding(Binding),
}

impl Role {
    /// `Role` or `ClusterRole`
    pub fn kind(&self) -> &'static str {
        if self.namespace.is_some() {
            "Role"
        } else {
            "ClusterRole"
        }
    }
}

impl Binding {
    /// `RoleBinding` or `ClusterRoleBinding`
    pub fn kind(&self) -> &'static str {
        if self.namespace.is_some() {
            "RoleBinding"
        } else {
            "ClusterRoleBinding"
        }
    }
}

impl Object {
    /// `Role`, `ClusterRole`, `RoleBinding` or `ClusterRoleBinding`
    pub fn kind(&self) -> &'static str {
        match self {
            Object::Role(role) => role.kind(),
            Object::Binding(binding) => binding.kind(),
        }
    }

    /// `metadata.namespace`; `None` for the cluster-wide kinds.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Object::Role(role) => role.namespace.as_deref(),
            Object::Binding(binding) => binding.namespace.as_deref(),
        }
    }

    /// `metadata.name`
    pub fn name(&self) -> &str {
        match self {
            Object::Role(role) => &role.name,
            Object::Binding(binding) => &binding.name,
        }
    }
}

impl SubjectRef {
    /// A user, by name.
    pub fn user(name: impl Into<String>) -> Self {
        SubjectRef {
            kind: "User".into(),
            api_group: API_GROUP.into(),
            name: name.into(),
            namespace: String::new(),
        }
    }

    /// A group, by name.
    pub fn group(name: impl Into<String>) -> Self {
        SubjectRef {
            kind: "Group".into(),
            ..SubjectRef::user(name)
        }
    }

    /// A service account; with an empty namespace, that of its RoleBinding.
    pub fn service_account(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        SubjectRef {
            kind: "ServiceAccount".into(),
            api_group: String::new(),
            name: name.into(),
            namespace: namespace.into(),
        }
    }
}

impl RoleRef {
    /// A reference to a ClusterRole.
    pub fn cluster_role(name: impl Into<String>) -> Self {
        RoleRef {
            api_group: API_GROUP.into(),
            kind: "ClusterRole".into(),
            name: name.into(),
        }
    }

    /// A reference to a Role in the binding's own namespace.
    pub fn role(name: impl Into<String>) -> Self {
        RoleRef {
            kind: "Role".into(),
            ..RoleRef::cluster_role(name)
        }
    }
}

impl LabelSelector {
    /// Whether the labels are selected; `None` when the selector is not a
    /// valid one (`metav1.LabelSelectorAsSelector` would fail).
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> Option<bool> {
        use crate::names::{label_key, label_value};
        let version = crate::Version::default();
        let labels_ok = self
            .match_labels
            .iter()
            .all(|(k, v)| label_key(version, k).is_empty() && label_value(version, v).is_empty());
        let expressions_ok = self.match_expressions.iter().all(|r| {
            label_key(version, &r.key).is_empty()
                && r.values.iter().all(|v| label_value(version, v).is_empty())
                && match r.operator.as_str() {
                    "In" | "NotIn" => !r.values.is_empty(),
                    "Exists" | "DoesNotExist" => r.values.is_empty(),
                    _ => false,
                }
        });
        if !labels_ok || !expressions_ok {
            return None;
        }
        let all_labels = self
            .match_labels
            .iter()
            .all(|(k, v)| labels.get(k) == Some(v));
        Some(all_labels && self.match_expressions.iter().all(|r| r.holds(labels)))
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|v| self.values.contains(v)),
            "NotIn" => value.is_none_or(|v| !self.values.contains(v)),
            "Exists" => value.is_some(),
            _ => value.is_none(),
        }
    }
}
