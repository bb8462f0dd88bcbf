//! The embedded cluster: our API server on a listener and a CA of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use foundation::clock::Clock;
use foundation::listen::Listener;
use foundation::pki::{Ca, Leaf};
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use mock_apiserver::ApiServer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::authn::{self, Trust};
use super::kubeconfig::{Credential, Kubeconfig};
use super::{Capabilities, Cluster, TrustError};

/// How an embedded cluster is started.
pub struct Config {
    /// The cluster's name in its kubeconfig.
    pub name: String,
    /// The host of its endpoint, where that is another than its address.
    pub host: Option<String>,
    /// The time line it lives on.
    pub clock: Clock,
    /// Where its requests are recorded.
    pub audit: mock_apiserver::audit::AuditSink,
    /// With or without Kubernetes' own caches.
    pub timing: mock_apiserver::Timing,
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
    endpoint: String,
    address: SocketAddr,
    ca_pem: String,
    admin: Leaf,
    server: ApiServer,
    issuer_cas: Vec<rustls::pki_types::CertificateDer<'static>>,
    shutdown: CancellationToken,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Embedded {
    /// Serves a fresh cluster on `listener`.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn start(listener: Listener, config: Config) -> Result<Self, foundation::pki::Error> {
        let now = foundation::pki::today();
        let ca = Ca::new(&format!("rolecall cluster {}", config.name), now)?;
        let mut names = vec![
            "127.0.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default.svc",
        ];
        names.extend(config.host.as_deref());
        let serving = ca.issue_server(&names, now)?;
        let admin = ca.issue_client("kubernetes-admin", Some("system:masters"), now)?;
        let tls = serving.server_config_with_client_auth(&ca)?;
        let server = ApiServer::new(mock_apiserver::Config {
            clock: config.clock,
            audit: config.audit,
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
            endpoint,
            address,
            ca_pem: ca.pem().to_owned(),
            admin,
            server,
            issuer_cas: config.issuer_cas,
            shutdown,
            task: tokio::sync::Mutex::new(Some(task)),
        })
    }

    /// The machine's roots and the CAs of the issuers that run beside us.
    fn issuer_roots(&self) -> rustls::RootCertStore {
        let mut roots = crate::client::system_roots();
        roots.add_parsable_certificates(self.issuer_cas.iter().cloned());
        roots
    }
}

impl Cluster for Embedded {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    fn admin_kubeconfig(&self) -> Kubeconfig {
        Kubeconfig {
            name: self.name.clone(),
            server: self.endpoint.clone(),
            ca_pem: self.ca_pem.clone(),
            user: "kubernetes-admin".to_owned(),
            credential: Credential::ClientCertificate {
                certificate: self.admin.certificate_pem.clone(),
                key: Secret::new(self.admin.key_pem()),
            },
        }
    }

    fn admin(&self) -> &Leaf {
        &self.admin
    }

    fn trust<'a>(&'a self, trust: Option<&'a Trust>) -> BoxFuture<'a, Result<(), TrustError>> {
        Box::pin(async move {
            let rendered = match trust {
                Some(trust) => authn::render(trust).map_err(TrustError::Invalid)?,
                None => authn::Rendered::default(),
            };
            self.server
                .set_authentication(
                    rendered.configuration,
                    rendered.signing_algs,
                    self.issuer_roots(),
                )
                .map_err(|error| TrustError::Invalid(error.to_string()))?;
            self.server
                .issuers_ready()
                .await
                .map_err(TrustError::IssuerUnreachable)
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            follows_our_clock: true,
            name: "embedded",
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
