//! The embedded cluster: our API server on a listener and a CA of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foundation::clock::{Clock, pause};
use foundation::listen::Listener;
use foundation::pki::{Ca, Leaf};
use futures_util::future::BoxFuture;
use kube_authn::config::{AnonymousAuthConfig, AuthenticationConfiguration};
use mock_apiserver::authn::{ConfigFile, Progress};
use mock_apiserver::{ApiServer, Timing};
use rustls::RootCertStore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::authn::{self, Trust};
use super::kubeconfig::Kubeconfig;
use super::{ByFile, Capabilities, Cluster, TrustError, reload, serving_names};

/// How an embedded cluster is started.
pub struct Config {
    /// The cluster's name in its kubeconfig.
    pub name: String,
    /// The host of its endpoint, where that is another than its address.
    pub host: Option<String>,
    /// The Kubernetes minor that it answers as.
    pub version: kube_rbac::Version,
    /// The time line it lives on.
    pub clock: Clock,
    /// Where its requests are recorded.
    pub audit: mock_apiserver::audit::AuditSink,
    /// Which of them, and how fully.
    pub audit_policy: mock_apiserver::audit::Policy,
    /// With or without Kubernetes' own caches.
    pub timing: Timing,
    /// CAs that issuers may have, beside the machine's own roots.
    pub issuer_cas: Vec<rustls::pki_types::CertificateDer<'static>>,
    /// Which proxy issuers are asked through.
    pub egress: mock_apiserver::authn::Egress,
    /// The IAM tokens' check, when there is one.
    pub webhook: Option<Arc<dyn mock_apiserver::authn::TokenWebhook>>,
}

/// A running embedded cluster.
pub struct Embedded {
    name: String,
    version: kube_rbac::Version,
    endpoint: String,
    address: SocketAddr,
    ca_pem: String,
    admin: Leaf,
    server: ApiServer,
    issuer_cas: Vec<rustls::pki_types::CertificateDer<'static>>,
    timing: Timing,
    told: Mutex<Told>,
    shutdown: CancellationToken,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

/// By whom it has been told whom to trust.
#[derive(Default)]
struct Told {
    /// Somebody has called [`Cluster::trust`].
    by_eks: bool,
    /// What the file that it was started with says of who is anonymous.
    anonymous: Option<AnonymousAuthConfig>,
}

/// Between two looks at the file; Kubernetes is told by the kernel.
const LOOK: Duration = Duration::from_millis(500);

impl Embedded {
    /// Serves a fresh cluster on `listener`.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn start(listener: Listener, config: Config) -> Result<Self, foundation::pki::Error> {
        let now = foundation::pki::today();
        let ca = Ca::new(&format!("rolecall cluster {}", config.name), now)?;
        let ip = listener.addr().ip().to_string();
        let mut names = serving_names(config.host.as_deref());
        if !names.contains(&ip.as_str()) {
            names.push(&ip);
        }
        let serving = ca.issue_server(&names, now)?;
        let admin = ca.issue_client("kubernetes-admin", Some("system:masters"), now)?;
        let tls = serving.server_config_with_client_auth(&ca)?;
        let server = ApiServer::new(mock_apiserver::Config {
            policy: kube_rbac::bootstrap::policy(config.version),
            version: config.version,
            clock: config.clock,
            audit: config.audit,
            audit_policy: config.audit_policy,
            cluster_ca_pem: ca.pem().to_owned(),
            timing: config.timing,
            egress: config.egress,
            ..mock_apiserver::Config::default()
        });
        server.set_token_webhook(config.webhook);
        let address = listener.addr();
        let endpoint = match config.host {
            Some(host) => format!("https://{host}"),
            None => format!("https://{address}"),
        };
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(listener.serve(tls, server.service(), shutdown.clone()));
        Ok(Self {
            name: config.name,
            version: config.version,
            endpoint,
            address,
            ca_pem: ca.pem().to_owned(),
            admin,
            server,
            issuer_cas: config.issuer_cas,
            timing: config.timing,
            told: Mutex::default(),
            shutdown,
            task: tokio::sync::Mutex::new(Some(task)),
        })
    }

    /// Trusts whom a file says, from the start, and follows it until [`Cluster::trust`]
    /// says otherwise.
    ///
    /// # Errors
    /// [`TrustError::Invalid`].
    pub fn follow(self: &Arc<Self>, mut file: ConfigFile) -> Result<(), TrustError> {
        let configuration = file.configuration().clone();
        self.lock_told().anonymous = configuration.anonymous.clone();
        // Made once: they are hundreds of files.
        let roots = self.issuer_roots();
        self.configure_with(configuration, None, roots.clone())?;
        let (cluster, shutdown) = (Arc::downgrade(self), self.shutdown.clone());
        let following = async move {
            loop {
                pause(LOOK).await;
                match cluster.upgrade() {
                    Some(cluster) if cluster.looks_at(&mut file, &roots) => {}
                    _ => return,
                }
            }
        };
        tokio::spawn(async move { shutdown.run_until_cancelled(following).await });
        Ok(())
    }

