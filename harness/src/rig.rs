//! The composition root: one identity provider, the AWS fronts and the
//! clusters, in this process, on two listeners.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use foundation::clock::Clock;
use foundation::listen::Listener;
use foundation::pki::Ca;
use foundation::secret::Secret;
use http::{Method, Request, Response, StatusCode, header};
use kube_rbac::Version;
use mock_idp::{KeyBank, MockIdp};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::aws::eks::state::{ClusterRef, ClusterStatus, CreateCluster, Eks, ProviderStatus};
use crate::aws::ids::Ids;
use crate::aws::keys::AccessKeys;
use crate::client::{AwsClient, Broken, Endpoint};
use crate::cluster::authn::Trust;
use crate::cluster::control_plane::assets;
use crate::cluster::existing::Access;
use crate::cluster::kind::by_hand;
use crate::cluster::kind::kept::{self, Identity, Kept};
use crate::cluster::{Cluster, Kind, kind};
use crate::control;
use crate::front::Front;
use crate::launch::{IamWebhook, Nodes, launcher};
use crate::login::browser::{self, BrowserLogin};
use crate::login::http::HttpLogin;
use crate::login::kubelogin::KubeloginLogin;
use crate::login::{Driver, Login};
use crate::proxy::{self, Proxy};
use crate::runner::Bench;

pub use foundation::listen::outward_address;
pub use mock_apiserver::Timing;
pub use mock_apiserver::audit::Policy as AuditPolicy;
pub use mock_apiserver::authn::ConfigFile as AuthenticationFile;

/// How a rig is set up; the defaults are what `rolecall up` does.
#[derive(Clone, Debug)]
pub struct Config {
    /// The time line.
    pub clock: Clock,
    /// The front door's port; 0: a free one.
    pub port: u16,
    /// The ready cluster's port; 0: a free one.
    pub api_port: u16,
    /// Where requests without a credential scope belong.
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// The cluster that stands ready.
    pub cluster_name: String,
    /// Between a call to (dis)associate and its effect.
    pub association_delay: Duration,
    /// Ids that the next things made get.
    pub pins: Pins,
    /// Makes ids reproducible.
    pub seeded_ids: Option<u64>,
    /// Users, groups and clients to begin with.
    pub seed: Option<PathBuf>,
    /// Where RSA keys come from.
    pub keybank: KeyBank,
    /// Where requests to the clusters are recorded.
    pub audit: Audit,
    /// Which of them, and how fully.
    pub audit_policy: AuditPolicy,
    /// Whom an embedded cluster trusts from its start on; none: nobody.
    pub authentication: Option<AuthenticationFile>,
    /// With or without Kubernetes' own delays, of embedded clusters; others have them.
    pub timing: Timing,
    /// Under which names everything is found.
    pub names: Names,
    /// What the clusters are.
    pub cluster: Kind,
    /// The minor that they answer as; none: the newest, or for Kubernetes' own
    /// programs whichever are found.
    pub kubernetes_version: Option<Version>,
    /// The image of kind's nodes, where it is not ours or kind's own.
    pub kind_image: Option<String>,
    /// An address of this machine that is the public one, beside loopback; none: on
    /// loopback alone.
    pub listen: Option<Ipv4Addr>,
    /// Whether containers on kind's network reach the front door, too, as those of
    /// our own kind clusters do.
    pub for_kind: bool,
    /// Whether a kind cluster is left for the next rig.
    pub keep: bool,
    /// Whether one that was left is taken, in place of a new one.
    pub reuse: bool,
    /// The cluster that is there already, where that is what is wanted.
    pub existing: Option<Arc<Access>>,
    /// The CA of the front door; none: a new one.
    pub edge: Option<Arc<Ca>>,
}

/// Under which names everything is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// The front door's and the clusters' own addresses on loopback.
    #[default]
    Local,
    /// AWS' own, through a proxy.
    Aws {
        /// The proxy's port; 0: a free one.
        proxy_port: u16,
        /// Whether it leads to other hosts, too.
        allow_other_hosts: bool,
    },
}

