//! What is to be looked at: flags, a running instance, a kubeconfig; and the
//! subjects that come of them.

use std::path::{Path, PathBuf};

use foundation::clock::Clock;
use foundation::pki;
use foundation::secret::Secret;
use rustls::RootCertStore;
use serde_json::Value;

use super::finding::Finding;
use super::{Proxy, Roots, Subject, Surroundings, Token, issuer, kubelogin, pool, token};
use crate::client::AwsError;
use crate::cluster::authn::Trust;
use crate::cluster::kubeconfig::read::{self, Kubeconfig, Server};
use crate::instance::{self, Running};

/// What somebody asks for. Where it says nothing, a running instance and the
/// environment do.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The folder of an instance.
    pub dir: PathBuf,
    /// The cluster's side, as far as it is given.
    pub given: Given,
    /// A PEM file with the issuer's CA.
    pub ca: Option<PathBuf>,
    /// A token to walk.
    pub token: Option<Secret<String>>,
    /// A kubeconfig that was named.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it other than the current one.
    pub context: Option<String>,
    /// kubelogin's cache, where its arguments do not say.
    pub cache: Option<PathBuf>,
    /// What programs find around them.
    pub surroundings: Surroundings,
}

/// kube-apiserver's `--oidc-*` flags, as far as they are given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--oidc-issuer-url`.
    pub issuer_url: Option<String>,
    /// `--oidc-client-id`.
    pub client_id: Option<String>,
    /// The rest.
    pub mapping: Mapping,
}

/// Claims and prefixes.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// `--oidc-username-claim`.
    pub username_claim: Option<String>,
    /// `--oidc-username-prefix`.
    pub username_prefix: Option<String>,
    /// `--oidc-groups-claim`.
    pub groups_claim: Option<String>,
    /// `--oidc-groups-prefix`.
    pub groups_prefix: Option<String>,
}

/// Why nothing can be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something has to be given; the text names it.
    #[error("{0}")]
    Usage(String),
    /// The instance is there and does not answer.
    #[error("{0}")]
    Rig(String),
}

impl Surroundings {
    /// Out of an environment.
    pub fn of(environment: impl Iterator<Item = (String, String)>) -> Self {
        let mut found = Self::default();
        for (name, value) in environment.filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "PATH" => found.path = value.into(),
                "HOME" => found.home = Some(value.into()),
                "SSL_CERT_FILE" => found.ssl_cert_file = Some(value),
                "KUBECONFIG" => {
                    let all = value.split(':').filter(|file| !file.is_empty());
                    found.kubeconfigs = all.map(PathBuf::from).collect();
                }
                "HTTPS_PROXY" | "https_proxy" => found.proxy.url = Some(value),
                "NO_PROXY" | "no_proxy" => found.proxy.except = value,
                _ => {}
            }
        }
        if found.kubeconfigs.is_empty() {
            let home = found.home.as_deref();
            found.kubeconfigs = home
                .map(|home| home.join(".kube/config"))
                .into_iter()
                .collect();
        }
        found
    }
}

impl Mapping {
    fn over(self, trust: Trust) -> Trust {
        Trust {
            username_claim: self.username_claim.or(trust.username_claim),
            username_prefix: self.username_prefix.or(trust.username_prefix),
            groups_claim: self.groups_claim.or(trust.groups_claim),
            groups_prefix: self.groups_prefix.or(trust.groups_prefix),
            ..trust
        }
    }
}

/// Looks at the whole chain.
///
/// # Errors
/// [`Error`]: there is nothing to look at.
pub async fn examine(request: Request) -> Result<Vec<Finding>, Error> {
    let running = match Running::find(&request.dir).await {
        Ok(running) => Some(running),
        Err(instance::Error::NotRunning { .. }) => None,
        Err(error) if request.given.issuer_url.is_none() => {
            return Err(Error::Rig(error.to_string()));
        }
        Err(_) => None,
    };
    let request = &request;
    match (&request.given.issuer_url, running) {
        (Some(issuer), running) => by_flags(request, issuer, running).await,
        (None, Some(running)) => by_instance(request, &running).await,
        (None, None) => Err(Error::Usage(format!(
            "no instance is running in {}: start one with `rolecall up`, name its folder with --dir, or name an issuer with --issuer-url and --client-id",
            request.dir.display()
        ))),
    }
}