    /// One look at the file: whether it counts still.
    fn looks_at(&self, file: &mut ConfigFile, roots: &RootCertStore) -> bool {
        let told = self.lock_told();
        if !told.by_eks {
            self.server.look_at_configuration(file, roots);
        }
        !told.by_eks
    }

    fn lock_told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces whom it trusts; who is named in it is looked for from now on.
    ///
    /// # Errors
    /// [`TrustError::Invalid`].
    pub fn configure(
        &self,
        configuration: AuthenticationConfiguration,
        signing_algs: Option<Vec<String>>,
    ) -> Result<(), TrustError> {
        self.configure_with(configuration, signing_algs, self.issuer_roots())
    }

    fn configure_with(
        &self,
        configuration: AuthenticationConfiguration,
        signing_algs: Option<Vec<String>>,
        roots: RootCertStore,
    ) -> Result<(), TrustError> {
        self.server
            .set_authentication(configuration, signing_algs, roots)
            .map_err(|error| TrustError::Invalid(error.to_string()))
    }

    /// Replaces whom it trusts, whatever a file says from now on. Who is anonymous a
    /// server knows from its start.
    fn configure_as_told(&self, rendered: authn::Rendered) -> Result<(), TrustError> {
        let mut told = self.lock_told();
        let mut configuration = rendered.configuration;
        configuration.anonymous = told.anonymous.clone();
        self.configure(configuration, rendered.signing_algs)?;
        told.by_eks = true;
        Ok(())
    }

    /// Whether a token of the issuer's that is junk fails for its signature alone.
    async fn knows_keys(&self, trust: &Trust) -> Result<(), TrustError> {
        match self.server.review_token(&reload::junk_token(trust)).await {
            Err(why) if why.contains(reload::BAD_SIGNATURE) => Ok(()),
            Err(why) => Err(TrustError::IssuerUnreachable(why)),
            Ok(_) => Err(TrustError::Broken(
                "a token with a signature that is junk is taken".to_owned(),
            )),
        }
    }

    /// The machine's roots and the CAs of the issuers that run beside us.
    fn issuer_roots(&self) -> RootCertStore {
        let mut roots = crate::client::system_roots();
        roots.add_parsable_certificates(self.issuer_cas.iter().cloned());
        roots
    }
}

impl Cluster for Embedded {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    fn admin_kubeconfig(&self) -> Option<Kubeconfig> {
        let admin = Kubeconfig::of_admin(&self.name, &self.endpoint, &self.ca_pem, &self.admin);
        Some(admin)
    }

    fn admin(&self) -> Option<&Leaf> {
        Some(&self.admin)
    }

    fn release(&self) -> &str {
        self.version.release()
    }

    fn trust<'a>(&'a self, trust: Option<&'a Trust>) -> BoxFuture<'a, Result<(), TrustError>> {
        Box::pin(async move {
            let rendered = match trust {
                Some(trust) => authn::render(trust).map_err(TrustError::Invalid)?,
                None => authn::Rendered::default(),
            };
            self.configure_as_told(rendered)?;
            let ready = match self.timing {
                Timing::Instant => self.server.issuers_ready().await,
                Timing::Kubernetes => self.server.configuration_in_force().await,
            };
            ready.map_err(TrustError::IssuerUnreachable)?;
            match trust {
                Some(trust) => self.knows_keys(trust).await,
                None => Ok(()),
            }
        })
    }

    fn by_file(&self) -> Vec<ByFile> {
        // Before EKS' word nobody but the file has named an issuer.
        if self.lock_told().by_eks {
            return Vec::new();
        }
        let issuers = self.server.issuers().into_iter();
        let by_file = issuers.map(|issuer| ByFile {
            trust: Trust::of(&issuer.configuration),
            trouble: match issuer.progress {
                Progress::Failed(why) => Some(format!("its keys cannot be had: {why}")),
                Progress::Starting | Progress::Ready => None,
            },
            audiences: issuer.configuration.issuer.audiences,
        });
        by_file.collect()
    }

    fn capabilities(&self) -> Capabilities {
        let (reloads_in, cached_for) = match self.timing {
            Timing::Instant => (Duration::ZERO, Duration::ZERO),
            Timing::Kubernetes => (reload::HEALTH_CHECK, reload::SUCCESS_CACHE),
        };
        Capabilities {
            name: "embedded",
            follows_our_clock: true,
            takes_all_algorithms: false,
            reloads_in,
            cached_for,
            settles: Duration::ZERO,
        }
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.shutdown.cancel();
            if let Some(task) = self.task.lock().await.take() {
                // A panic in the accept loop was counted by the panic hook.
                let _ = task.await;
            }
        })
    }
}
