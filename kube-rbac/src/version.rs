//! The only place that knows how Kubernetes' minor releases differ.

/// A Kubernetes minor release whose behaviour is imitated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Kubernetes 1.37, as in v1.37.2.
    #[default]
    V1_37,
}

impl Version {
    /// The objects that kube-apiserver creates in an empty cluster, aggregated,
    /// as a `v1` List in JSON.
    pub(crate) fn bootstrap_json(self) -> &'static str {
        match self {
            Version::V1_37 => include_str!("bootstrap/v1.37.json"),
        }
    }

    /// What the union of authorizers puts before the reason of an authorizer
    /// that had no opinion (`k8s.io/apiserver/pkg/authorization/union`; new in
    /// 1.37).
    pub(crate) fn no_opinion_prefix(self) -> &'static str {
        match self {
            Version::V1_37 => "rbac: ",
        }
    }
}
