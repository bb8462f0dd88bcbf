//! The Kubernetes API server's front half, in this process: it runs no
//! workloads, and has no scheduler, kubelet or controllers other than role
//! aggregation, namespace and default service account.
pub mod request;
pub mod wire;