/// An issuer that was named. The instance matters where it is its own.
async fn by_flags(
    request: &Request,
    issuer: &str,
    running: Option<Running>,
) -> Result<Vec<Finding>, Error> {
    let running = running.filter(|running| {
        let base = format!("{}/", running.ready().issuer_base);
        issuer.starts_with(&base)
    });
    let client_id = request.given.client_id.clone().ok_or_else(|| {
        Error::Usage("--issuer-url needs a --client-id beside it: the aud of the tokens".to_owned())
    })?;
    let trust = Trust {
        issuer_url: issuer.to_owned(),
        client_id,
        ..Trust::default()
    };
    let mut findings = Vec::new();
    let kubeconfig = read_kubeconfig(request, &mut findings);
    let named = request.kubeconfig.is_some();
    let mut subject = subject(
        request,
        running.as_ref(),
        trust,
        "a cluster with these flags",
    )
    .await?;
    // A token goes to nobody who has no part in this login.
    let part = |kubeconfig: &Kubeconfig| named || concerns(kubeconfig, issuer);
    if let Some(kubeconfig) = kubeconfig.filter(part) {
        subject.server = Some(kubeconfig.server.clone());
        subject.token = subject.token.or_else(|| own_token(&kubeconfig));
        subject.kubeconfig = Some(kubeconfig);
    }
    findings.extend(instances_clock(running.as_ref(), &subject));
    findings.extend(subject.examine().await);
    Ok(findings)
}

/// Whether a kubeconfig that nobody named logs in at the issuer.
fn concerns(kubeconfig: &Kubeconfig, issuer: &str) -> bool {
    let same = |other: Option<&str>| {
        let plain = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
        other.is_some_and(|other| plain(other) == plain(issuer))
    };
    let arguments = kubeconfig.exec.as_ref().and_then(kubelogin::arguments);
    let asked = arguments
        .as_ref()
        .and_then(|all| all.value("oidc-issuer-url"));
    let token = kubeconfig
        .token
        .as_ref()
        .and_then(|token| token::decode(token.expose()));
    same(asked) || same(token.as_ref().and_then(|token| token.text("iss")))
}

/// The token in a user entry, where it is one of an issuer's and not a
/// service account's.
fn own_token(kubeconfig: &Kubeconfig) -> Option<Token> {
    let raw = kubeconfig.token.clone()?;
    let decoded = token::decode(raw.expose())?;
    decoded.claims["kubernetes.io"].is_null().then_some(Token {
        raw,
        source: "the kubeconfig's token",
    })
}

