//! What can stand in the chain as "the cluster", behind one trait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foundation::pki::Leaf;
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use tokio::sync::watch as channel;

pub mod api_server;
pub mod authn;
pub mod control_plane;
pub mod embedded;
pub mod existing;
mod health;
pub mod kind;
pub mod kubeconfig;
mod reload;

use authn::Trust;
use existing::Made;
pub use kube_rbac::Version;
use kubeconfig::Kubeconfig;

use crate::client::{As, Broken, KubeClient};

/// A running cluster that can be told whom to trust.
pub trait Cluster: Send + Sync {
    /// The API server's base URL, without a trailing slash.
    fn endpoint(&self) -> &str;

    /// Where it listens on this machine, whatever name its endpoint has; none
    /// where it was there before us.
    fn address(&self) -> Option<SocketAddr>;

    /// PEM of the CA that signed its serving certificate.
    fn ca_pem(&self) -> &str;

    /// A kubeconfig of group `system:masters`; none where somebody else has it.
    fn admin_kubeconfig(&self) -> Option<Kubeconfig>;

    /// The administrator's client certificate, likewise.
    fn admin(&self) -> Option<&Leaf>;

    /// What asks it, through the proxy `via` where names are AWS'.
    ///
    /// # Errors
    /// [`Broken`] when TLS cannot be set up.
    fn client(&self, via: Option<&str>) -> Result<KubeClient, Broken> {
        let admin = self.admin();
        let admin = admin.ok_or_else(|| Broken::new("ask the cluster", "nobody may"))?;
        KubeClient::new(self.endpoint(), self.ca_pem(), admin, via)
    }

    /// The release that it is, or answers as: for example `v1.37.2`.
    fn release(&self) -> &str;

    /// Makes the cluster trust the tokens of one issuer (`None`: of nobody)
    /// and returns when it does: a token of that issuer with a junk signature
    /// then fails for its signature.
    ///
    /// # Errors
    /// [`TrustError`]: the configuration is invalid, or the issuer's keys
    /// cannot be had.
    fn trust<'a>(&'a self, trust: Option<&'a Trust>) -> BoxFuture<'a, Result<(), TrustError>>;

    /// Whom it trusts by a file that it was started with, as long as that counts.
    fn by_file(&self) -> Vec<ByFile> {
        Vec::new()
    }

    /// How people become identities there.
    fn identities(&self) -> Identities {
        Identities::Told
    }

    /// Takes note of a real ID token, before anything is asked with it or made of it.
    ///
    /// # Errors
    /// [`Broken`]: the cluster does not answer.
    fn meet<'a>(&'a self, _token: &'a Secret<String>) -> BoxFuture<'a, Result<(), Broken>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// As whom the owner of `token` asks.
    ///
    /// # Errors
    /// [`Broken`]: the issuer does not answer.
    fn identify<'a>(
        &'a self,
        token: &'a Secret<String>,
    ) -> BoxFuture<'a, Result<Identified, Broken>> {
        Box::pin(std::future::ready(Ok(Ok(As::Bearer(token.clone())))))
    }

    /// What may be changed there.
    fn writes(&self) -> Writes {
        Writes::Free
    }

    /// What it cannot do.
    fn capabilities(&self) -> Capabilities;

    /// Returns when the cluster is found broken, with why and the end of a log;
    /// as long as it works it does not.
    fn broken(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    /// Stops it; nothing of it is left running.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// An issuer that a cluster trusts by its own AuthenticationConfiguration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByFile {
    /// Whom, in EKS' words.
    pub trust: Trust,
    /// All audiences.
    pub audiences: Vec<String>,
    /// Why its tokens cannot be verified.
    pub trouble: Option<String>,
}

/// As whom somebody asks; or why a token makes them nobody, which the cluster was
/// not asked about.
pub type Identified = Result<As, String>;

/// How people become identities at a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identities {
    /// They show their tokens, and the cluster was told whom to trust.
    Told,
    /// They show their tokens, and the cluster trusts the issuer by itself.
    Own(String),
    /// Its administrator asks for them.
    Impersonated(String),
}

impl Identities {
    /// A sentence for reports, where it is not the usual way.
    pub fn said(&self) -> Option<&str> {
        match self {
            Self::Told => None,
            Self::Own(said) | Self::Impersonated(said) => Some(said),
        }
    }
}

