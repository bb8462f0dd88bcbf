//! What can stand in the chain as "the cluster", behind one trait.

use std::net::SocketAddr;

use foundation::pki::Leaf;
use futures_util::future::BoxFuture;

pub mod authn;
pub mod embedded;
pub mod kubeconfig;

use authn::Trust;
use kubeconfig::Kubeconfig;

/// A running cluster that can be told whom to trust.
pub trait Cluster: Send + Sync {
    /// The API server's base URL, without a trailing slash.
    fn endpoint(&self) -> &str;

    /// Where it listens on this machine, whatever name its endpoint has.
    fn address(&self) -> SocketAddr;

    /// PEM of the CA that signed its serving certificate.
    fn ca_pem(&self) -> &str;

    /// A kubeconfig of group `system:masters`.
    fn admin_kubeconfig(&self) -> Kubeconfig;

    /// The administrator's client certificate.
    fn admin(&self) -> &Leaf;

    /// Makes the cluster trust the tokens of one issuer (`None`: of nobody)
    /// and returns when it does: a token of that issuer with a junk signature
    /// then fails for its signature.
    ///
    /// # Errors
    /// [`TrustError`]: the configuration is invalid, or the issuer's keys
    /// cannot be had.
    fn trust<'a>(&'a self, trust: Option<&'a Trust>) -> BoxFuture<'a, Result<(), TrustError>>;

    /// What it cannot do.
    fn capabilities(&self) -> Capabilities;

    /// Stops it; nothing of it is left running.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// What a kind of cluster can and cannot do; scenarios that need more are
/// skipped with that reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it follows the clock that it was handed.
    pub follows_our_clock: bool,
    /// The kind's name, for reports.
    pub name: &'static str,
}

/// Why a cluster does not trust an issuer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TrustError {
    /// Kubernetes would refuse to start with this configuration.
    #[error("{0}")]
    Invalid(String),
    /// The configuration is in force, but the issuer does not answer.
    #[error("the issuer's keys cannot be had: {0}")]
    IssuerUnreachable(String),
}
