//! One trusted issuer: its authenticator, and its keys, which are learnt over
//! HTTPS by discovery and by nothing else (apiserver,
//! `plugin/pkg/authenticator/token/oidc`, and go-oidc's `remoteKeySet`).

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use foundation::clock::Clock;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::{SignedDuration, Timestamp};
use kube_authn::config::JwtAuthenticator;
use kube_authn::{
    Authenticator, ConfigError, KeySet, KeyState, Outcome, discovery_response, jwks_response,
};
use rustls::RootCertStore;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::egress::Egress;
use super::freshness;

/// How long to wait before discovery is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// Keys that are fresh for longer than this are not fetched again for a
/// token that none of them verifies.
const EXPIRY_DELTA: SignedDuration = SignedDuration::from_secs(30);
/// How long one request to an issuer may take, by the machine's own clock.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
/// Discovery documents and key sets larger than this are refused.
const MAX_DOCUMENT: usize = 8 * 1024 * 1024;

/// How far an issuer's initialisation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Discovery is under way for the first time.
    Starting,
    /// The latest attempt failed; it is tried again every ten seconds.
    Failed(String),
    /// Tokens can be verified.
    Ready,
}

/// An issuer that is trusted until this is dropped.
pub struct Issuer {
    shared: Arc<Shared>,
    discovery: AbortHandle,
}

struct Shared {
    authenticator: Authenticator,
    signing_algs: Option<Vec<String>>,
    roots: RootCertStore,
    client: reqwest::Client,
    clock: Clock,
    progress: watch::Sender<Progress>,
    jwks_uri: ArcSwapOption<String>,
    keys: ArcSwapOption<Cached>,
    /// What is known before the first fetch.
    no_keys: KeySet,
    /// The fetch that is under way, for everybody who needs one.
    inflight: Mutex<Option<watch::Receiver<Option<Fetched>>>>,
}

struct Cached {
    keys: Arc<KeySet>,
    expiry: Timestamp,
}

type Fetched = Result<Arc<KeySet>, String>;

impl Issuer {
    /// Trusts an issuer and starts to look for its keys at once. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(
        jwt: &JwtAuthenticator,
        signing_algs: Option<&[String]>,
        roots: &RootCertStore,
        egress: &Egress,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let authenticator = Authenticator::new(jwt, signing_algs)?;
        // As an API server without an egress selector's configuration, which
        // there is none of here.
        let selector = &jwt.issuer.egress_selector_type;
        if !selector.is_empty() {
            let error = "oidc: egress lookup required with egress selector type";
            let error = format!("{error} {}", crate::wire::quote(selector));
            return Err(ConfigError::Invalid(vec![error]));
        }
        let roots = match jwt.issuer.certificate_authority.as_str() {
            "" => roots.clone(),
            pem => foundation::pki::roots_from_pem(pem)
                .map_err(|error| ConfigError::Invalid(vec![error.to_string()]))?,
        };
        let client =
            client(roots.clone(), egress).map_err(|error| ConfigError::Invalid(vec![error]))?;
        let shared = Arc::new(Shared {
            authenticator,
            signing_algs: signing_algs.map(<[_]>::to_vec),
            roots,
            client,
            clock,
            progress: watch::Sender::new(Progress::Starting),
            jwks_uri: ArcSwapOption::empty(),
            keys: ArcSwapOption::empty(),
            no_keys: KeySet::parse(br#"{"keys":[]}"#)
                .map_err(|error| ConfigError::Invalid(vec![error.to_string()]))?,
            inflight: Mutex::default(),
        });
        let discovery = tokio::spawn(discover(Arc::downgrade(&shared))).abort_handle();
        Ok(Self { shared, discovery })
    }

    /// Whether this is what [`Issuer::new`] would make of the same, so that it
    /// can stay as it is when the configuration is set anew.
    pub fn is_same(
        &self,
        jwt: &JwtAuthenticator,
        signing_algs: Option<&[String]>,
        roots: &RootCertStore,
    ) -> bool {
        let own = !jwt.issuer.certificate_authority.is_empty();
        self.shared.authenticator.configuration() == jwt
            && self.shared.signing_algs.as_deref() == signing_algs
            && (own || self.shared.roots.roots == roots.roots)
    }

    /// The issuer's URL.
    pub fn url(&self) -> &str {
        self.shared.authenticator.issuer_url()
    }