/// What may be changed in a cluster.
#[derive(Clone)]
pub enum Writes {
    /// Anything: it is ours.
    Free,
    /// Nothing.
    Forbidden,
    /// What was made there, which is noted, labelled and removed.
    Noted(Arc<Made>),
}

/// What can stand in the chain as "the cluster".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Our own API server, in this process.
    #[default]
    Embedded,
    /// Kubernetes' own, as child processes.
    ControlPlane,
    /// A node of kind, with a kubelet and all that belongs to it.
    Kind,
    /// One that is there already, by a context of a kubeconfig.
    Existing,
}

impl Kind {
    /// All that are made here.
    pub const ALL: [Self; 3] = [Self::Embedded, Self::ControlPlane, Self::Kind];

    /// As `--cluster` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::ControlPlane => "control-plane",
            Self::Kind => "kind",
            Self::Existing => "kubeconfig",
        }
    }
}

/// What a kind of cluster can and cannot do; scenarios that need more are
/// skipped with that reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The kind's name, for reports.
    pub name: &'static str,
    /// Whether it follows the clock that it was handed. Where it does not, a
    /// token of another time is forged at the identity provider instead.
    pub follows_our_clock: bool,
    /// Whether it takes all nine signing algorithms, where EKS takes RS256 alone:
    /// an API server's configuration file has no word for them.
    pub takes_all_algorithms: bool,
    /// How long it takes to trust another issuer.
    pub reloads_in: Duration,
    /// How long a token that was accepted goes on being so, whatever happens.
    pub cached_for: Duration,
    /// How long after a change of RBAC objects its answers may still be those
    /// from before it.
    pub settles: Duration,
}

impl Capabilities {
    /// What it cannot do, a sentence each.
    pub fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        if !self.follows_our_clock {
            limits.push(
                "its clock does not follow ours: a token of another time is forged at the identity provider instead"
                    .to_owned(),
            );
        }
        if self.takes_all_algorithms {
            limits.push("it takes all nine signing algorithms, where EKS takes RS256".to_owned());
        }
        if !self.reloads_in.is_zero() {
            limits.push(format!(
                "another issuer takes it about {} s to trust",
                self.reloads_in.as_secs()
            ));
        }
        if !self.cached_for.is_zero() {
            limits.push(format!(
                "a token that it accepted it accepts for {} s more",
                self.cached_for.as_secs()
            ));
        }
        if !self.settles.is_zero() {
            limits.push("a change of RBAC takes effect a moment later".to_owned());
        }
        limits
    }
}

/// How soon a watch tells of what is broken.
const WATCHED_WITHIN: Duration = Duration::from_secs(5);

/// What comes of asking a cluster, unless its watch finds it broken; and where the
/// question had no answer, what the watch says of it, which is more.
async fn unless_broken(
    asked: impl Future<Output = Result<(), TrustError>>,
    mut broken: BoxFuture<'_, String>,
) -> Result<(), TrustError> {
    tokio::select! {
        why = &mut broken => Err(TrustError::Broken(why)),
        outcome = asked => match outcome {
            Err(TrustError::Broken(said)) => {
                let why = foundation::clock::limit(WATCHED_WITHIN, broken).await;
                Err(TrustError::Broken(why.unwrap_or(said)))
            }
            outcome => outcome,
        },
    }
}

/// What a watch told, or will tell; nothing once it was stopped.
fn told(broken: &channel::Receiver<Option<String>>) -> BoxFuture<'static, String> {
    let mut broken = broken.clone();
    Box::pin(async move {
        if let Ok(why) = broken.wait_for(Option::is_some).await
            && let Some(why) = why.clone()
        {
            return why;
        }
        // Nobody looks any more.
        std::future::pending().await
    })
}

/// The names in an API server's certificate; `host` is its public one.
fn serving_names(host: Option<&str>) -> Vec<&str> {
    let own = [
        "127.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default.svc",
    ];
    own.into_iter().chain(host).collect()
}

/// Why a cluster does not trust an issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Kubernetes would refuse to start with this configuration.
    #[error("{0}")]
    Invalid(String),
    /// The configuration is in force, but the issuer does not answer.
    #[error("the issuer's keys cannot be had: {0}")]
    IssuerUnreachable(String),
    /// The cluster is not what it should be.
    #[error("{0}")]
    Broken(String),
}
