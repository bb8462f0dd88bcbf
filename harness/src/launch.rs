//! Starts clusters of the kind that a rig is set up with.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use foundation::clock::Clock;
use foundation::listen::Listener;
use foundation::pki::Ca;
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use kube_authn::config::AuthenticationConfiguration;
use kube_rbac::Version;
use mock_apiserver::Timing;
use mock_apiserver::audit::{self, AuditSink};
use mock_apiserver::authn::{ConfigFile, Egress};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::aws::eks::state::{ClusterRef, Launch, NewCluster};
use crate::aws::iam_token;
use crate::aws::keys::AccessKeys;
use crate::cluster::api_server::Webhook;
use crate::cluster::control_plane::assets::{self, Programs};
use crate::cluster::control_plane::{self, ControlPlane};
use crate::cluster::embedded::{self, Embedded};
use crate::cluster::existing::{self, Access, Existing};
use crate::cluster::kind::{self, Home, Identity, KindCluster, Tools};
use crate::cluster::{Cluster, Kind};
use crate::proxy;
use crate::rig::{Audit, Config, Control, Error, Names, loopback};

/// What a cluster needs of the rig around it.
#[derive(Clone)]
struct Surroundings {
    clock: Clock,
    keys: AccessKeys,
    origin: String,
    edge_pem: String,
    edge: CertificateDer<'static>,
    control_token: Secret<String>,
    proxy: Option<String>,
    aws_names: bool,
    version: Option<Version>,
    /// Where the embedded cluster is found, where that is not loopback.
    listen: Option<Ipv4Addr>,
    audit_policy: audit::Policy,
    /// Whom the first embedded cluster trusts from its start on.
    authentication: Option<ConfigFile>,
    /// How quickly an embedded cluster takes what it is told.
    timing: Timing,
    /// The cluster that stands ready, and its port.
    first: (ClusterRef, u16),
}

/// What kind clusters are made with.
pub struct Nodes {
    /// The programs.
    pub tools: Tools,
    /// The folder of a kept cluster, for the first that is asked for.
    pub home: Mutex<Option<Home>>,
    /// How the first is made, and for whom, where it is to be kept.
    pub keep: Option<(Value, Arc<Identity>)>,
}

/// Starts clusters: the first on the port that was asked for, the others on
/// free ones.
///
/// # Errors
/// A file for the audit log, or the programs, cannot be had.
pub fn launcher(
    config: &Config,
    edge: &Ca,
    keys: &AccessKeys,
    origin: &str,
    control_token: &Secret<String>,
    proxy: Option<&str>,
    nodes: Option<Nodes>,
) -> Result<Launch, Error> {
    let around = Surroundings {
        clock: config.clock.clone(),
        keys: keys.clone(),
        origin: origin.to_owned(),
        edge_pem: edge.pem().to_owned(),
        edge: edge.der().clone(),
        control_token: control_token.clone(),
        proxy: proxy.map(str::to_owned),
        aws_names: config.names != Names::Local,
        version: config.kubernetes_version,
        listen: config.listen,
        audit_policy: config.audit_policy.clone(),
        authentication: config.authentication.clone(),
        timing: config.timing,
        first: (
            ClusterRef::new(&config.region, &config.cluster_name),
            config.api_port,
        ),
    };
    let log = match &config.audit {
        Audit::Off => None,
        Audit::File(path) => Some(path.clone()),
    };
    match (config.cluster, nodes) {
        (Kind::Embedded, _) => {
            let audit = match log {
                None => AuditSink::off(),
                Some(path) => AuditSink::file(&path)?,
            };
            Ok(Arc::new(move |new| {
                Box::pin(around.clone().embedded(new, audit.clone()))
            }))
        }
        (Kind::ControlPlane, _) => {
            let programs = assets::find(config.kubernetes_version)?;
            Ok(Arc::new(move |new| {
                Box::pin(
                    around
                        .clone()
                        .control_plane(new, programs.clone(), log.clone()),
                )
            }))
        }
        (Kind::Kind, Some(nodes)) => {
            let nodes = Arc::new(nodes);
            Ok(Arc::new(move |new| {
                Box::pin(around.clone().kind(new, Arc::clone(&nodes), log.clone()))
            }))
        }
        (Kind::Kind, None) => Err(Error::Cluster("nobody looked for kind".to_owned())),
        (Kind::Existing, _) => match &config.existing {
            None => Err(Error::Cluster("nobody named one that exists".to_owned())),
            Some(access) => {
                let access = Arc::clone(access);
                Ok(Arc::new(move |_| {
                    Box::pin(around.clone().existing(Arc::clone(&access)))
                }))
            }
        },
    }
}