impl Names {
    /// The port that was asked for its proxy; 0: a free one.
    fn proxy_port(self) -> u16 {
        match self {
            Self::Local => 0,
            Self::Aws { proxy_port, .. } => proxy_port,
        }
    }

    /// Whether a proxy leads to other hosts than AWS', too.
    pub fn allow_other_hosts(self) -> bool {
        matches!(
            self,
            Self::Aws {
                allow_other_hosts: true,
                ..
            }
        )
    }
}

/// Where audit events go.
#[derive(Clone, Debug)]
pub enum Audit {
    /// Nowhere.
    Off,
    /// JSON lines in a file.
    File(PathBuf),
}

/// Ids that are wanted instead of random ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// The next user pool's id.
    pub pool: Option<String>,
    /// The next app client's id.
    pub client: Option<String>,
    /// The next cluster's id, as in its endpoint on EKS.
    pub cluster_endpoint: Option<String>,
}

impl Config {
    /// With the port and ids that go with kind-config.yaml, for pools of `region`.
    #[must_use]
    pub fn for_kind(region: &str) -> Self {
        Self {
            port: by_hand::PORT,
            pins: Pins {
                pool: Some(format!("{region}_{}", by_hand::POOL)),
                client: Some(by_hand::CLIENT.to_owned()),
                ..Pins::default()
            },
            region: region.to_owned(),
            for_kind: true,
            ..Self::default()
        }
    }

    /// The same for another rig, whose time line begins now.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self {
            clock: Clock::offset(),
            ..self.clone()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            clock: Clock::offset(),
            port: 0,
            api_port: 0,
            region: "eu-west-2".to_owned(),
            account: "123456789012".to_owned(),
            cluster_name: "kubedemy".to_owned(),
            association_delay: Duration::from_secs(1),
            pins: Pins::default(),
            seeded_ids: None,
            seed: None,
            keybank: crate::cache_folder("keys")
                .map_or_else(|| KeyBank::in_memory(2), KeyBank::in_folder),
            audit: Audit::Off,
            audit_policy: AuditPolicy::default(),
            authentication: None,
            timing: Timing::default(),
            names: Names::Local,
            cluster: Kind::default(),
            kubernetes_version: None,
            kind_image: None,
            listen: None,
            for_kind: false,
            keep: false,
            reuse: false,
            existing: None,
            edge: None,
        }
    }
}

