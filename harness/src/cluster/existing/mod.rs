//! A cluster that somebody else made, by a context of their kubeconfig: looked
//! at, and written to only where that is allowed.
//!
//! Nobody can tell it whom to trust. Where it trusts our issuer already, people
//! show it their tokens; elsewhere its administrator asks for them, as whom their
//! tokens would make them under the scenario's own trust.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use foundation::clock::{Clock, Stopwatch, pause};
use foundation::pki::Leaf;
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use http::Method;
use kube_authn::{Authenticator, KeySet, KeyState, Outcome};

use super::authn::{self, Trust};
use super::kind::by_hand;
use super::kubeconfig::exec::Plugin;
use super::kubeconfig::{Kubeconfig, read};
use super::{Capabilities, Cluster, Identified, Identities, Kind, TrustError, Writes, reload};
use crate::client::{As, Broken, KubeClient, Proxy, TokenSource, chain, lacks_keys};

mod made;

pub use made::{Made, Removed, remove_all_of_any_run};

/// An API server looks for its issuers every ten seconds.
const FOR_KEYS: Duration = Duration::from_secs(25);
/// A file that it watches, through a mount, and the look after it.
const FOR_RELOAD: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Which cluster, and what may be done there.
pub struct Access {
    kubeconfig: read::Kubeconfig,
    kube: KubeClient,
    made: Option<Arc<Made>>,
    /// The folder that a kind cluster made by hand mounts, which says whom it
    /// trusts.
    by_hand: Option<PathBuf>,
}

/// What there is to know of the kubeconfig's secrets is where it stands.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "context {:?}", self.kubeconfig.context)
    }
}

/// Why a cluster cannot be got at; the text names the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The kubeconfig is not as it has to be.
    #[error("{0}")]
    Kubeconfig(String),
    /// The cluster does not answer as it should.
    #[error("{0}")]
    Cluster(String),
}

impl Access {
    /// By `context` of the first of `files` that has it, which are tried in
    /// `KUBECONFIG`'s order.
    ///
    /// # Errors
    /// [`Unreachable::Kubeconfig`].
    pub fn find(
        files: &[PathBuf],
        context: Option<&str>,
        allow_writes: bool,
        proxy: &Proxy,
    ) -> Result<Self, Unreachable> {
        let wrong = |text: String| Unreachable::Kubeconfig(text);
        let found = find(files, context).map_err(wrong)?;
        let (path, name) = (found.path.display(), &found.context);
        let of = |why: String| wrong(format!("{path}, context {name:?}: {why}"));
        if let Some(field) = found.beyond {
            return Err(of(format!(
                "it has `{field}`, which is not gone by here; name a context of a user with a certificate, a token or a program"
            )));
        }
        let clients = found.clients(proxy).map_err(of)?;
        let token = found.current_token().map_err(of)?;
        let source: Option<Arc<dyn TokenSource>> = match (token, &found.exec) {
            (Some(token), _) => Some(Arc::new(token)),
            (None, Some(exec)) => {
                let plugin = Plugin::new(exec.clone(), &found.server);
                Some(Arc::new(plugin.map_err(of)?))
            }
            (None, None) => None,
        };
        if source.is_none() && clients.certified.is_none() {
            return Err(of(format!(
                "its user {:?} has no certificate, no token and no program",
                found.user
            )));
        }
        let kube = KubeClient {
            // A token beside a certificate would not be looked at.
            admin_token: source.filter(|_| clients.certified.is_none()),
            admin: clients.certified.unwrap_or_else(|| clients.bearer.clone()),
            bearer: clients.bearer,
            endpoint: found.server.url.trim_end_matches('/').to_owned(),
            read_only: !allow_writes,
        };
        Ok(Self {
            made: allow_writes.then(|| Arc::new(Made::new(kube.clone()))),
            kubeconfig: found,
            kube,
            by_hand: None,
        })
    }

    /// The same for a kind cluster that was made by hand beside an instance:
    /// `folder` says whom it trusts.
    #[must_use]
    pub fn by_hand(mut self, folder: &Path) -> Self {
        self.by_hand = Some(folder.to_owned());
        self
    }

    /// The context's name.
    pub fn context(&self) -> &str {
        &self.kubeconfig.context
    }