impl Surroundings {
    async fn embedded(self, new: NewCluster, audit: AuditSink) -> Result<Arc<dyn Cluster>, String> {
        let webhook = IamWebhook::new(&self.keys, &self.origin, &self.clock, &new);
        let (host, port) = (self.host(&new), self.port(&new));
        let version = new.version.or(self.version).unwrap_or_default();
        let file = self.authentication.as_ref().filter(|_| self.is_first(&new));
        let file = file.map(|file| file.anew(version)).transpose()?;
        let config = embedded::Config {
            host,
            version,
            name: new.name,
            audit,
            audit_policy: self.audit_policy,
            egress: self.proxy.map_or_else(Egress::default, Egress::Proxy),
            timing: self.timing,
            issuer_cas: vec![self.edge],
            webhook: Some(Arc::new(webhook)),
            clock: self.clock,
        };
        let address = match self.listen {
            Some(public) => (public, port).into(),
            None => loopback(port),
        };
        let listener = Listener::bind(address)
            .await
            .map_err(|error| error.to_string())?;
        let cluster = Embedded::start(listener, config).map_err(|error| error.to_string())?;
        let cluster = Arc::new(cluster);
        // As a real one is started: whom EKS tells it to trust comes later, by a reload.
        let configured = match file {
            Some(file) => cluster.follow(file),
            None => cluster.configure(AuthenticationConfiguration::default(), None),
        };
        if let Err(error) = configured {
            cluster.stop().await;
            return Err(error.to_string());
        }
        Ok(cluster)
    }

    async fn control_plane(
        self,
        new: NewCluster,
        programs: Programs,
        audit: Option<PathBuf>,
    ) -> Result<Arc<dyn Cluster>, String> {
        let programs = match new.version {
            Some(version) if version != programs.version => {
                assets::find(Some(version)).map_err(|missing| missing.to_string())?
            }
            _ => programs,
        };
        let config = control_plane::Config {
            host: self.host(&new),
            port: self.port(&new),
            audit,
            issuer_roots: self.issuer_roots(),
            webhook: Some(self.webhook(&new)),
            audit_policy: self.audit_policy,
            name: new.name,
            proxy: self.proxy,
        };
        let cluster = ControlPlane::start(&programs, config).await?;
        Ok(Arc::new(cluster))
    }

    async fn kind(
        self,
        new: NewCluster,
        nodes: Arc<Nodes>,
        audit: Option<PathBuf>,
    ) -> Result<Arc<dyn Cluster>, String> {
        let is_first = self.is_first(&new);
        let image = nodes.tools.image(new.version.or(self.version)).await;
        let config = kind::Config {
            host: self.host(&new),
            port: self.port(&new),
            image: image.map_err(|missing| missing.to_string())?,
            audit,
            issuer_roots: self.issuer_roots(),
            webhook: Some(self.webhook(&new)),
            audit_policy: self.audit_policy,
            name: new.name,
            proxy: self.proxy,
            keep: nodes.keep.clone().filter(|_| is_first),
        };
        let home = nodes
            .home
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_if(|_| is_first);
        let cluster = match home {
            Some(home) => KindCluster::again(&nodes.tools, config, home).await?,
            None => KindCluster::start(&nodes.tools, config).await?,
        };
        Ok(Arc::new(cluster))
    }

