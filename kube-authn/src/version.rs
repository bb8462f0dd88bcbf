//! The only place that knows how Kubernetes minors differ.
//!
//! For this crate they do not: `oidc.go` and the validation of
//! AuthenticationConfiguration are byte-identical in 1.35.4, 1.36.3 and 1.37.2,
//! and 1.36 and 1.37 pin the same go-oidc. The type exists so that a difference
//! has a place to go when one comes.

/// A Kubernetes minor release that verdicts can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// 1.37, proven against v1.37.2.
    #[default]
    V1_37,
}
