//! An issuer's keys, which are learnt over HTTPS by discovery and by nothing
//! else (go-oidc's `NewProvider` and `remoteKeySet`).

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use foundation::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use kube_authn::{KeySet, KeyState, discovery_response, jwks_response, provider_response};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::fetch::{Failed, get};
use super::freshness;

/// How long to wait before discovery is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// Keys that are fresh for longer than this are not fetched again for a
/// token that none of them verifies.
const EXPIRY_DELTA: SignedDuration = SignedDuration::from_secs(30);

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

/// Whose keys, and how they are found.
pub struct Source {
    /// The issuer, as its discovery document has to name it.
    pub issuer: String,
    /// Where that document is.
    pub discovery_url: String,
    /// Whether it has to say where the keys are.
    pub wants_jwks_uri: bool,
    /// What the log says before the reason of a failure.
    pub complaint: String,
    /// Who asks.
    pub client: reqwest::Client,
    /// The time line.
    pub clock: Clock,
}

/// The keys of one issuer; a cheap handle. Discovery goes on until it succeeds
/// or the last handle is gone.
#[derive(Clone)]
pub struct RemoteKeys(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    discovery: AbortHandle,
}

struct Shared {
    source: Source,
    progress: watch::Sender<Progress>,
    jwks_uri: ArcSwapOption<String>,
    keys: ArcSwapOption<Cached>,
    /// The fetch that is under way, for everybody who needs one.
    inflight: Mutex<Option<watch::Receiver<Option<Fetched>>>>,
}

struct Cached {
    keys: KeySet,
    expiry: Timestamp,
}

type Fetched = Result<KeySet, String>;

impl RemoteKeys {
    /// Starts to look for the keys at once. Needs a tokio runtime.
    pub fn new(source: Source) -> Self {
        let shared = Arc::new(Shared {
            source,
            progress: watch::Sender::new(Progress::Starting),
            jwks_uri: ArcSwapOption::empty(),
            keys: ArcSwapOption::empty(),
            inflight: Mutex::default(),
        });
        let discovery = tokio::spawn(discover(Arc::downgrade(&shared))).abort_handle();
        Self(Arc::new(Inner { shared, discovery }))
    }

    /// How far initialisation is, now and as it goes on.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.0.shared.progress.subscribe()
    }

    /// Judges by what is known of the keys, and where that `lacks` keys by fresh
    /// ones, which are fetched where go-oidc fetches them.
    pub async fn judge<T>(
        &self,
        judge: impl Fn(KeyState<'_>) -> T,
        lacks: impl Fn(&T) -> bool,
    ) -> T {
        let shared = &self.0.shared;
        if shared.jwks_uri.load().is_none() {
            return judge(KeyState::NotInitialized);
        }
        let cached = shared.keys.load_full();
        let none = KeySet::default();
        let known = cached.as_ref().map_or(&none, |cached| &cached.keys);
        let judged = judge(KeyState::Cached(known));
        if !lacks(&judged) {
            return judged;
        }
        let fresh = cached.as_ref().is_some_and(|cached| {
            let now = shared.source.clock.now();
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

impl Drop for Inner {
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
                        tracing::warn!(issuer = this.source.issuer, %error, "cannot fetch an issuer's keys");
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
        let answer = get(&self.source.client, &uri, "")
            .await
            .map_err(|failed| match failed {
                Failed::Request(why) => format!("oidc: get keys failed {why}"),
                body => body.of_document(),
            })?;
        let keys = jwks_response(&answer.status, answer.content_type(), &answer.body)
            .map_err(|error| error.to_string())?;
        let expiry = freshness::expiry(&answer.headers, self.source.clock.now());
        self.keys.store(Some(Arc::new(Cached {
            keys: keys.clone(),
            expiry,
        })));
        Ok(keys)
    }

    async fn discover_once(&self) -> Result<(), String> {
        let source = &self.source;
        let answer = get(&source.client, &source.discovery_url, "")
            .await
            .map_err(Failed::of_document)?;
        let read = if source.wants_jwks_uri {
            discovery_response
        } else {
            provider_response
        };
        let discovery = read(
            &answer.status,
            answer.content_type(),
            &answer.body,
            &source.issuer,
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
                let Source {
                    issuer, complaint, ..
                } = &shared.source;
                tracing::warn!(issuer, "{complaint}: {error}");
                shared.progress.send_replace(Progress::Failed(error));
            }
        }
        let clock = shared.source.clock.clone();
        drop(shared);
        clock.sleep(RETRY).await;
    }
}

fn cancelled() -> String {
    "context canceled".to_owned()
}