    /// What asks the API server.
    pub fn kube(&self) -> &KubeClient {
        &self.kube
    }

    /// What was made there in this run; none where nothing may be.
    pub fn made(&self) -> Option<&Arc<Made>> {
        self.made.as_ref()
    }

    /// The release that the cluster is of.
    ///
    /// # Errors
    /// [`Unreachable::Cluster`].
    pub async fn release(&self) -> Result<String, Unreachable> {
        let url = &self.kubeconfig.server.url;
        let silent = |why: String| {
            Unreachable::Cluster(format!(
                "the cluster of context {:?} does not answer as one: {why}; see whether kubectl --context {:?} version does",
                self.context(),
                self.context()
            ))
        };
        let asked = self.kube.request(&As::Admin, Method::GET, "/version", None);
        let (status, version) = asked.await.map_err(|broken| silent(broken.to_string()))?;
        let release = version["gitVersion"].as_str();
        release
            .map(str::to_owned)
            .ok_or_else(|| silent(format!("{url}/version: {status}")))
    }
}

fn find(files: &[PathBuf], context: Option<&str>) -> Result<read::Kubeconfig, String> {
    let documents = read::Documents::read(files)?;
    let names = documents.contexts();
    let known = match names.as_slice() {
        [] => "there is none in the kubeconfig".to_owned(),
        names => format!("there is {}", names.join(", ")),
    };
    match context {
        None => Err(format!(
            "--cluster kubeconfig: name the context with --context; {known}"
        )),
        Some(context) if !names.contains(&context) => {
            Err(format!("there is no context {context:?}; {known}"))
        }
        Some(context) => documents.context(Some(context)),
    }
}

/// A cluster that was there before us.
pub struct Existing {
    access: Arc<Access>,
    release: String,
    ca_pem: String,
    /// Asks issuers for their keys.
    issuers: reqwest::Client,
    edge_pem: String,
    clock: Clock,
    now: RwLock<Now>,
}

/// How things stand.
#[derive(Clone, Default)]
enum Now {
    /// Nobody was said to be trusted.
    #[default]
    Untold,
    /// The cluster trusts the issuer.
    Trusted(String),
    /// Whether it does could not be asked: the first token shows it.
    Untried(Arc<Mapping>),
    /// It does not, and its administrator asks for people.
    Mapped(Arc<Mapping>),
}

/// Whom tokens make people under a scenario's trust.
struct Mapping {
    issuer: String,
    authenticator: Authenticator,
    said: String,
}

/// What a cluster tells of its trust in an issuer.
enum Told {
    Trusts,
    DoesNot,
    /// Whoever asks may not ask; the refusal.
    Nothing(String),
}

/// What an existing cluster is joined to.
pub struct Surroundings {
    /// Asks our issuers for their keys.
    pub issuers: reqwest::Client,
    /// PEM of their CA.
    pub edge_pem: String,
    /// The time line of what is not decided by the cluster.
    pub clock: Clock,
}