    /// How far initialisation is, now and as it goes on.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// Judges a token, and fetches keys where go-oidc would.
    pub async fn authenticate(&self, token: &str) -> Outcome {
        let shared = &self.shared;
        let now = shared.clock.now();
        let judge = |keys| shared.authenticator.authenticate(token, keys, now);
        if shared.jwks_uri.load().is_none() {
            return judge(KeyState::NotInitialized);
        }
        let cached = shared.keys.load_full();
        let known = cached
            .as_ref()
            .map_or(&shared.no_keys, |cached| &*cached.keys);
        let outcome = judge(KeyState::Cached(known));
        if outcome != Outcome::NeedsKeys {
            return outcome;
        }
        let fresh = cached.as_ref().is_some_and(|cached| {
            now.checked_add(EXPIRY_DELTA)
                .is_ok_and(|soon| soon <= cached.expiry)
        });
        if fresh {
            return judge(KeyState::Fetched(known));
        }
        match Shared::fetch(shared).await {
            Ok(keys) => judge(KeyState::Fetched(&keys)),
            Err(why) => judge(KeyState::FetchFailed(&why)),
        }
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.discovery.abort();
    }
}

impl Shared {
    /// Fetches the keys, or waits for the fetch that is under way. It goes on
    /// where the request that wanted it is dropped.
    async fn fetch(this: &Arc<Self>) -> Fetched {
        let mut waiting = {
            let mut inflight = this.inflight.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(waiting) = &*inflight {
                waiting.clone()
            } else {
                let (done, waiting) = watch::channel(None);
                *inflight = Some(waiting.clone());
                let this = Arc::clone(this);
                tokio::spawn(async move {
                    let fetched = this.fetch_now().await;
                    if let Err(error) = &fetched {
                        tracing::warn!(issuer = this.authenticator.issuer_url(), %error, "cannot fetch an issuer's keys");
                    }
                    *this.inflight.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    done.send_replace(Some(fetched));
                });
                waiting
            }
        };
        match waiting.wait_for(Option::is_some).await {
            Ok(fetched) => fetched.clone().unwrap_or_else(|| Err(cancelled())),
            Err(_) => Err(cancelled()),
        }
    }

    async fn fetch_now(&self) -> Fetched {
        let uri = self.jwks_uri.load_full().ok_or_else(cancelled)?;
        let answer = get(&self.client, &uri)
            .await
            .map_err(|error| format!("oidc: get keys failed {error}"))?;
        let keys = jwks_response(&answer.status, answer.content_type(), &answer.body)
            .map_err(|error| error.to_string())?;
        let keys = Arc::new(keys);
        let expiry = freshness::expiry(&answer.headers, self.clock.now());
        self.keys.store(Some(Arc::new(Cached {
            keys: Arc::clone(&keys),
            expiry,
        })));
        Ok(keys)
    }

    async fn discover_once(&self) -> Result<(), String> {
        let answer = get(&self.client, &self.authenticator.discovery_url()).await?;
        let discovery = discovery_response(
            &answer.status,
            answer.content_type(),
            &answer.body,
            self.authenticator.issuer_url(),
        )
        .map_err(|error| error.to_string())?;
        self.jwks_uri.store(Some(Arc::new(discovery.jwks_uri)));
        Ok(())
    }
}

/// Looks for the issuer's discovery document until it is found. It holds the
/// issuer weakly, so that it ends with it.
async fn discover(issuer: Weak<Shared>) {
    loop {
        let Some(shared) = issuer.upgrade() else {
            return;
        };
        match shared.discover_once().await {
            Ok(()) => {
                shared.progress.send_replace(Progress::Ready);
                return;
            }
            Err(error) => {
                tracing::warn!(
                    issuer = shared.authenticator.issuer_url(),
                    "oidc authenticator: initializing plugin: {error}"
                );
                shared.progress.send_replace(Progress::Failed(error));
            }
        }
        let clock = shared.clock.clone();
        drop(shared);
        clock.sleep(RETRY).await;
    }
}

struct Answer {
    status: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok())
    }
}

async fn get(client: &reqwest::Client, url: &str) -> Result<Answer, String> {
    let failed = |error: reqwest::Error| {
        // The innermost cause says most ("connection refused"); the layers
        // around it repeat the URL.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        format!("Get {}: {cause}", crate::wire::quote(url))
    };
    let mut response = client.get(url).send().await.map_err(failed)?;
    let status = response.status();
    let status = match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| format!("unable to read response body: {error}"))?
    {
        if body.len() + chunk.len() > MAX_DOCUMENT {
            return Err(format!(
                "unable to read response body: larger than {MAX_DOCUMENT} bytes"
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
}

fn client(roots: RootCertStore, egress: &Egress) -> Result<reqwest::Client, String> {
    let tls = foundation::pki::client_config(roots).map_err(|error| error.to_string())?;
    let mut client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .timeout(HTTP_TIMEOUT)
        .no_proxy()
        .user_agent("rolecall-apiserver");
    if let Some(proxy) = egress.proxy()? {
        client = client.proxy(proxy);
    }
    client.build().map_err(|error| error.to_string())
}

fn cancelled() -> String {
    "context canceled".to_owned()
}