/// Why the rig does not stand.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port cannot be had.
    #[error(transparent)]
    Listen(#[from] std::io::Error),
    /// A certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] foundation::pki::Error),
    /// The ready cluster does not start.
    #[error("the cluster does not start: {0}")]
    Cluster(String),
    /// There are no programs to start a cluster of.
    #[error(transparent)]
    Missing(#[from] assets::Missing),
    /// There is nothing to make a kind cluster with.
    #[error(transparent)]
    NoKind(#[from] kind::Missing),
    /// The seed file cannot be used.
    #[error("{path}: {reason}")]
    Seed {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why there is nothing for a scenario to run on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoBench {
    /// A program is missing.
    #[error("{0}")]
    Missing(String),
    /// The rig failed.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<Error> for NoBench {
    fn from(error: Error) -> Self {
        // Whoever asked for a cluster was told beforehand what it lacks.
        Self::Broken(Broken::new("start the rig", error))
    }
}

/// A running rig.
pub struct Rig {
    config: Config,
    origin: String,
    edge: Arc<Ca>,
    idp: MockIdp,
    eks: Eks,
    keys: AccessKeys,
    control_token: Secret<String>,
    ready: Arc<dyn Cluster>,
    shutdown: CancellationToken,
    /// What listens.
    tasks: JoinSet<()>,
    /// Where the proxy is, where names are AWS'.
    proxy: Option<String>,
    /// Whether the ready cluster is one that was kept.
    reused: bool,
}

impl Rig {
    /// Starts everything; returns when it answers.
    ///
    /// # Errors
    /// [`Error`], naming the port or file in question.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let tools = match config.cluster {
            Kind::Kind => Some(kind::Tools::find(config.kind_image.as_deref()).await?),
            Kind::Embedded | Kind::ControlPlane | Kind::Existing => None,
        };
        let public = match (&tools, config.listen) {
            (Some(tools), _) => Some(tools.gateway),
            (None, Some(address)) => {
                if config.for_kind {
                    // In a container there is no Docker, and nothing to write down.
                    let _ = kind::before_nodes_by_hand().await;
                }
                Some(address)
            }
            (None, None) if config.for_kind => Some(kind::before_nodes_by_hand().await?),
            (None, None) => None,
        };
        let kept = match &tools {
            Some(tools) if config.reuse => kept::find(&made_as(&config), &tools.docker),
            _ => None,
        };
        let reused = kept.is_some();
        let (port, proxy_port) = match &kept {
            Some(kept) => (kept.identity.port, kept.identity.proxy_port),
            None => (config.port, config.names.proxy_port()),
        };
        let doors = listen(public, port).await?;
        let origin = format!("https://{}", doors[0].addr());
        // Bound before anything is told of it.
        let proxies = match config.names {
            Names::Local => Vec::new(),
            Names::Aws { .. } => listen(public, proxy_port).await?,
        };
        let proxy_url = proxies
            .first()
            .map(|proxy| format!("http://{}", proxy.addr()));
        let now = foundation::pki::today();
        let ids = Ids::new(config.seeded_ids);
        let (home, identity) = match kept {
            Some(Kept { home, identity }) => (Some(home), identity),
            None => {
                let own = Identity {
                    port: doors[0].addr().port(),
                    proxy_port: proxies.first().map_or(0, |proxy| proxy.addr().port()),
                    cluster_id: match &config.pins.cluster_endpoint {
                        // The next rig's cluster has to be of that name, too.
                        None if config.keep => Some(ids.cluster()),
                        pinned => pinned.clone(),
                    },
                    edge: match &config.edge {
                        Some(edge) => Arc::clone(edge),
                        None => Arc::new(edge_ca()?),
                    },
                    control_token: Secret::new(random_token()),
                };
                (None, own)
            }
        };
        let edge = Arc::clone(&identity.edge);
        let control_token = identity.control_token.clone();
        let cluster_id = identity.cluster_id.clone();
        let keys = AccessKeys::generate(&config.account, &ids);
        let idp = MockIdp::new(mock_idp::Config {
            clock: config.clock.clone(),
            region: config.region.clone(),
            account: config.account.clone(),
            address: match config.names {
                Names::Aws { .. } => mock_idp::Address::Aws,
                Names::Local => mock_idp::Address::Local(
                    mock_idp::Origin::parse(&origin)
                        .map_err(|error| Error::Cluster(error.to_string()))?,
                ),
            },
            pins: mock_idp::Pins {
                pool: config.pins.pool.clone(),
                client: config.pins.client.clone(),
            },
            seed: config.seeded_ids,
            keybank: config.keybank.clone(),
            control_token: control_token.clone(),
        });
        if let Some(path) = &config.seed {
            idp.seed_file(path).map_err(|error| Error::Seed {
                path: path.display().to_string(),
                reason: error.to_string(),
            })?;
        }
        let eks = Eks::new(
            config.clock.clone(),
            &config.account,
            config.association_delay,
            launcher(
                &config,
                &edge,
                &keys,
                &origin,
                &control_token,
                proxy_url.as_deref(),
                tools.map(|tools| Nodes {
                    tools,
                    home: Mutex::new(home),
                    keep: config.keep.then(|| (made_as(&config), Arc::new(identity))),
                }),
            )?,
            ids,
            cluster_id.into_iter().collect(),
        );
        let ready = eks
            .create_and_wait(&config.region, &keys.admin().arn, ready_cluster(&config))
            .await
            .map_err(|error| Error::Cluster(error.to_string()))?;
        let shutdown = CancellationToken::new();
        let way = proxy_url.clone().map(|url| proxy::Way {
            url,
            hosts: proxy::OtherHosts::new(config.names.allow_other_hosts()),
        });
        let front = Front {
            idp: idp.clone(),
            pages: idp.router(),
            eks: eks.clone(),
            keys: keys.clone(),
            origin: origin.clone(),
            region: config.region.clone(),
            clock: config.clock.clone(),
            control: Control {
                token: control_token.clone(),
                eks: eks.clone(),
                keys: keys.clone(),
                origin: origin.clone(),
                clock: config.clock.clone(),
                shutdown: shutdown.clone(),
                proxy: way.clone(),
            },
        };
        let mut tasks = JoinSet::new();
        if let Some(way) = way {
            let proxy = Proxy::new(front.clone(), &edge, way.hosts, shutdown.clone())?;
            let service = tower::service_fn(move |request| proxy.clone().respond(request));
            for listener in proxies {
                tasks.spawn(listener.serve_plain(service.clone(), shutdown.clone()));
            }
        }
        let public = public.map(|address| address.to_string());
        let names = ["127.0.0.1", "localhost"].into_iter();
        let names: Vec<&str> = names.chain(public.as_deref()).collect();
        let tls = edge.issue_server(&names, now)?.server_config()?;
        let service = tower::service_fn(move |request| front.clone().respond(request));
        for listener in doors {
            tasks.spawn(listener.serve(Arc::clone(&tls), service.clone(), shutdown.clone()));
        }
        Ok(Self {
            config,
            origin,
            edge,
            idp,
            eks,
            keys,
            control_token,
            ready,
            shutdown,
            tasks,
            proxy: proxy_url,
            reused,
        })
    }

    /// `https://127.0.0.1:PORT` of the front door; where others are to reach it,
    /// the public address in that place.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What the issuers of the own region's pools begin with.
    pub fn issuer_base(&self) -> String {
        self.idp.idp().address().issuer_base(&self.config.region)
    }

    /// `http://127.0.0.1:PORT` of the proxy to AWS' names, if that is how
    /// everything is found.
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// How it was set up.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the ready cluster is one that was kept.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// The CA of the front door.
    pub fn edge_ca(&self) -> &Ca {
        &self.edge
    }

    /// The mock identity provider.
    pub fn idp(&self) -> &MockIdp {
        &self.idp
    }

    /// The two access keys.
    pub fn keys(&self) -> &AccessKeys {
        &self.keys
    }

    /// What control calls must show.
    pub fn control_token(&self) -> &Secret<String> {
        &self.control_token
    }

    /// The cluster that stood ready at the start.
    pub fn ready_cluster(&self) -> &Arc<dyn Cluster> {
        &self.ready
    }

    /// Cancelled when somebody asked the rig to end.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// What a scenario runs on.
    ///
    /// # Errors
    /// [`NoBench`]: the driver's program is missing, or TLS cannot be set up.
    pub fn bench(&self, driver: Driver) -> Result<Bench, NoBench> {
        let roots = self
            .edge
            .roots()
            .map_err(|error| Broken::new("trust the edge CA", error))?;
        let http = crate::client::https(roots.clone(), None, self.proxy())?;
        let endpoint = match self.config.names {
            Names::Local => Endpoint::Origin(self.origin.clone()),
            Names::Aws { .. } => Endpoint::Aws,
        };
        let pages = Arc::new(HttpLogin::new(roots.clone(), self.proxy())?);
        Ok(Bench {
            control: control::Control::new(http.clone(), &self.origin, self.control_token.clone()),
            aws: AwsClient::new(
                http,
                endpoint,
                &self.config.region,
                self.keys.admin().clone(),
                self.config.clock.clone(),
            ),
            kube: self.ready.client(self.proxy())?,
            login: self.login(driver, &pages, roots)?,
            refresh: pages,
            clock: self.config.clock.clone(),
            cluster_name: self.config.cluster_name.clone(),
            issuer_base: self.issuer_base(),
            cluster: Arc::clone(&self.ready),
        })
    }

    fn login(
        &self,
        driver: Driver,
        pages: &Arc<HttpLogin>,
        roots: rustls::RootCertStore,
    ) -> Result<Arc<dyn Login>, NoBench> {
        Ok(match driver {
            Driver::Http => Arc::clone(pages) as Arc<dyn Login>,
            Driver::Browser => {
                let missing = |error: browser::Missing| NoBench::Missing(error.to_string());
                let programs = browser::find().map_err(missing)?;
                let trust = browser::Trust {
                    spki: self
                        .edge
                        .spki_sha256()
                        .map_err(|error| Broken::new("tell the browser of the edge CA", error))?,
                    proxy: self.proxy().map(str::to_owned),
                };
                Arc::new(BrowserLogin::new(programs, trust, roots)?)
            }
            Driver::Kubelogin => {
                let program = KubeloginLogin::find().map_err(NoBench::Missing)?;
                let ca = self.edge.pem();
                Arc::new(KubeloginLogin::new(
                    program,
                    Arc::clone(pages),
                    ca,
                    self.proxy(),
                ))
            }
        })
    }

    /// Ends everything; nothing is left running.
    pub async fn stop(self) {
        self.shutdown.cancel();
        // A panic in an accept loop was counted by the panic hook.
        tokio::join!(self.eks.stop(), async {
            let mut tasks = self.tasks;
            while tasks.join_next().await.is_some() {}
        });
    }
}

/// A CA for a front door.
///
/// # Errors
/// It cannot be made.
pub fn edge_ca() -> Result<Ca, foundation::pki::Error> {
    Ca::new(kept::EDGE, foundation::pki::today())
}

/// What a kind cluster is made as, and stays: a kept one is of use only to who
/// wants the same.
fn made_as(config: &Config) -> Value {
    json!({
        "region": config.region,
        "cluster": config.cluster_name,
        "awsNames": config.names != Names::Local,
        "image": config.kind_image,
        "version": config.kubernetes_version.map(Version::minor),
        "audited": matches!(config.audit, Audit::File(_)),
        "auditPolicy": config.audit_policy.to_document(),
        "port": config.port,
        "proxyPort": config.names.proxy_port(),
        "apiPort": config.api_port,
        "clusterId": config.pins.cluster_endpoint,
    })
}

fn ready_cluster(config: &Config) -> CreateCluster {
    CreateCluster {
        name: config.cluster_name.clone(),
        role_arn: format!(
            "arn:aws:iam::{}:role/{}",
            config.account, config.cluster_name
        ),
        ..CreateCluster::default()
    }
}

/// Longer than any TokenReview.
const REVIEW_LIMIT: usize = 1 << 20;

/// What only the rig can tell or do, under a prefix of its own and with the
/// bearer of `ready.json`.
#[derive(Clone)]
pub struct Control {
    token: Secret<String>,
    eks: Eks,
    keys: AccessKeys,
    origin: String,
    clock: Clock,
    shutdown: CancellationToken,
    proxy: Option<proxy::Way>,
}

impl Control {
    /// Where it answers.
    pub const PREFIX: &'static str = "/_rolecall/rig/";

    /// Where the API server of a cluster posts TokenReviews of IAM tokens.
    pub fn token_review_path(region: &str, cluster: &str) -> String {
        format!("{}clusters/{region}/{cluster}/token-review", Self::PREFIX)
    }

    /// Answers one control request.
    pub async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let bearer = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        if !bearer.is_some_and(|bearer| self.token.matches(bearer)) {
            return answer(
                StatusCode::UNAUTHORIZED,
                &json!({"error": "control calls need the bearer that ready.json holds"}),
            );
        }
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().trim_start_matches(Self::PREFIX);
        match (&parts.method, path) {
            (&Method::GET, "status") => answer(StatusCode::OK, &self.status()),
            (&Method::POST, "shutdown") => {
                self.shutdown.cancel();
                answer(StatusCode::OK, &json!({"stopping": true}))
            }
            (method, path) => match self.webhook(path) {
                Some(webhook) if method == Method::POST => review(&webhook, body).await,
                _ => answer(
                    StatusCode::NOT_FOUND,
                    &json!({"error": format!("there is no control call {method} {path}")}),
                ),
            },
        }
    }

    /// The token webhook behind `clusters/REGION/NAME/token-review`.
    fn webhook(&self, path: &str) -> Option<IamWebhook> {
        let ["clusters", region, name, "token-review"] = path.split('/').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let record = self.eks.get(&ClusterRef::new(region, name)).ok()?;
        Some(IamWebhook::new(
            &self.keys,
            &self.origin,
            &self.clock,
            &record.new,
        ))
    }

    fn status(&self) -> Value {
        let clusters: Vec<Value> = self
            .eks
            .list()
            .into_iter()
            .map(|record| {
                let status = match &record.status {
                    ClusterStatus::Creating => "CREATING".to_owned(),
                    ClusterStatus::Active => "ACTIVE".to_owned(),
                    ClusterStatus::Deleting => "DELETING".to_owned(),
                    ClusterStatus::Failed(reason) => format!("FAILED: {reason}"),
                };
                let provider = record.provider.map(|provider| {
                    let mut told = issuer(&provider.trust, provider.trouble);
                    told["name"] = Value::from(provider.name);
                    told["status"] = Value::from(match provider.status {
                        ProviderStatus::Creating => "CREATING",
                        ProviderStatus::Active => "ACTIVE",
                        ProviderStatus::Deleting => "DELETING",
                    });
                    told
                });
                let by_file = record.running.as_ref().map(|running| running.by_file());
                let by_file = by_file.into_iter().flatten().map(|by_file| {
                    let mut told = issuer(&by_file.trust, by_file.trouble);
                    told["audiences"] = Value::from(by_file.audiences);
                    told
                });
                json!({
                    "name": record.new.name,
                    "region": record.new.region,
                    "status": status,
                    "endpoint": record.running.as_ref().map(|running| running.endpoint()),
                    "certificateAuthorityData": record.running.as_ref().map(|running| {
                        use base64::Engine as _;
                        base64::engine::general_purpose::STANDARD.encode(running.ca_pem())
                    }),
                    "limits": record.running.as_ref().map(|running| running.capabilities().limits()),
                    "identityProvider": provider,
                    "authenticationConfiguration": by_file.collect::<Vec<_>>(),
                })
            })
            .collect();
        let mut status = json!({"clusters": clusters, "panics": crate::panics::count()});
        if let Some(proxy) = &self.proxy {
            status["proxy"] = Value::from(proxy.url.as_str());
            status["otherHosts"] = proxy.hosts.to_json();
        }
        status
    }
}

/// An issuer that a cluster trusts.
fn issuer(trust: &Trust, trouble: Option<String>) -> Value {
    json!({
        "issuer": trust.issuer_url,
        "clientId": trust.client_id,
        "usernameClaim": trust.username_claim,
        "usernamePrefix": trust.username_prefix,
        "groupsClaim": trust.groups_claim,
        "groupsPrefix": trust.groups_prefix,
        "requiredClaims": trust.required_claims,
        "trouble": trouble,
    })
}

async fn review(webhook: &IamWebhook, body: Body) -> Response<Body> {
    let bytes = axum::body::to_bytes(body, REVIEW_LIMIT).await;
    let review = bytes
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match review {
        Some(review) => answer(StatusCode::OK, &webhook.answer(&review)),
        None => answer(
            StatusCode::BAD_REQUEST,
            &json!({"error": "the body is no TokenReview"}),
        ),
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

/// Listeners on one port of loopback and, where others are to reach it, of the
/// public address; that one comes first.
async fn listen(public: Option<Ipv4Addr>, port: u16) -> std::io::Result<Vec<Listener>> {
    let Some(address) = public else {
        return Ok(vec![Listener::bind(loopback(port)).await?]);
    };
    let mut tries = 0;
    loop {
        let public = Listener::bind(SocketAddr::new(IpAddr::V4(address), port)).await?;
        match Listener::bind(loopback(public.addr().port())).await {
            Ok(local) => return Ok(vec![public, local]),
            // A free port there may be taken here.
            Err(_) if port == 0 && tries < 10 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn random_token() -> String {
    use rand::RngExt as _;
    let bytes: [u8; 32] = rand::rng().random();
    crate::aws::sigv4::hex(&bytes)
}