impl Existing {
    /// Joins the cluster to a rig.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub async fn join(access: Arc<Access>, around: Surroundings) -> Result<Self, Unreachable> {
        Ok(Self {
            release: access.release().await?,
            ca_pem: access.kubeconfig.server.ca_pem.clone().unwrap_or_default(),
            access,
            issuers: around.issuers,
            edge_pem: around.edge_pem,
            clock: around.clock,
            now: RwLock::default(),
        })
    }

    fn now(&self) -> Now {
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, now: Now) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether the cluster trusts the issuer by itself.
    async fn trusts(&self, trust: &Trust) -> Result<Told, TrustError> {
        let issuer = &trust.issuer_url;
        let watch = Stopwatch::start();
        let token = reload::junk_token(trust);
        loop {
            let asked = self.access.kube.review_token(&token);
            let asked = asked.await.map_err(|e| TrustError::Broken(e.to_string()))?;
            let said = match asked {
                Ok(status) => status["error"].as_str().unwrap_or_default().to_owned(),
                Err(refused) if refused.code == 403 => {
                    return Ok(Told::Nothing(refused.to_string()));
                }
                Err(refused) => return Err(TrustError::Broken(refused.to_string())),
            };
            // Whoever is not responsible for an issuer says nothing of it.
            let responsible = said.contains("oidc:");
            let has_keys = responsible && !lacks_keys(&said);
            let limit = match &self.access.by_hand {
                // What it trusted before may be the same issuer with another CA.
                Some(_) if said.contains(reload::BAD_SIGNATURE) => {
                    return Ok(Told::Trusts);
                }
                Some(_) => FOR_RELOAD,
                None if has_keys => return Ok(Told::Trusts),
                None if responsible => FOR_KEYS,
                None => return Ok(Told::DoesNot),
            };
            if watch.elapsed() > limit {
                let why = if responsible {
                    format!("the cluster trusts {issuer} and cannot use its keys: {said}")
                } else {
                    format!(
                        "the cluster does not trust {issuer}, {} s after its file said so: is it the kind cluster of this --dir?",
                        limit.as_secs()
                    )
                };
                return Err(TrustError::Broken(why));
            }
            pause(LOOK).await;
        }
    }

    /// Shows a token; whether the cluster takes it for somebody's.
    async fn takes(&self, token: &Secret<String>) -> Result<bool, Broken> {
        let asked = self.access.kube.who_is(&As::Bearer(token.clone())).await?;
        // Whoever may not ask for themselves is somebody all the same.
        Ok(asked.map_or_else(|refused| refused.code == 403, |_| true))
    }

    /// As `rolecall up --for-kind` does.
    fn write_by_hand(&self, folder: &Path, trust: &Trust) -> Result<(), TrustError> {
        let issuer = &trust.issuer_url;
        let (base, pool) = issuer.rsplit_once('/').unwrap_or((issuer, ""));
        let trust = by_hand::trust(base, pool, &trust.client_id);
        by_hand::write(folder, &trust, Some(&self.edge_pem)).map_err(TrustError::Invalid)
    }

    /// What reports say where people are impersonated.
    fn by_impersonation(&self, why: &str) -> String {
        format!(
            "by impersonation, as {:?} of context {:?} asks for them: {why}",
            self.access.kubeconfig.user,
            self.access.context()
        )
    }

    /// Whom `token` makes somebody; or the refusal.
    async fn walk(
        &self,
        mapping: &Mapping,
        token: &Secret<String>,
    ) -> Result<Result<kube_authn::User, String>, Broken> {
        let url = format!("{}/.well-known/jwks.json", mapping.issuer);
        let broken = |why: String| Broken::new(&url, why);
        let got = async {
            let answer = self.issuers.get(&url).send().await?.error_for_status()?;
            answer.bytes().await
        };
        let bytes = got.await.map_err(|error| broken(chain(&error)))?;
        let keys = KeySet::parse(&bytes).map_err(|error| broken(error.to_string()))?;
        let keys = KeyState::Fetched(&keys);
        let outcome = mapping
            .authenticator
            .authenticate(token.expose(), keys, self.clock.now());
        Ok(match outcome {
            Outcome::Accepted(user) => Ok(user),
            Outcome::Rejected(error) => Err(error.to_string()),
            Outcome::NotMine | Outcome::NeedsKeys => Err("invalid bearer token".to_owned()),
        })
    }
}

impl Cluster for Existing {
    fn endpoint(&self) -> &str {
        &self.access.kube.endpoint
    }

    fn address(&self) -> Option<SocketAddr> {
        None
    }

    fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    fn admin_kubeconfig(&self) -> Option<Kubeconfig> {
        None
    }

    fn admin(&self) -> Option<&Leaf> {
        None
    }

    fn client(&self, _: Option<&str>) -> Result<KubeClient, Broken> {
        Ok(self.access.kube.clone())
    }

    fn release(&self) -> &str {
        &self.release
    }