/// Every cluster of the instance that trusts an issuer.
async fn by_instance(request: &Request, running: &Running) -> Result<Vec<Finding>, Error> {
    let status = running.status().await.map_err(rig)?;
    let clusters: Vec<&Value> = status["clusters"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let mut findings = Vec::new();
    let mut kubeconfig = read_kubeconfig(request, &mut findings);
    if let Some(read) = &kubeconfig
        && !clusters.iter().any(|cluster| is_at(cluster, &read.server))
    {
        findings.push(elsewhere(request, read));
        if request.kubeconfig.is_none() {
            kubeconfig = None;
        }
    }
    let mut found_one = false;
    let mut trusted = Vec::new();
    for cluster in &clusters {
        let issuers = running.trusted_by(cluster).await;
        trusted.extend(issuers.into_iter().map(|issuer| (*cluster, issuer)));
    }
    for (cluster, provider) in &trusted {
        let name = cluster["name"].as_str().unwrap_or_default();
        let told_by = format!("cluster {name}");
        let mut subject = subject(request, Some(running), trust_of(provider), &told_by).await?;
        let here = kubeconfig
            .as_ref()
            .filter(|kubeconfig| clusters.len() == 1 || is_at(cluster, &kubeconfig.server));
        subject.server = match here {
            Some(kubeconfig) if is_at(cluster, &kubeconfig.server) => {
                Some(kubeconfig.server.clone())
            }
            _ => admins_server(running, cluster),
        };
        subject.token = subject.token.or_else(|| here.and_then(own_token));
        // It is looked at beside the issuer whose it is.
        subject.token = subject
            .token
            .filter(|token| !is_of_another(token, cluster, provider));
        subject.kubeconfig = here.cloned();
        if !found_one {
            findings.extend(instances_clock(Some(running), &subject));
        }
        found_one = true;
        findings.extend(provider_state(name, provider));
        findings.extend(subject.examine().await);
    }
    if !found_one {
        let name = &running.ready().cluster_name;
        findings.push(Finding::problem(
            "trust",
            format!("cluster {name} trusts no issuer"),
            format!("aws eks associate-identity-provider-config --cluster-name {name} --oidc identityProviderConfigName=NAME,issuerUrl=ISSUER,clientId=CLIENT,usernameClaim=email,groupsClaim=cognito:groups"),
        ));
    }
    Ok(findings)
}

/// Whether a token is of another issuer that the cluster trusts.
fn is_of_another(token: &Token, cluster: &Value, provider: &Value) -> bool {
    let decoded = token::decode(token.raw.expose());
    let named = decoded.as_ref().and_then(|token| token.text("iss"));
    let is = |issuer: &Value| named.is_some_and(|named| issuer["issuer"] == named);
    !is(provider) && instance::trusted(cluster).into_iter().any(is)
}

fn rig(error: impl std::fmt::Display) -> Error {
    Error::Rig(error.to_string())
}

/// Whom a cluster trusts, as an instance's status tells it.
pub fn trust_of(provider: &Value) -> Trust {
    let text = |name: &str| provider[name].as_str().map(str::to_owned);
    let required = provider["requiredClaims"].as_object().into_iter().flatten();
    Trust {
        issuer_url: text("issuer").unwrap_or_default(),
        client_id: text("clientId").unwrap_or_default(),
        username_claim: text("usernameClaim"),
        username_prefix: text("usernamePrefix"),
        groups_claim: text("groupsClaim"),
        groups_prefix: text("groupsPrefix"),
        required_claims: required
            .map(|(claim, value)| (claim.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
    }
}

/// What EKS itself says of the configuration.
fn provider_state(cluster: &str, provider: &Value) -> Option<Finding> {
    const CHECK: &str = "trust";
    if let Some(trouble) = provider["trouble"].as_str() {
        return Some(Finding::problem(
            CHECK,
            format!("cluster {cluster} was told whom to trust, and {trouble}"),
            "see to the findings about the issuer below; a foreign issuer's CA has to be in SSL_CERT_FILE when `rolecall up` starts",
        ));
    }
    match provider["status"].as_str() {
        Some("ACTIVE") => None,
        // A file has no state.
        _ if provider["name"].is_null() => None,
        status => Some(Finding::warning(
            CHECK,
            format!(
                "the identity provider configuration of cluster {cluster} is {}",
                status.unwrap_or("unknown")
            ),
            "wait until aws eks describe-identity-provider-config says ACTIVE",
        )),
    }
}

fn is_at(cluster: &Value, server: &Server) -> bool {
    let plain = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
    let endpoint = cluster["endpoint"].as_str();
    endpoint.is_some_and(|endpoint| plain(endpoint) == plain(&server.url))
}

fn elsewhere(request: &Request, kubeconfig: &Kubeconfig) -> Finding {
    const CHECK: &str = "kubeconfig";
    let what = format!(
        "{} leads to {}, where no cluster of the instance is",
        kubeconfig.path.display(),
        kubeconfig.server.url
    );
    let remedy = "eval \"$(rolecall env)\" sets KUBECONFIG; or name the file with --kubeconfig and its context with --context";
    if request.kubeconfig.is_some() {
        Finding::problem(CHECK, what, remedy)
    } else {
        Finding::warning(CHECK, what, remedy)
    }
}

/// The ready cluster, by the administrator's kubeconfig; no credential of it
/// is used. Nobody chose it, so it is asked in the way that leads to it.
fn admins_server(running: &Running, cluster: &Value) -> Option<Server> {
    Some(admin(running, cluster)?.server)
}

/// The administrator's kubeconfig, where it is one of this cluster.
pub fn admin(running: &Running, cluster: &Value) -> Option<Kubeconfig> {
    let mut admin = read::context(&running.ready().paths.admin_kubeconfig, None).ok()?;
    admin.server.proxy.clone_from(&running.ready().proxy);
    is_at(cluster, &admin.server).then_some(admin)
}

fn read_kubeconfig(request: &Request, findings: &mut Vec<Finding>) -> Option<Kubeconfig> {
    const CHECK: &str = "kubeconfig";
    let named = request.kubeconfig.as_ref();
    let path = named.or(request.surroundings.kubeconfigs.first())?;
    if named.is_none() && !path.exists() {
        return None;
    }
    match read::context(path, request.context.as_deref()) {
        Ok(kubeconfig) => Some(kubeconfig),
        Err(why) => {
            let what = format!("{}: {why}", path.display());
            let remedy = "write it anew, for example with aws eks update-kubeconfig, or name another with --kubeconfig";
            findings.push(if named.is_some() || request.context.is_some() {
                Finding::problem(CHECK, what, remedy)
            } else {
                Finding::warning(CHECK, what, remedy)
            });
            None
        }
    }
}

async fn subject(
    request: &Request,
    running: Option<&Running>,
    trust: Trust,
    told_by: &str,
) -> Result<Subject, Error> {
    let clock = Clock::system();
    let now = match running {
        None => clock.now(),
        Some(running) => running.now().await.map_err(rig)?,
    };
    let mut trust = request.given.mapping.clone().over(trust);
    if let Some(client_id) = &request.given.client_id {
        trust.client_id.clone_from(client_id);
    }
    let client = match running {
        None => None,
        Some(running) => client(running, &trust).await,
    };
    let mut proxy = request.surroundings.proxy.clone();
    if let Some(url) = running.and_then(|running| running.ready().proxy.clone()) {
        proxy = Proxy {
            url: Some(url),
            except: String::new(),
        };
    }
    Ok(Subject {
        told_by: told_by.to_owned(),
        roots: roots(request, running)?,
        proxy,
        clock,
        now,
        token: request.token.clone().map(|raw| Token {
            raw,
            source: "the token given",
        }),
        server: None,
        kubeconfig: None,
        client,
        cache: request.cache.clone(),
        surroundings: request.surroundings.clone(),
        trust,
    })
}

/// The client at the instance's own Cognito, if it is one of its pools.
async fn client(running: &Running, trust: &Trust) -> Option<Result<pool::Client, String>> {
    let rest = trust
        .issuer_url
        .strip_prefix(&running.ready().issuer_base)?;
    let pool = issuer::pool_of(rest)?;
    match pool::describe(&running.aws(), pool, &trust.client_id).await {
        Ok(client) => Some(Ok(client)),
        Err(AwsError::Refused { message, .. }) => Some(Err(message)),
        Err(AwsError::Broken(_)) => None,
    }
}

fn roots(request: &Request, running: Option<&Running>) -> Result<Roots, Error> {
    if let Some(file) = &request.ca {
        return Ok(Roots {
            store: read_roots(file)?,
            named: format!("a CA of {}", file.display()),
            private: true,
        });
    }
    if let Some(running) = running {
        return Ok(Roots {
            store: read_roots(&running.ready().paths.roots)?,
            named: "the instance's CA or one of the system's".to_owned(),
            private: true,
        });
    }
    Ok(Roots {
        store: crate::client::system_roots(),
        named: "a CA that this machine trusts".to_owned(),
        private: false,
    })
}

fn read_roots(file: &Path) -> Result<RootCertStore, Error> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::Usage(format!("{}: {error}", file.display())))?;
    pki::roots_from_pem(&text).map_err(|error| Error::Usage(format!("{}: {error}", file.display())))
}

/// A moved clock is seen by nobody's Date header: that is the machine's.
fn instances_clock(running: Option<&Running>, subject: &Subject) -> Option<Finding> {
    running?;
    Some(issuer::skew(
        subject.now,
        subject.clock.now(),
        "the instance's clock",
    ))
}
