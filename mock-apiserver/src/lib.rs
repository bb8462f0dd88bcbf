//! The Kubernetes API server's front half, in this process: it runs no
//! workloads, and has no scheduler, kubelet or controllers other than role
//! aggregation, namespace and default service account.
//!
//! An [`ApiServer`] is a tower service. It authenticates requests by client
//! certificate, bearer token or not at all, lets the allowed ones act as
//! others, authorises them by RBAC, records them, and answers reviews,
//! discovery and requests on objects as Kubernetes would. It binds no socket,
//! and knows nothing of who issues its tokens but what discovery at the
//! configured issuers tells.

pub mod audit;
pub mod authn;
pub mod authz;
mod chain;
mod handler;
mod impersonation;
pub mod registry;
pub mod request;
mod review;
pub mod wire;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use foundation::clock::Clock;
use kube_authn::config::AuthenticationConfiguration;
use kube_authn::{ConfigError, User};
use kube_rbac::{Policy, Version};
use rustls::RootCertStore;

use audit::AuditSink;
pub use authn::Timing;
use authn::{Authenticators, IssuerStatus, TokenWebhook};
use authz::Authorizer;
use impersonation::Impersonation;
use registry::Registry;
use request::RequestInfo;

/// How an API server is made.
#[derive(Clone)]
pub struct Config {
    /// The time line it lives on.
    pub clock: Clock,
    /// The Kubernetes release whose behaviour is imitated.
    pub version: Version,
    /// The roles and bindings it starts with; Kubernetes' own by default.
    pub policy: Policy,
    /// Where requests are recorded; nowhere by default.
    pub audit: AuditSink,
    /// Which requests are recorded, and how fully.
    pub audit_policy: audit::Policy,
    /// With or without Kubernetes' own delays.
    pub timing: Timing,
    /// Which proxy issuers are asked through.
    pub egress: authn::Egress,
    /// Whether requests without credentials are let in as
    /// `system:anonymous`, which they are by default.
    pub anonymous: bool,
    /// PEM of its own CA, which every namespace has in `kube-root-ca.crt`.
    pub cluster_ca_pem: String,
}

/// The API server's own audience, and so no issuer to trust (`--service-account-issuer`).
pub const SERVICE_ACCOUNT_ISSUER: &str = "https://kubernetes.default.svc";

impl Default for Config {
    fn default() -> Self {
        let version = Version::default();
        Self {
            clock: Clock::system(),
            version,
            policy: kube_rbac::bootstrap::policy(version),
            audit: AuditSink::off(),
            audit_policy: audit::Policy::default(),
            timing: Timing::default(),
            egress: authn::Egress::default(),
            anonymous: true,
            cluster_ca_pem: String::new(),
        }
    }
}

/// One API server. Cloning it gives another handle on the same one.
#[derive(Clone)]
pub struct ApiServer(Arc<Inner>);

struct Inner {
    clock: Clock,
    audit: AuditSink,
    audit_policy: audit::Policy,
    authenticators: Authenticators,
    authorizer: Authorizer,
    impersonation: Impersonation,
    registry: Registry,
}

impl ApiServer {
    /// A server with the default objects and no issuer to trust.
    pub fn new(config: Config) -> Self {
        let authorizer = Authorizer::new(config.version, config.policy);
        Self(Arc::new(Inner {
            authenticators: Authenticators::new(
                config.version,
                config.clock.clone(),
                config.timing,
                config.egress,
                config.anonymous,
                vec![SERVICE_ACCOUNT_ISSUER.to_owned()],
            ),
            impersonation: Impersonation::new(authorizer.clone()),
            registry: Registry::new(
                config.clock.clone(),
                authorizer.clone(),
                config.cluster_ca_pem,
            ),
            authorizer,
            clock: config.clock,
            audit: config.audit,
            audit_policy: config.audit_policy,
        }))
    }

    /// The service. Requests carry a [`foundation::listen::Peer`] among their
    /// extensions where the listener knows one; without it there are no
    /// client certificates.
    pub fn service(&self) -> Router {
        let server = self.clone();
        Router::new().fallback_service(tower::service_fn(move |request: http::Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(chain::handle(server, request).await) }
        }))
    }

    /// Replaces all JWT authenticators. Each new one looks for its issuer's
    /// keys at once, over HTTPS and trusting `roots` (or the issuer's own
    /// `certificateAuthority`); until it has found them its tokens are refused.
    /// `signing_algs` is what the `--oidc-*` flags allow; without it all nine
    /// algorithms are, as for a configuration file. It must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// What is wrong with an entry; nothing is changed then.
    pub fn set_authentication(
        &self,
        configuration: AuthenticationConfiguration,
        signing_algs: Option<Vec<String>>,
        roots: RootCertStore,
    ) -> Result<(), ConfigError> {
        self.0
            .authenticators
            .configure(&configuration, signing_algs.as_deref(), &roots)
    }

    /// Looks at the file that it was started with, as kube-apiserver does when it
    /// changes: what is new is configured ([`Self::set_authentication`]); what is wrong
    /// with it is logged, once, and what was before stays.
    pub fn look_at_configuration(&self, file: &mut authn::ConfigFile, roots: &RootCertStore) {
        self.0.authenticators.look_at(file, roots);
    }

    /// Replaces who else is asked about tokens.
    pub fn set_token_webhook(&self, webhook: Option<Arc<dyn TokenWebhook>>) {
        self.0.authenticators.set_webhook(webhook);
    }

    /// Waits until every configured issuer's tokens can be verified.
    ///
    /// # Errors
    /// The issuer and why it could not be reached: as soon as one attempt has
    /// failed, or after ten real seconds. The server goes on trying.
    pub async fn issuers_ready(&self) -> Result<(), String> {
        self.0.authenticators.ready().await
    }

    /// Judges a token as a TokenReview does: whose it is, or why it is nobody's.
    ///
    /// # Errors
    /// Kubernetes' words.
    pub async fn review_token(&self, token: &str) -> Result<Option<User>, String> {
        self.0.authenticators.review(token, &[]).await
    }

    /// Waits until the latest configuration is in force: at once, or with
    /// [`Timing::Kubernetes`] when all its issuers are healthy.
    ///
    /// # Errors
    /// Which issuers were not within a minute of the injected clock. The server
    /// goes on trying, and keeps the configuration from before meanwhile.
    pub async fn configuration_in_force(&self) -> Result<(), String> {
        self.0.authenticators.in_force().await
    }

    /// The configured issuers and how far each one's initialisation is.
    pub fn issuers(&self) -> Vec<IssuerStatus> {
        self.0.authenticators.issuers()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn audit(&self) -> &AuditSink {
        &self.0.audit
    }

    /// How a request is recorded.
    pub(crate) fn recording(&self, user: Option<&User>, info: &RequestInfo) -> audit::Recording {
        if self.0.audit.is_off() {
            return audit::Recording::default();
        }
        self.0.audit_policy.evaluate(user, info)
    }

    pub(crate) fn authenticators(&self) -> &Authenticators {
        &self.0.authenticators
    }

    pub(crate) fn authorizer(&self) -> &Authorizer {
        &self.0.authorizer
    }

    pub(crate) fn impersonation(&self) -> &Impersonation {
        &self.0.impersonation
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }
}