    fn trust<'a>(&'a self, trust: Option<&'a Trust>) -> BoxFuture<'a, Result<(), TrustError>> {
        Box::pin(async move {
            let Some(trust) = trust else {
                self.set(Now::Untold);
                return Ok(());
            };
            // What no cluster would take is said here, too.
            let authenticator = authenticator(trust)?;
            if let Some(folder) = &self.access.by_hand {
                self.write_by_hand(folder, trust)?;
            }
            let issuer = &trust.issuer_url;
            let mapped = |why: String| {
                Arc::new(Mapping {
                    issuer: issuer.clone(),
                    authenticator,
                    said: self.by_impersonation(&why),
                })
            };
            self.set(match self.trusts(trust).await? {
                Told::Trusts => Now::Trusted(by_its_own(issuer)),
                Told::DoesNot => {
                    Now::Mapped(mapped(format!("the cluster does not trust {issuer}")))
                }
                Told::Nothing(refused) => Now::Untried(mapped(format!(
                    "the cluster takes no token of {issuer}, and why could not be asked: {refused}"
                ))),
            });
            Ok(())
        })
    }

    fn identities(&self) -> Identities {
        match self.now() {
            Now::Untold => Identities::Own("by whatever the cluster trusts".to_owned()),
            Now::Untried(_) => Identities::Own("by whatever comes of the first token".to_owned()),
            Now::Trusted(said) => Identities::Own(said),
            Now::Mapped(mapping) => Identities::Impersonated(mapping.said.clone()),
        }
    }

    fn meet<'a>(&'a self, token: &'a Secret<String>) -> BoxFuture<'a, Result<(), Broken>> {
        Box::pin(async move {
            if let Now::Untried(mapping) = self.now() {
                let takes = self.takes(token).await?;
                self.set(if takes {
                    Now::Trusted(by_its_own(&mapping.issuer))
                } else {
                    Now::Mapped(mapping)
                });
            }
            Ok(())
        })
    }

    fn identify<'a>(
        &'a self,
        token: &'a Secret<String>,
    ) -> BoxFuture<'a, Result<Identified, Broken>> {
        Box::pin(async move {
            Ok(match self.now() {
                Now::Untold | Now::Untried(_) | Now::Trusted(_) => Ok(As::Bearer(token.clone())),
                Now::Mapped(mapping) => self.walk(&mapping, token).await?.map(As::Impersonated),
            })
        })
    }

    fn writes(&self) -> Writes {
        match &self.access.made {
            None => Writes::Forbidden,
            Some(made) => Writes::Noted(Arc::clone(made)),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: Kind::Existing.name(),
            follows_our_clock: false,
            // Of others nobody can know; what comes of it is in the report.
            takes_all_algorithms: self.access.by_hand.is_some(),
            reloads_in: Duration::ZERO,
            cached_for: reload::SUCCESS_CACHE,
            settles: reload::SETTLES,
        }
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Who judges tokens by `trust` in the cluster's place.
fn authenticator(trust: &Trust) -> Result<Authenticator, TrustError> {
    let rendered = authn::render(trust).map_err(TrustError::Invalid)?;
    let [jwt] = rendered.configuration.jwt.as_slice() else {
        return Err(TrustError::Invalid("a trust has one issuer".to_owned()));
    };
    Authenticator::new(jwt, rendered.signing_algs.as_deref())
        .map_err(|error| TrustError::Invalid(error.to_string()))
}

fn by_its_own(issuer: &str) -> String {
    format!("by the cluster's own trust in {issuer}, with its own claims and prefixes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: c, user: v}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {token: t}}, {name: v, user: {token: t, as: somebody}}]
current-context: a
";

    fn access(context: Option<&str>) -> Result<Access, String> {
        foundation::pki::install_provider();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        std::fs::write(&file, FILE).expect("a file");
        let files = [folder.path().join("not there"), file];
        Access::find(&files, context, false, &Proxy::default()).map_err(|why| why.to_string())
    }

    #[test]
    fn no_context_is_used_that_was_not_named() {
        assert_eq!(access(Some("a")).expect("access").context(), "a");
        let why = access(None).expect_err("refused");
        assert!(why.contains("--context; there is a, b"), "{why}");
        let why = access(Some("c")).expect_err("refused");
        assert!(why.contains("no context \"c\"; there is a, b"), "{why}");
    }

    #[test]
    fn what_only_kubectl_goes_by_is_refused() {
        let why = access(Some("b")).expect_err("refused");
        assert!(why.contains("it has `as`"), "{why}");
    }

    #[test]
    fn a_kubeconfigs_secrets_are_not_shown() {
        let shown = format!("{:?}", access(Some("a")).expect("access"));
        assert_eq!(shown, "context \"a\"");
    }
}