    async fn existing(self, access: Arc<Access>) -> Result<Arc<dyn Cluster>, String> {
        let roots = foundation::pki::roots_from_pem(&self.edge_pem).map_err(|e| e.to_string())?;
        let issuers = crate::client::https(roots, None, self.proxy.as_deref());
        let around = existing::Surroundings {
            issuers: issuers.map_err(|broken| broken.to_string())?,
            edge_pem: self.edge_pem,
            clock: self.clock,
        };
        let cluster = Existing::join(access, around).await;
        Ok(Arc::new(cluster.map_err(|why| why.to_string())?))
    }

    /// PEM of the machine's own roots and of the front door's CA.
    fn issuer_roots(&self) -> String {
        format!("{}{}", crate::client::system_roots_pem(), self.edge_pem)
    }

    /// Who tells an API server of IAM tokens.
    fn webhook(&self, new: &NewCluster) -> Webhook {
        let path = Control::token_review_path(&new.region, &new.name);
        Webhook {
            url: format!("{}{path}", self.origin),
            ca_pem: self.edge_pem.clone(),
            token: self.control_token.clone(),
        }
    }

    fn host(&self, new: &NewCluster) -> Option<String> {
        self.aws_names
            .then(|| proxy::cluster_host(&new.id, &new.region))
    }

    fn port(&self, new: &NewCluster) -> u16 {
        if self.is_first(new) { self.first.1 } else { 0 }
    }

    /// Whether it is the one that stands ready.
    fn is_first(&self, new: &NewCluster) -> bool {
        self.first.0 == ClusterRef::new(&new.region, &new.name)
    }
}

/// EKS' token webhook: knows the IAM tokens of our access keys.
pub struct IamWebhook {
    keys: AccessKeys,
    origin: String,
    cluster: String,
    creator: String,
    clock: Clock,
}

impl IamWebhook {
    /// That of the cluster `new`.
    pub fn new(keys: &AccessKeys, origin: &str, clock: &Clock, new: &NewCluster) -> Self {
        Self {
            keys: keys.clone(),
            origin: origin.to_owned(),
            cluster: new.name.clone(),
            creator: new.creator.clone(),
            clock: clock.clone(),
        }
    }

    /// Answers a TokenReview (`authentication.k8s.io/v1`), as a webhook does.
    pub fn answer(&self, review: &Value) -> Value {
        let token = review["spec"]["token"].as_str().unwrap_or_default();
        let status = match self.judge(token) {
            Ok(Some(user)) => json!({
                "authenticated": true,
                "user": {
                    "username": user.username,
                    "uid": user.uid,
                    "groups": user.groups,
                    "extra": user.extra,
                },
            }),
            Ok(None) => json!({"authenticated": false}),
            Err(error) => json!({"authenticated": false, "error": error}),
        };
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "status": status,
        })
    }

    fn judge(&self, token: &str) -> Result<Option<kube_authn::User>, String> {
        if !iam_token::is_iam_token(token) {
            return Ok(None);
        }
        let now = self.clock.now();
        let identity = iam_token::verify(&self.keys, &self.origin, &self.cluster, token, now)?;
        if identity.arn != self.creator {
            return Err(format!(
                "{} has no access entry on this cluster",
                identity.arn
            ));
        }
        let extra = [
            ("accessKeyId", identity.access_key_id),
            ("arn", identity.arn.clone()),
            ("canonicalArn", identity.arn),
            ("principalId", identity.user_id.clone()),
            ("sessionName", String::new()),
        ];
        Ok(Some(kube_authn::User {
            username: "kubernetes-admin".to_owned(),
            uid: format!(
                "aws-iam-authenticator:{}:{}",
                identity.account, identity.user_id
            ),
            groups: vec!["system:masters".to_owned()],
            extra: extra
                .into_iter()
                .map(|(key, value)| (key.to_owned(), vec![value]))
                .collect(),
        }))
    }
}

impl mock_apiserver::authn::TokenWebhook for IamWebhook {
    fn review<'a>(
        &'a self,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Option<kube_authn::User>, String>> {
        Box::pin(std::future::ready(self.judge(token)))
    }
}
